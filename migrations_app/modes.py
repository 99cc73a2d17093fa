"""Pure: the kinds of move from host to host, which one a guest's state asks for, and what each means for the guest."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.states import GuestState

LIVE, OFFLINE, COLD = "live", "offline", "cold"
#: What may be asked for.
MODES = ("auto", LIVE, OFFLINE, COLD)
STORAGES = ("auto", "none", "copy", "copy_incremental")
#: States of a guest that owns neither memory nor open disks.
OFF = frozenset({GuestState.SHUTOFF, GuestState.CRASHED})
#: States of a guest whose memory has to move.
ON = frozenset({GuestState.RUNNING, GuestState.PAUSED, GuestState.SUSPENDED})


@dataclass(frozen=True, slots=True)
class Words:
    """A mode on a page: its name, and one sentence on what it means for the guest."""

    title: str
    text: str


WORDS = {
    "auto": Words("As it stands", "A running guest moves live, one that is shut off moves cold."),
    LIVE: Words("Live", "It runs on while its memory is copied, and pauses for a moment at the end."),
    OFFLINE: Words("Offline", "It is suspended while its memory is copied, then runs on at the destination."),
    COLD: Words("Cold", "It is shut off and stays so; its definition and its disks move."),
}


def resolve(mode: str, state: str, route: str = "") -> str:
    """The mode that "auto" means for a guest in this state and on this route; any other is meant as it is said."""
    if mode != "auto":
        return mode
    if state in OFF:
        return COLD
    # Through the worker nothing can move while it runs.
    return OFFLINE if route == "relay" else LIVE


def offered(state: str) -> tuple[str, ...]:
    """The modes that fit a guest in this state, for a page; the first is chosen unless somebody says otherwise."""
    if state in OFF:
        return ("auto", COLD)
    return ("auto", LIVE, OFFLINE)
