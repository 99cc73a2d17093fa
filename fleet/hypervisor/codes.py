"""Pure: libvirt's numbers for states, reasons, events and jobs -> the words Drover stores and shows.

The order of each row is the order of the enum in libvirt's include/libvirt/libvirt-domain.h.
"""

from __future__ import annotations

#: virDomainState; "blocked" and "shutting down" guests still run.
STATES = ("unknown", "running", "running", "paused", "running", "shutoff", "crashed", "suspended")

_RUNNING = [
    "unknown",
    "booted",
    "migrated",
    "restored",
    "from_snapshot",
    "unpaused",
    "migration_canceled",
    "save_canceled",
    "wakeup",
    "crashed",
    "postcopy",
    "postcopy_failed",
]
_PAUSED = [
    "unknown",
    "user",
    "migration",
    "save",
    "dump",
    "ioerror",
    "watchdog",
    "from_snapshot",
    "shutting_down",
    "snapshot",
    "crashed",
    "starting_up",
    "postcopy",
    "postcopy_failed",
    "api_error",
]
_SHUTOFF = ["unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from_snapshot", "daemon"]
_REASONS = {1: _RUNNING, 3: _PAUSED, 5: _SHUTOFF, 6: ["unknown", "panicked"]}

#: virDomainEventType and the virDomainEvent...DetailType of each.
_LIFECYCLE: tuple[tuple[str, str], ...] = (
    ("defined", "added updated renamed from_snapshot"),
    ("undefined", "removed renamed"),
    ("started", "booted migrated restored from_snapshot wakeup"),
    ("suspended", "paused migrated ioerror watchdog restored from_snapshot api_error postcopy postcopy_failed"),
    ("resumed", "unpaused migrated from_snapshot postcopy postcopy_failed"),
    ("stopped", "shutdown destroyed crashed migrated saved failed from_snapshot"),
    ("shutdown", "finished guest host"),
    ("suspended", "memory disk"),
    ("crashed", "panicked crashloaded"),
)

#: virConnectCloseReason
CLOSE_REASONS = ("error", "eof", "keepalive", "client")

#: virDomainJobType and virDomainJobOperation
JOB_KINDS = ("none", "bounded", "unbounded", "completed", "failed", "cancelled")
JOB_OPERATIONS = (
    "",
    "start",
    "save",
    "restore",
    "migration_in",
    "migration_out",
    "snapshot",
    "snapshot_revert",
    "dump",
    "backup",
    "snapshot_delete",
)


def word(words: tuple[str, ...] | list[str], number: int, otherwise: str = "unknown") -> str:
    """The word for a number; a newer libvirt's numbers are `otherwise`."""
    return words[number] if 0 <= number < len(words) else otherwise


def state(number: int) -> str:
    """`GuestState` of a virDomainState."""
    return word(STATES, number)


def reason(state_number: int, reason_number: int) -> str:
    """Why the guest is in that state; "" where libvirt does not say."""
    found = word(_REASONS.get(state_number, []), reason_number, "")
    return "" if found == "unknown" else found


def lifecycle(event: int, detail: int) -> tuple[str, str]:
    """(what happened, why) of a life-cycle event."""
    if not 0 <= event < len(_LIFECYCLE):
        return "changed", ""
    name, details = _LIFECYCLE[event]
    return name, word(details.split(), detail, "")
