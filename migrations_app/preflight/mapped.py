"""Pure: where the map puts a disk: a pool's rule first, it names the thing itself, then the folders' rules."""

from __future__ import annotations

from pathlib import PurePosixPath

from fleet.hypervisor.facts import DiskFacts, PoolFacts
from migrations_app.preflight.situation import Situation


def pool(situation: Situation, disk: DiskFacts) -> str:
    """The pool that the map has for the disk's pool; "" where it says nothing."""
    folder = str(PurePosixPath(disk.source).parent)
    homes = [home.name for home in situation.source.pools if home.active and home.path == folder]
    return next((there for name in homes if (there := situation.map.pools.get(name))), "")


def folder(situation: Situation, disk: DiskFacts) -> str:
    """The folder that the map has for the disk's folder; "" where it says nothing."""
    if situation.options.target_pool or pool(situation, disk):
        return ""
    there = situation.map.path(disk.source)
    return str(PurePosixPath(there).parent) if there != disk.source else ""


def told(situation: Situation, disk: DiskFacts) -> str:
    """What the map wants for the disk, in words for a refusal; "" where it says nothing or an option is stronger."""
    if situation.options.target_pool:
        return ""
    if name := pool(situation, disk):
        return f"active folder pool '{name}', which the map {situation.map.name} names"
    if place := folder(situation, disk):
        return f"active pool over the folder {place}, which the map {situation.map.name} names"
    return ""


def fits(situation: Situation, disk: DiskFacts, candidate: PoolFacts) -> bool:
    """Whether a pool of the destination is what the map wants for the disk."""
    if name := pool(situation, disk):
        return candidate.name == name
    return candidate.path == folder(situation, disk)


def path(there: PoolFacts, disk: DiskFacts) -> str:
    """The disk's path in a pool of the destination; its file keeps its name."""
    return str(PurePosixPath(there.path) / PurePosixPath(disk.source).name)
