"""Pure: where the copy of a disk goes: the operator's wish first, then the map, then the same folder or name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from fleet.hypervisor.facts import DiskFacts, PoolFacts
from fleet.hypervisor.pools import is_volume_name
from migrations_app.preflight.sharing import pool_of, proven_shared
from migrations_app.preflight.situation import Check, Situation, block


@dataclass(frozen=True, slots=True)
class Place:
    """A file to be, in a folder pool of the destination."""

    pool: PoolFacts
    name: str

    @property
    def path(self) -> str:
        """As the destination's guest will name it."""
        return str(PurePosixPath(self.pool.path) / self.name)


def place(situation: Situation, disk: DiskFacts) -> Place | Check:
    """Where this disk's copy goes, or why it can go nowhere."""
    found = _wished(situation, disk) or _for_all(situation, disk) or _mapped(situation, disk) or _same(situation, disk)
    if isinstance(found, Check):
        return found
    if not is_volume_name(found.name):
        text = f"{disk.target}: '{found.name}' cannot be a file's name in a pool."
        return block("bad_file_name", disk.target, text, "Name another one in options.disks: letters, digits . _ + -")
    home = pool_of(situation.source, disk)
    if home is not None and proven_shared(situation, home, found.pool):
        there = situation.destination.name
        text = f"{disk.target} lies in {home.path} on {situation.source.name}, which is {found.pool.path} on {there}."
        remedy = "Mount it at the same path on both, name both paths in a map, or choose a target pool elsewhere."
        return block("same_folder_other_path", disk.target, text, remedy)
    return found


def holds_files(pool: PoolFacts) -> bool:
    """Whether disks' files can be made in it."""
    return pool.active and pool.kind in {"dir", "fs", "netfs"}


def folder_pools(situation: Situation) -> list[PoolFacts]:
    """The destination's pools that can hold files."""
    return [pool for pool in situation.destination.pools if holds_files(pool)]


def unknown_disks(situation: Situation) -> list[Check]:
    """Wishes for disks that the guest does not have."""
    known = [disk.target for disk in situation.guest.disks]
    return [
        block(
            "disk_unknown",
            target,
            f"{situation.guest.name} has no disk {target}.",
            f"Its disks: {', '.join(known) or 'none'}.",
        )
        for target in situation.options.disks
        if target not in known
    ]


def _wished(situation: Situation, disk: DiskFacts) -> Place | Check | None:
    """What `options.disks` says: a pool, a file name, or an absolute path right in a pool's folder."""
    wish = situation.options.disks.get(disk.target, {})
    pool, path = wish.get("pool", ""), PurePosixPath(wish.get("path", ""))
    if not wish or not (pool or path.name):
        return None
    name = path.name or PurePosixPath(disk.source).name
    if path.is_absolute():
        return _at(situation, disk, path, pool)
    if len(path.parts) > 1:
        text = f"{disk.target}: '{path}' names a folder."
        return block("bad_file_name", disk.target, text, "Write a file's name, or an absolute path in a pool's folder.")
    if pool:
        return _named(situation, disk, pool, name)
    usual = _for_all(situation, disk) or _mapped(situation, disk) or _same(situation, disk)
    return Place(usual.pool, name) if isinstance(usual, Place) else usual


def _at(situation: Situation, disk: DiskFacts, path: PurePosixPath, pool: str = "", because: str = "") -> Place | Check:
    """The pool right over an absolute path."""
    fitting = [one for one in folder_pools(situation) if PurePosixPath(one.path) == path.parent]
    chosen = next((one for one in fitting if pool in {"", one.name}), None)
    if chosen is not None:
        return Place(chosen, path.name)
    folders = ", ".join(sorted(one.path for one in folder_pools(situation))) or "none"
    which = f"pool '{pool}'" if pool else "active pool"
    text = f"{situation.destination.name} has no {which} over {path.parent}{because}."
    return block("pool_missing", disk.target, text, f"Choose a path right in one of: {folders}.")


def _named(situation: Situation, disk: DiskFacts, pool: str, name: str, because: str = "") -> Place | Check:
    chosen = next((one for one in folder_pools(situation) if one.name == pool), None)
    if chosen is not None:
        return Place(chosen, name)
    text = f"{situation.destination.name} has no active folder pool '{pool}'{because}."
    return block("pool_missing", disk.target, text, f"Choose one of: {_names(situation)}.")


def _for_all(situation: Situation, disk: DiskFacts) -> Place | Check | None:
    wanted = situation.options.target_pool
    return _named(situation, disk, wanted, PurePosixPath(disk.source).name) if wanted else None


def _mapped(situation: Situation, disk: DiskFacts) -> Place | Check | None:
    """What the map says of the disk's pool, which names the thing itself, else of its folder."""
    because = f", which the map {situation.map.name} names"
    home = pool_of(situation.source, disk)
    if home is not None and (there := situation.map.pools.get(home.name)):
        return _named(situation, disk, there, PurePosixPath(disk.source).name, because)
    path = situation.map.path(disk.source)
    return _at(situation, disk, PurePosixPath(path), because=because) if path != disk.source else None


def shared_elsewhere(situation: Situation, disk: DiskFacts) -> Place | None:
    """One shared folder that the two hosts have under two paths, and a map that knows both."""
    home, path = pool_of(situation.source, disk), situation.map.path(disk.source)
    wished = disk.target in situation.options.disks or situation.options.target_pool
    if home is None or wished or path == disk.source or home.name in situation.map.pools:
        return None
    found = _at(situation, disk, PurePosixPath(path))
    return found if isinstance(found, Place) and proven_shared(situation, home, found.pool) else None


def _same(situation: Situation, disk: DiskFacts) -> Place | Check:
    """The pool over the same folder, else the one of the same name."""
    pools, path = folder_pools(situation), PurePosixPath(disk.source)
    same_folder = next((pool for pool in pools if pool.path == str(path.parent)), None)
    home = pool_of(situation.source, disk)
    chosen = same_folder or next((pool for pool in pools if home and pool.name == home.name), None)
    if chosen is not None:
        return Place(chosen, path.name)
    there = situation.destination.name
    text = f"{there} has no pool over the folder of {disk.source} and none of the same name."
    remedy = f"Choose a target pool ({_names(situation)}), or define one there."
    return block("pool_missing", disk.target, text, remedy)


def _names(situation: Situation) -> str:
    return ", ".join(sorted(pool.name for pool in folder_pools(situation))) or "none"
