"""Pure: is the guest where and how a live migration needs it, and has the destination room?"""

from __future__ import annotations

from collections.abc import Iterator

from fleet.states import GuestState, HostState
from migrations_app.preflight.situation import Check, Situation, block

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
    if guest.state not in {GuestState.RUNNING, GuestState.PAUSED}:
        yield block(
            "guest_not_running",
            guest.name,
            f"{guest.name} is {guest.state}; a live migration needs it running.",
            "Start it first.",
        )
    if guest.snapshots:
        yield block(
            "has_snapshots",
            guest.name,
            f"{guest.name} has {guest.snapshots} snapshot(s), which libvirt does not migrate.",
            "Delete the snapshots first.",
        )
    needed = guest.memory_mib + QEMU_OVERHEAD_MIB
    free = destination.memory_free_mib - destination.reserved_mib
    if needed > free:
        promised = f" ({destination.reserved_mib} MiB are promised to others)" if destination.reserved_mib else ""
        yield block(
            "not_enough_memory",
            destination.name,
            f"{destination.name} has {max(free, 0)} MiB free{promised}, {guest.name} needs {needed} MiB.",
            "Free memory there, or choose another host.",
        )
