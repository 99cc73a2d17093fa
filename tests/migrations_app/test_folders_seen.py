"""Under which paths another host may see a file."""

from __future__ import annotations

import dataclasses

import pytest

from fleet.hypervisor.facts import PoolFacts
from migrations_app.folders_seen import Folders, seen_at


def pool(path: str, *markers: str, source: str = "") -> PoolFacts:
    return PoolFacts(name=path, uuid="u", kind="dir", path=path, active=True, markers=markers, source=source)


def folders(host: str, *pools: PoolFacts) -> Folders:
    return Folders(host_uuid=host, pools=pools)


@pytest.mark.parametrize(
    ("here", "there", "seen"),
    [
        (pool("/a", "h", "t"), pool("/a", "h", "t"), {"/a/x"}),
        (pool("/a", "h", "t"), pool("/b", "h", "t"), {"/b/x", "/a/x"}),
        (pool("/a", "h"), pool("/a", "t"), set()),
        (pool("/a"), pool("/a", "t"), {"/a/x"}),
        (pool("/a", "h"), pool("/b", "t"), set()),
        (pool("/a", source="nfs://s/e"), pool("/b", source="nfs://s/e"), {"/b/x", "/a/x"}),
        (pool("/a", source="nfs://s/e"), pool("/a", source="nfs://s/f"), set()),
    ],
    ids=["proven shared", "shared elsewhere", "proven apart", "no proof", "other folder", "one export", "two exports"],
)
def test_only_a_proof_that_folders_are_apart_frees_a_host_from_being_asked(
    here: PoolFacts, there: PoolFacts, seen: set[str]
) -> None:
    assert seen_at("/a/x", folders("h", here), folders("t", there)) == seen


def test_a_file_outside_all_pools_may_be_seen_by_everybody() -> None:
    assert seen_at("/z/x", folders("h", pool("/a", "h")), folders("t", pool("/a", "t"))) == {"/z/x"}


def test_an_inactive_pool_proves_nothing_and_still_may_be_the_folder() -> None:
    asleep = dataclasses.replace(pool("/a"), active=False)
    assert seen_at("/a/x", folders("h", pool("/a", "h")), folders("t", asleep)) == {"/a/x"}
