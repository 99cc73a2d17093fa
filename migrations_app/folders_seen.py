"""Pure: under which paths another host may see a file; in doubt it does: what is in use must never be removed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from fleet.hypervisor.facts import PoolFacts


@dataclass(frozen=True, kw_only=True, slots=True)
class Folders:
    """A host's pools, with the UUID that its markers carry."""

    host_uuid: str
    pools: tuple[PoolFacts, ...]


def home_of(path: str, pools: Iterable[PoolFacts]) -> PoolFacts | None:
    """The active pool whose folder holds the file directly."""
    folder = str(PurePosixPath(path).parent)
    return next((pool for pool in pools if pool.active and pool.path.rstrip("/") == folder), None)


def seen_at(path: str, here: Folders, there: Folders) -> frozenset[str]:
    """Paths under which `there` may see the file that `here` knows as `path`; empty where it is proven that none is."""
    home, name = home_of(path, here.pools), PurePosixPath(path).name
    if home is None:
        # No pool, no markers, no proof: the same path may be the same file.
        return frozenset({path})
    found = {
        str(PurePosixPath(pool.path) / name)
        for pool in there.pools
        if pool.path and _may_be_one(home, here.host_uuid, pool, there.host_uuid)
    }
    same_path = any(pool.path.rstrip("/") == home.path.rstrip("/") for pool in there.pools)
    return frozenset(found if same_path else found | _unpooled(path, home, here, there))


def _may_be_one(home: PoolFacts, home_uuid: str, pool: PoolFacts, pool_uuid: str) -> bool:
    if home.source and pool.source:
        return home.source == pool.source
    if set(home.markers) & set(pool.markers):
        return True
    apart = home_uuid in home.markers and pool_uuid in pool.markers
    return not apart and pool.path.rstrip("/") == home.path.rstrip("/")


def _unpooled(path: str, home: PoolFacts, here: Folders, there: Folders) -> frozenset[str]:
    """A host without a pool over that folder may still have it mounted, if the folder is one that travels."""
    travels = bool(home.source) or bool(set(home.markers) - {here.host_uuid}) or here.host_uuid not in home.markers
    return frozenset({path}) if travels else frozenset()
