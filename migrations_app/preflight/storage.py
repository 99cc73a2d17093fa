"""Pure: what happens to each disk: shared, copied, or why neither can be."""

from __future__ import annotations

from fleet.hypervisor.facts import DiskFacts
from migrations_app.preflight import backing, media, targets
from migrations_app.preflight.sharing import is_shared, unsettled_warnings
from migrations_app.preflight.situation import Check, DiskAction, DiskPlan, Situation, block, info, warn

Planned = tuple[DiskPlan, list[Check]]


def plan(situation: Situation) -> tuple[tuple[DiskPlan, ...], list[Check]]:
    """Every disk's plan, and the findings on the way."""
    plans: list[DiskPlan] = []
    checks: list[Check] = []
    for disk in situation.guest.disks:
        planned, found = _disk(situation, disk)
        plans.append(planned)
        checks += found
    plans, found = backing.decide(situation, plans)
    checks += found + _same_place_twice(plans) + targets.unknown_disks(situation)
    checks += _room(situation, plans) + unsettled_warnings(situation)
    return tuple(plans), checks


def _disk(situation: Situation, disk: DiskFacts) -> Planned:
    stays = DiskPlan(disk=disk, action=DiskAction.NOTHING)
    if not disk.source:
        return stays, []
    if is_shared(situation, disk):
        return DiskPlan(disk=disk, action=DiskAction.SHARED), [*_cache_warning(disk), *_stays(situation, disk)]
    if there := targets.shared_elsewhere(situation, disk):
        plan = DiskPlan(disk=disk, action=DiskAction.SHARED, pool=there.pool.name, path=there.path)
        return plan, _cache_warning(disk)
    if media.is_medium(disk):
        return media.plan(situation, disk)
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
    place = targets.place(situation, disk)
    if isinstance(place, Check):
        return stays, [place]
    return DiskPlan(disk=disk, action=DiskAction.COPY, pool=place.pool.name, path=place.path), []


def _cache_warning(disk: DiskFacts) -> list[Check]:
    if disk.readonly or disk.cache in {"", "none", "directsync"}:
        return []
    text = f"{disk.target} uses cache='{disk.cache}'; the other host relies on QEMU dropping that cache in time."
    return [warn("disk_cache", disk.target, text, "cache='none' is the safe setting for shared storage.")]


def _stays(situation: Situation, disk: DiskFacts) -> list[Check]:
    """Whoever asked for a copy is told why there is none; a copy between two pools of one host is another job."""
    wished = situation.options.target_pool or disk.target in situation.options.disks
    if situation.storage not in {"copy", "copy_incremental"} and not wished:
        return []
    text = f"{disk.target} lies on storage that both hosts share, so it stays there and is not copied."
    return [info("disk_stays_shared", disk.target, text)]


def _same_place_twice(plans: list[DiskPlan]) -> list[Check]:
    """Two disks cannot become one file."""
    found: list[Check] = []
    taken: dict[str, str] = {}
    for planned in plans:
        other = taken.setdefault(planned.path, planned.disk.target) if planned.path else planned.disk.target
        if other != planned.disk.target:
            text = f"{other} and {planned.disk.target} would both become {planned.path}."
            found.append(block("same_target", planned.disk.target, text, "Give one of them another name or pool."))
    return found


def _room(situation: Situation, plans: list[DiskPlan]) -> list[Check]:
    """A pool must hold what is written now; what the disks may grow to is worth a warning."""
    found: list[Check] = []
    pools = {pool.name: pool for pool in situation.destination.pools}
    made = [plan for plan in plans if plan.action in {DiskAction.COPY, DiskAction.BRING}]
    for name in sorted({plan.pool for plan in made}):
        disks = [plan.disk for plan in made if plan.pool == name]
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
