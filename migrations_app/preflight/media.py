"""Pure: media and read-only disks that both hosts do not see; libvirt copies none of them."""

from __future__ import annotations

from fleet.hypervisor.facts import DiskFacts
from migrations_app.preflight import targets
from migrations_app.preflight.sharing import pool_of
from migrations_app.preflight.situation import Check, DiskAction, DiskPlan, Situation, block, info, warn

DRIVES = frozenset({"cdrom", "floppy"})
Planned = tuple[DiskPlan, list[Check]]


def is_medium(disk: DiskFacts) -> bool:
    """Whether libvirt leaves it out of its copies: what is in a drive, and a disk that nobody writes."""
    return disk.device in DRIVES or disk.readonly


def plan(situation: Situation, disk: DiskFacts) -> Planned:
    """What happens to a medium that is not proven shared, as `options.media` says."""
    stays = DiskPlan(disk=disk, action=DiskAction.NOTHING)
    there = situation.destination.name
    if disk.source in situation.media_there:
        text = f"{there} has a file of the same size at {disk.source}; {disk.target} uses it. Only sizes were compared."
        return stays, [warn("medium_there", disk.target, text)]
    if situation.options.media == "eject" and disk.device in DRIVES:
        text = f"The drive {disk.target} arrives empty: {disk.source} stays behind."
        return DiskPlan(disk=disk, action=DiskAction.EJECT), [warn("medium_ejected", disk.target, text)]
    if situation.options.media == "copy":
        return _bring(situation, disk, stays)
    return stays, [_blocked(situation, disk)]


def _blocked(situation: Situation, disk: DiskFacts) -> Check:
    there = situation.destination.name
    if disk.device in DRIVES:
        text = f"The medium {disk.source} in {disk.target} is not seen by both hosts."
        remedy = f"Choose media 'eject' (the drive arrives empty) or 'copy' (Drover brings the file to {there})."
        return block("medium_stays", disk.target, text, remedy)
    text = f"{disk.target} ({disk.source}) is read-only and not on storage that both hosts share; libvirt copies none."
    return block("readonly_stays", disk.target, text, f"Choose media 'copy': Drover brings the file to {there}.")


def _bring(situation: Situation, disk: DiskFacts, stays: DiskPlan) -> Planned:
    if disk.kind != "file":
        text = f"{disk.target} is a {disk.kind} of {situation.source.name}; only files can be brought."
        remedy = "Choose media 'eject'." if disk.device in DRIVES else "Put it on storage that both hosts share."
        return stays, [block("medium_kind", disk.target, text, remedy)]
    if situation.options.route == "relay":
        text = f"{disk.target} ({disk.source}): media are brought along from host to host only, not through Drover."
        return stays, [block("medium_route", disk.target, text, "Choose media 'eject', or route 'direct'.")]
    if disk.backing or pool_of(situation.source, disk) is None:
        why = f"lies over {disk.backing}" if disk.backing else f"lies in no storage pool of {situation.source.name}"
        text = f"{disk.target} ({disk.source}) {why}, so Drover cannot bring it."
        return stays, [block("medium_kind", disk.target, text, "Put it on storage that both hosts share.")]
    place = targets.place(situation, disk)
    if isinstance(place, Check):
        return stays, [place]
    brought = DiskPlan(disk=disk, action=DiskAction.BRING, pool=place.pool.name, path=place.path)
    text = f"{disk.target}: {disk.source} is brought to {situation.destination.name} before the move."
    return brought, [info("medium_brought", disk.target, text)]
