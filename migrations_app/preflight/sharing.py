"""Pure: which folders of two hosts are one; only marker volumes or a network source prove it, never a name."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import PurePosixPath

from fleet.hypervisor.facts import DiskFacts, PoolFacts
from migrations_app.preflight.situation import Check, HostView, Situation, warn


class Folder(StrEnum):
    """Whether two pools are one folder."""

    SHARED = "shared"
    APART = "apart"
    #: Not every host has put its marker there and looked for the other's yet.
    UNKNOWN = "unknown"


def pool_over(host: HostView, path: str) -> PoolFacts | None:
    """The host's active pool whose folder holds the file directly."""
    folder = str(PurePosixPath(path).parent)
    return next((pool for pool in host.pools if pool.active and pool.path == folder), None)


def pool_of(host: HostView, disk: DiskFacts) -> PoolFacts | None:
    """The host's active pool whose folder holds the disk directly."""
    return pool_over(host, disk.source)


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


def is_shared_file(situation: Situation, path: str) -> bool:
    """Whether the path is proven to be the same file on both hosts."""
    here, there = pool_over(situation.source, path), pool_over(situation.destination, path)
    return here is not None and there is not None and proven_shared(situation, here, there)


def is_shared(situation: Situation, disk: DiskFacts) -> bool:
    """Whether both hosts see this disk at this path."""
    return disk.kind == "network" or is_shared_file(situation, disk.source)


def unsettled(situation: Situation) -> list[tuple[PoolFacts, PoolFacts]]:
    """Pairs of pools over the same path that hold files of the guest and are neither proven shared nor apart."""
    pairs = [
        (here, there)
        for path in _files(situation)
        for here, there in [(pool_over(situation.source, path), pool_over(situation.destination, path))]
        if here is not None and there is not None and relation(situation, here, there) is Folder.UNKNOWN
    ]
    return list({(here.name, there.name): (here, there) for here, there in pairs}.values())


def _files(situation: Situation) -> Iterator[str]:
    for disk in situation.guest.disks:
        if disk.kind == "file" and disk.source:
            yield disk.source
            yield from (path for path in (disk.backing, *disk.deeper) if path.startswith("/"))


def unsettled_warnings(situation: Situation) -> list[Check]:
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
