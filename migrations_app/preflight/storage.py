"""Pure: what happens to each disk; only marker volumes or a network source prove a folder shared, never a name."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath

from fleet.hypervisor.facts import DiskFacts, PoolFacts
from migrations_app.preflight import mapped
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

Planned = tuple[DiskPlan, list[Check]]


def plan(situation: Situation) -> tuple[tuple[DiskPlan, ...], list[Check]]:
    """Every disk's plan, and the findings on the way."""
    plans: list[DiskPlan] = []
    checks: list[Check] = []
    for disk in situation.guest.disks:
        planned, found = _disk(situation, disk)
        plans.append(planned)
        checks += found
    checks += _room(situation, plans) + _unsettled_warnings(situation)
    return tuple(plans), checks


def _disk(situation: Situation, disk: DiskFacts) -> Planned:
    stays = DiskPlan(disk=disk, action=DiskAction.NOTHING)
    if not disk.source:
        return stays, []
    if _is_shared(situation, disk):
        return DiskPlan(disk=disk, action=DiskAction.SHARED), [*_cache_warning(disk), *_stays(situation, disk)]
    if elsewhere := _shared_elsewhere(situation, disk):
        return elsewhere, _cache_warning(disk)
    if disk.device in {"cdrom", "floppy"}:
        text = f"The medium {disk.source} in {disk.target} is not seen by both hosts."
        return stays, [block("medium_stays", disk.target, text, "Eject it first.")]
    if situation.storage == "none":
        text = f"{disk.target} ({disk.source}) is not proven to be the same file on {situation.destination.name}."
        return stays, [block("storage_not_shared", disk.target, text, "Choose storage 'copy' or 'auto'.")]
    return _copy(situation, disk)


def _copy(situation: Situation, disk: DiskFacts) -> Planned:
    stays = DiskPlan(disk=disk, action=DiskAction.NOTHING)
    if disk.shareable:
        text = f"{disk.target} is shared between guests and cannot be copied away from the others."
        return stays, [block("disk_shareable", disk.target, text, "Put it on storage that both hosts share.")]
    if disk.kind != "file":
        text = f"{disk.target} is a {disk.kind} disk; only files can be copied into a pool so far."
        return stays, [block("disk_kind", disk.target, text, "Put it on storage that both hosts share.")]
    if disk.format not in {"qcow2", "raw"}:
        text = f"{disk.target} has the format '{disk.format or 'unknown'}'; qcow2 and raw can be copied."
        return stays, [block("disk_format", disk.target, text)]
    pool = _target_pool(situation, disk)
    if pool is None:
        return stays, [_no_pool(situation, disk)]
    home = pool_of(situation.source, disk)
    if home is not None and proven_shared(situation, home, pool):
        there = situation.destination.name
        text = f"{disk.target} lies in {home.path} on {situation.source.name}, which is {pool.path} on {there}."
        remedy = "Mount it at the same path on both, name both paths in a map, or choose a target pool elsewhere."
        return stays, [block("same_folder_other_path", disk.target, text, remedy)]
    path = mapped.path(pool, disk)
    found: list[Check] = []
    if disk.backing:
        found.append(info("backing_flattened", disk.target, f"{disk.target} arrives whole, without {disk.backing}."))
    if disk.readonly:
        found.append(info("readonly_copied", disk.target, f"{disk.target} is read-only and is copied as it is."))
    return DiskPlan(disk=disk, action=DiskAction.COPY, pool=pool.name, path=path), found


def _no_pool(situation: Situation, disk: DiskFacts) -> Check:
    destination, wanted = situation.destination, situation.options.target_pool
    folders = ", ".join(sorted(pool.name for pool in destination.pools if _holds_files(pool))) or "none"
    if told := mapped.told(situation, disk):
        return block("pool_missing", disk.target, f"{destination.name} has no {told}.", f"It has: {folders}.")
    if wanted:
        text = f"{destination.name} has no active folder pool '{wanted}'."
        return block("pool_missing", disk.target, text, f"Choose one of: {folders}.")
    text = f"{destination.name} has no pool over the folder of {disk.source} and none of the same name."
    return block("pool_missing", disk.target, text, f"Choose a target pool ({folders}), or define one there.")


def _target_pool(situation: Situation, disk: DiskFacts) -> PoolFacts | None:
    pools = [pool for pool in situation.destination.pools if _holds_files(pool)]
    if situation.options.target_pool:
        return next((pool for pool in pools if pool.name == situation.options.target_pool), None)
    if mapped.told(situation, disk):
        return next((pool for pool in pools if mapped.fits(situation, disk, pool)), None)
    folder = str(PurePosixPath(disk.source).parent)
    same_folder = next((pool for pool in pools if pool.path == folder), None)
    home = pool_of(situation.source, disk)
    return same_folder or next((pool for pool in pools if home and pool.name == home.name), None)


def _holds_files(pool: PoolFacts) -> bool:
    return pool.active and pool.kind in {"dir", "fs", "netfs"}


def pool_of(host: HostView, disk: DiskFacts) -> PoolFacts | None:
    """The host's active pool whose folder holds the disk directly."""
    folder = str(PurePosixPath(disk.source).parent)
    return next((pool for pool in host.pools if pool.active and pool.path == folder), None)


def _is_shared(situation: Situation, disk: DiskFacts) -> bool:
    if disk.kind == "network":
        return True
    here, there = pool_of(situation.source, disk), pool_of(situation.destination, disk)
    return here is not None and there is not None and proven_shared(situation, here, there)


def _shared_elsewhere(situation: Situation, disk: DiskFacts) -> DiskPlan | None:
    """One shared folder that the two hosts have under two paths, and a map that knows both."""
    home = pool_of(situation.source, disk)
    there = _target_pool(situation, disk) if mapped.folder(situation, disk) else None
    if home is None or there is None or not proven_shared(situation, home, there):
        return None
    return DiskPlan(disk=disk, action=DiskAction.SHARED, pool=there.name, path=mapped.path(there, disk))


class Folder(StrEnum):
    """Whether two pools are one folder."""

    SHARED = "shared"
    APART = "apart"
    #: Not every host has put its marker there and looked for the other's yet.
    UNKNOWN = "unknown"


def relation(situation: Situation, here: PoolFacts, there: PoolFacts) -> Folder:
    """The same network source, or each host sees the other's marker volume: shared. Half a proof is none."""
    if here.source and here.source == there.source:
        return Folder.SHARED
    source, destination = situation.source.facts.uuid, situation.destination.facts.uuid
    both = {source, destination}
    if both <= set(here.markers) and both <= set(there.markers):
        return Folder.SHARED
    looked = source in here.markers and destination in there.markers
    strangers = destination not in here.markers and source not in there.markers
    return Folder.APART if looked and strangers else Folder.UNKNOWN


def proven_shared(situation: Situation, here: PoolFacts, there: PoolFacts) -> bool:
    """Whether two pools are proven to be one folder."""
    return relation(situation, here, there) is Folder.SHARED


def unsettled(situation: Situation) -> list[tuple[PoolFacts, PoolFacts]]:
    """Pairs of pools over the same path that hold disks of the guest and are neither proven shared nor apart."""
    pairs = [
        (here, there)
        for disk in situation.guest.disks
        if disk.kind == "file" and disk.source
        for here, there in [(pool_of(situation.source, disk), pool_of(situation.destination, disk))]
        if here is not None and there is not None and relation(situation, here, there) is Folder.UNKNOWN
    ]
    return list({(here.name, there.name): (here, there) for here, there in pairs}.values())


def _unsettled_warnings(situation: Situation) -> list[Check]:
    """Only while nobody has asked the hosts themselves: the worker does before it copies anything."""
    return [
        warn(
            "folder_unsettled",
            here.name,
            f"Whether {situation.source.name} and {situation.destination.name} see the same {here.path} is not known "
            "yet; it is found out before anything is copied.",
        )
        for here, there in unsettled(situation)
    ]


def _cache_warning(disk: DiskFacts) -> list[Check]:
    if disk.readonly or disk.cache in {"", "none", "directsync"}:
        return []
    text = f"{disk.target} uses cache='{disk.cache}'; the other host relies on QEMU dropping that cache in time."
    return [warn("disk_cache", disk.target, text, "cache='none' is the safe setting for shared storage.")]


def _stays(situation: Situation, disk: DiskFacts) -> list[Check]:
    """Whoever asked for a copy is told why there is none; a copy between two pools of one host is another job."""
    if situation.storage != "copy" and not situation.options.target_pool:
        return []
    text = f"{disk.target} lies on storage that both hosts share, so it stays there and is not copied."
    return [info("disk_stays_shared", disk.target, text)]


def _room(situation: Situation, plans: list[DiskPlan]) -> list[Check]:
    """A pool must hold what is written now; what the disks may grow to is worth a warning."""
    found: list[Check] = []
    pools = {pool.name: pool for pool in situation.destination.pools}
    for name in sorted({plan.pool for plan in plans if plan.action is DiskAction.COPY}):
        disks = [plan.disk for plan in plans if plan.action is DiskAction.COPY and plan.pool == name]
        now, later = sum(disk.allocation_bytes for disk in disks), sum(disk.capacity_bytes for disk in disks)
        free = pools[name].available_bytes
        where = f"{situation.destination.name}/{name}"
        if now > free:
            text = f"Pool {name} on {situation.destination.name} has {_mib(free)} free, the disks hold {_mib(now)}."
            found.append(block("pool_full", where, text, "Free space there, or choose another pool."))
        elif later > free:
            text = f"Pool {name} has {_mib(free)} free; the disks may grow to {_mib(later)}."
            found.append(warn("pool_may_fill", where, text))
    return found


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.0f} MiB"
