"""Pure: can these disks of a guest move to another pool of the host it is on?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from fleet.hypervisor.facts import DiskFacts, GuestFacts, PoolFacts
from fleet.states import GuestState, HostState
from migrations_app.options import Options
from migrations_app.preflight.situation import Check, DiskAction, DiskPlan, Findings, HostView, Severity, block, info

FOLDERS = frozenset({"dir", "fs", "netfs"})
_ORDER = list(Severity)


def survey(guest: GuestFacts, host: HostView, options: Options) -> Findings:
    """All findings, the blocking ones first, and where each disk goes."""
    checks = list(_guest(guest, host))
    plans: list[DiskPlan] = []
    for target in sorted(set(options.disks) - {disk.target for disk in guest.disks}):
        checks.append(block("disk_unknown", target, f"{guest.name} has no disk {target}."))
    for disk in guest.disks:
        planned, found = _disk(disk, host, options)
        checks += found
        if planned is not None:
            plans.append(planned)
    if not plans and not any(check.severity is Severity.BLOCK for check in checks):
        text = f"No disk of {guest.name} would move."
        checks.append(block("nothing_to_move", guest.name, text, "Choose a pool that none of its disks is in yet."))
    checks += _room(host, plans)
    checks.sort(key=lambda found: _ORDER.index(found.severity))
    return Findings(checks=tuple(checks), disks=tuple(plans))


def _guest(guest: GuestFacts, host: HostView) -> Iterator[Check]:
    if host.state not in {HostState.UP, HostState.MAINTENANCE}:
        yield block("host_not_up", host.name, f"{host.name} is {host.state.value}.", "Bring the host back first.")
    if guest.state not in {GuestState.RUNNING, GuestState.PAUSED}:
        text = f"{guest.name} is {guest.state}; its disks are moved by QEMU, which runs with the guest."
        yield block("guest_not_running", guest.name, text, "Start it first.")
    if guest.snapshots:
        text = f"{guest.name} has {guest.snapshots} snapshot(s), which a copied disk would not have."
        yield block("has_snapshots", guest.name, text, "Delete the snapshots first.")


def _disk(disk: DiskFacts, host: HostView, options: Options) -> tuple[DiskPlan | None, list[Check]]:
    """A disk that was not named and cannot move, or need not, is left out without a word."""
    named = disk.target in options.disks
    if options.disks and not named:
        return None, []
    if why := _cannot(disk):
        return None, [block("disk_stays", disk.target, f"{disk.target} {why}")] if named else []
    pool = _pool(disk, host, options)
    if isinstance(pool, Check):
        return None, [pool]
    if str(PurePosixPath(disk.source).parent) == pool.path:
        text = f"{disk.target} is in pool {pool.name} already."
        return None, [block("same_pool", disk.target, text, "Choose another pool.")] if named else []
    name = options.disks.get(disk.target, {}).get("path") or PurePosixPath(disk.source).name
    if "/" in name:
        return None, [block("bad_name", disk.target, f"'{name}' is not a file name.", "Leave the folder to the pool.")]
    found = [info("backing_flattened", disk.target, f"{disk.target} becomes whole, without {disk.backing}.")]
    planned = DiskPlan(disk=disk, action=DiskAction.COPY, pool=pool.name, path=f"{pool.path}/{name}")
    return planned, found if disk.backing else []


def _pool(disk: DiskFacts, host: HostView, options: Options) -> PoolFacts | Check:
    wanted = options.disks.get(disk.target, {}).get("pool") or options.target_pool
    known = ", ".join(sorted(pool.name for pool in _folders(host))) or "none"
    if not wanted:
        text = f"Which pool {disk.target} goes to is not said."
        return block("pool_missing", disk.target, text, f"Choose one of: {known}.")
    pool = next((pool for pool in _folders(host) if pool.name == wanted), None)
    text = f"{host.name} has no active folder pool '{wanted}'."
    return pool or block("pool_missing", disk.target, text, f"Choose one of: {known}.")


def _cannot(disk: DiskFacts) -> str:
    if disk.device != "disk" or not disk.source:
        return "is no hard disk."
    if disk.kind != "file":
        return f"is a {disk.kind} disk; only files can move so far."
    if disk.format not in {"qcow2", "raw"}:
        return f"has the format '{disk.format or 'unknown'}'; qcow2 and raw can move."
    if disk.readonly or disk.shareable:
        return "is read-only or shared between guests."
    return ""


def _room(host: HostView, plans: list[DiskPlan]) -> Iterator[Check]:
    pools = {pool.name: pool for pool in host.pools}
    for name in sorted({plan.pool for plan in plans}):
        needed = sum(plan.disk.allocation_bytes for plan in plans if plan.pool == name)
        free = pools[name].available_bytes
        if needed > free:
            text = f"Pool {name} on {host.name} has {free >> 20} MiB free, the disks hold {needed >> 20} MiB."
            yield block("pool_full", f"{host.name}/{name}", text, "Free space there, or choose another pool.")


def _folders(host: HostView) -> list[PoolFacts]:
    return [pool for pool in host.pools if pool.active and pool.kind in FOLDERS]


def can_move(disk: DiskFacts) -> bool:
    """Whether a page can offer it."""
    return not _cannot(disk)


def pools_for(guest: GuestFacts, host: HostView) -> list[PoolFacts]:
    """Pools a page can offer: folders that some movable disk of the guest is not in yet."""
    homes = [str(PurePosixPath(disk.source).parent) for disk in guest.disks if not _cannot(disk)]
    return sorted((p for p in _folders(host) if any(home != p.path for home in homes)), key=lambda pool: pool.name)
