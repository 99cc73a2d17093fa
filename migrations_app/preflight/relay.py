"""Pure: can the guest go through the worker, as files from pool to pool?"""

from __future__ import annotations

from collections.abc import Iterator

from fleet.hypervisor.facts import DiskFacts, PoolFacts
from fleet.states import GuestState
from migrations_app import modes
from migrations_app.preflight.capacity import QEMU_OVERHEAD_MIB
from migrations_app.preflight.situation import (
    Check,
    DiskAction,
    DiskPlan,
    HostView,
    Situation,
    block,
    info,
    warn,
)

FOLDERS = frozenset({"dir", "fs", "netfs"})
_HOST_TO_HOST = "Move it from host to host instead."
_LOST = {
    "nvram": ("keeps UEFI variables in a file outside any pool", _HOST_TO_HOST),
    "tpm": ("keeps a TPM's state in a folder outside any pool", _HOST_TO_HOST),
}


def check(situation: Situation, plans: tuple[DiskPlan, ...]) -> Iterator[Check]:
    """Findings about a move through the worker; none for any other."""
    if situation.options.route != "relay":
        return
    guest = situation.guest
    if situation.mode == modes.LIVE:
        text = f"{guest.name} cannot run while it goes through Drover: its memory goes as a file."
        yield block("relay_not_live", guest.name, text, "Move it offline, or from host to host.")
    for device in guest.devices:
        if device.kind in _LOST:
            why, remedy = _LOST[device.kind]
            yield block("relay_leaves_behind", device.kind, f"{guest.name} {why}, which does not travel.", remedy)
    if not guest.persistent:
        text = f"{guest.name} has no persistent definition, so nothing would be left if the move were broken off."
        yield block("relay_transient", guest.name, text, _HOST_TO_HOST)
    if guest.managed_save:
        text = f"{guest.name} has a managed save image, which does not travel."
        yield block("relay_managed_save", guest.name, text, "Start it, or remove the image: virsh managedsave-remove")
    if guest.state == GuestState.PAUSED:
        text = f"{guest.name} is paused; it would run when it is brought back."
        yield block("relay_paused", guest.name, text, "Let it run first, or shut it down.")
    for plan in plans:
        if plan.action is DiskAction.COPY:
            yield from _disk(situation, plan.disk)
        if plan.action is DiskAction.BRING:
            text = f"The medium {plan.disk.source} is not brought along on this way."
            yield block("relay_medium", plan.disk.target, text, "Eject it (media 'eject').")
    yield from _image(situation)


def _disk(situation: Situation, disk: DiskFacts) -> Iterator[Check]:
    if disk.backing:
        text = f"{disk.target} lies over {disk.backing}; through Drover a disk goes as the file it is, without that."
        yield block("relay_backing", disk.target, text, _HOST_TO_HOST)
    if not any(pool.path == disk.source.rpartition("/")[0] for pool in _folders(situation.source)):
        text = f"{disk.source} lies in no folder pool of {situation.source.name}, so it cannot be read through libvirt."
        yield block("relay_outside_pools", disk.target, text, "Define a pool over that folder.")


def _image(situation: Situation) -> Iterator[Check]:
    guest = situation.guest
    sleeps = guest.state == GuestState.RUNNING
    needed = image_bytes(situation)
    for host in (situation.source, situation.destination):
        if image_pool(host, guest.disks, needed) is None:
            what = f"{needed >> 20} MiB for the memory of {guest.name}" if sleeps else "a small file"
            text = f"{host.name} has no folder pool with room for {what}."
            yield block("relay_no_room", host.name, text, "Free space in a pool there, or define another one.")
    if sleeps:
        yield warn(
            "relay_suspends",
            guest.name,
            f"{guest.name} is suspended from the first to the last byte: its memory is saved to a file, carried over "
            "through Drover and brought back.",
        )
    else:
        yield info("relay_cold", guest.name, f"The disks of {guest.name} are carried over through Drover.")


def image_bytes(situation: Situation) -> int:
    """Room the memory image may take; a shut-off guest only needs a place for its definition."""
    running = situation.guest.state == GuestState.RUNNING
    return (situation.guest.memory_mib + QEMU_OVERHEAD_MIB) << 20 if running else 1 << 20


def image_pool(host: HostView, disks: tuple[DiskFacts, ...], needed_bytes: int) -> PoolFacts | None:
    """Where the image lies: beside the first disk if there is room, else where there is most."""
    fit = [pool for pool in _folders(host) if pool.available_bytes >= needed_bytes]
    homes = [disk.source.rpartition("/")[0] for disk in disks if disk.kind == "file"]
    home = next((pool for folder in homes for pool in fit if pool.path == folder), None)
    return home or max(fit, key=lambda pool: (pool.available_bytes, pool.name), default=None)


def _folders(host: HostView) -> list[PoolFacts]:
    return [pool for pool in host.pools if pool.active and pool.kind in FOLDERS]
