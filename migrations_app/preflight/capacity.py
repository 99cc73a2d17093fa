"""Pure: is the guest where and how this kind of move needs it, and has the destination room?"""

from __future__ import annotations

from collections.abc import Iterator

from fleet.states import GuestState, HostState
from migrations_app import modes
from migrations_app.preflight.situation import Check, Situation, block, warn

#: What QEMU itself needs beside the guest's memory, by rule of thumb of the field (Nova reserves about as much).
QEMU_OVERHEAD_MIB = 64

_WORDS = {HostState.MAINTENANCE: "in maintenance", HostState.POWERED_OFF: "powered off"}
_WORDS = {
    HostState.UNREACHABLE: "unreachable",
    HostState.MAINTENANCE: "in maintenance",
    HostState.POWERED_OFF: "powered off",
}
_HOST_REMEDIES = {
    HostState.UNREACHABLE: "Bring the host back, or choose another.",
    HostState.MAINTENANCE: "Leave maintenance on it first, or choose another.",
    HostState.POWERED_OFF: "Power it on first, or choose another.",
}


def check(situation: Situation) -> Iterator[Check]:
    """Findings about places, states and memory."""
    guest, source, destination = situation.guest, situation.source, situation.destination
    if source.id == destination.id:
        yield block("same_host", destination.name, f"{guest.name} is on {destination.name} already.", "Choose another.")
        return
    if destination.state is not HostState.UP:
        text = _WORDS.get(destination.state, destination.state.value)
        yield block(
            "host_not_up", destination.name, f"{destination.name} is {text}.", _HOST_REMEDIES[destination.state]
        )
    if source.state in {HostState.UNREACHABLE, HostState.POWERED_OFF}:
        text = _WORDS.get(source.state, source.state.value)
        yield block("source_not_up", source.name, f"{source.name}, where {guest.name} is, is {text}.")
    yield from _state(situation)
    if guest.snapshots:
        yield block(
            "has_snapshots",
            guest.name,
            f"{guest.name} has {guest.snapshots} snapshot(s), which libvirt does not take along.",
            "Delete the snapshots first.",
        )
    yield from _memory(situation)


def _state(situation: Situation) -> Iterator[Check]:
    guest = situation.guest
    if situation.mode == modes.COLD:
        if guest.state not in modes.OFF:
            text = f"{guest.name} is {guest.state}; a cold move needs it shut off."
            yield block("guest_not_off", guest.name, text, "Shut it down first, or move it live.")
    elif guest.state not in {GuestState.RUNNING, GuestState.PAUSED}:
        kind = "an offline move" if situation.mode == modes.OFFLINE else "a live migration"
        remedy = "Start it first, or move it cold." if guest.state in modes.OFF else "Wake it first."
        text = f"{guest.name} is {guest.state}; {kind} needs it running."
        yield block("guest_not_running", guest.name, text, remedy)


def _memory(situation: Situation) -> Iterator[Check]:
    """A guest that stays off needs its memory only when somebody starts it."""
    guest, destination = situation.guest, situation.destination
    needed = guest.memory_mib + QEMU_OVERHEAD_MIB
    free = destination.memory_free_mib - destination.reserved_mib
    if needed <= free:
        return
    promised = f" ({destination.reserved_mib} MiB are promised to others)" if destination.reserved_mib else ""
    text = f"{destination.name} has {max(free, 0)} MiB free{promised}, {guest.name} needs {needed} MiB"
    if situation.mode == modes.COLD:
        yield warn("no_memory_to_start", destination.name, f"{text} to be started there.")
    else:
        remedy = "Free memory there, or choose another host."
        yield block("not_enough_memory", destination.name, f"{text}.", remedy)
