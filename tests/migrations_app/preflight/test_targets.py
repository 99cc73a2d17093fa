"""Where each disk goes, what lies under it, and what becomes of media."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from migrations_app.map_rules import MapRules
from migrations_app.preflight import DiskAction, Findings
from tests.migrations_app.preflight.situations import ALPHA, BETA, codes, disk, found, guest, only, pool

FAST, HOME = pool("fast", "/srv/fast"), pool("images", "/srv/images")
BASES = pool("bases", "/srv/bases", markers=(ALPHA, BETA))
BASE = "/srv/bases/debian.qcow2"


def place(planned: Any = None, **changes: Any) -> tuple[str, str]:
    changes.setdefault("destination", {"pools": (HOME, FAST)})
    findings = found(guest=guest(disks=(planned or disk(),)), **changes)
    assert findings.allowed, codes(findings)
    return findings.disks[0].pool, findings.disks[0].path


# -- the place of one disk --------------------------------------------------------------------------------------------

WISHES: list[tuple[dict[str, str], tuple[str, str]]] = [
    ({"pool": "fast"}, ("fast", "/srv/fast/web.qcow2")),
    ({"path": "other.qcow2"}, ("images", "/srv/images/other.qcow2")),  # another name at the usual place
    ({"pool": "fast", "path": "other.qcow2"}, ("fast", "/srv/fast/other.qcow2")),
    ({"path": "/srv/fast/other.qcow2"}, ("fast", "/srv/fast/other.qcow2")),
    ({"pool": "", "path": ""}, ("images", "/srv/images/web.qcow2")),  # nothing wished
]


@pytest.mark.parametrize(("wish", "expected"), WISHES)
def test_a_disk_goes_where_its_own_wish_says(wish: dict[str, str], expected: tuple[str, str]) -> None:
    assert place(options={"disks": {"vda": wish}}) == expected


def test_a_disks_own_wish_is_stronger_than_one_for_all_and_that_than_the_map() -> None:
    mapped = MapRules(name="moved", pools={"images": "images"})
    assert place(options={"target_pool": "fast"}, map=mapped) == ("fast", "/srv/fast/web.qcow2")
    both = {"target_pool": "fast", "disks": {"vda": {"pool": "images"}}}
    assert place(options=both, map=mapped) == ("images", "/srv/images/web.qcow2")


def test_a_map_renames_pools_and_paths() -> None:
    assert place(map=MapRules(name="moved", pools={"images": "fast"})) == ("fast", "/srv/fast/web.qcow2")
    assert place(map=MapRules(name="moved", paths={"/srv/images": "/srv/fast"})) == ("fast", "/srv/fast/web.qcow2")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"vda": {"pool": "slow"}}, "pool_missing"),
    ({"vda": {"path": "/srv/slow/web.qcow2"}}, "pool_missing"),
    ({"vda": {"path": "/srv/images/deep/web.qcow2"}}, "pool_missing"),
    ({"vda": {"path": "/srv/images/web.qcow2", "pool": "fast"}}, "pool_missing"),
    ({"vda": {"path": "deep/web.qcow2"}}, "bad_file_name"),
    ({"vda": {"path": "../web.qcow2"}}, "bad_file_name"),
    ({"vda": {"path": "-web.qcow2"}}, "bad_file_name"),
    ({"vda": {"path": "/srv/images/.."}}, "bad_file_name"),
    ({"vdz": {"pool": "fast"}}, "disk_unknown"),
]


@pytest.mark.parametrize(("disks", "code"), BAD)
def test_a_place_that_is_none_is_refused_with_the_remedy(disks: dict[str, Any], code: str) -> None:
    findings = found(guest=guest(disks=(disk(),)), options={"disks": disks}, destination={"pools": (HOME, FAST)})
    check = only(findings)
    assert (check.severity, check.code) == ("block", code)
    assert check.remedy


def test_two_disks_never_become_one_file() -> None:
    pair = (disk(), disk("vdb", "/srv/more/web.qcow2"))
    findings = found(guest=guest(disks=pair), options={"target_pool": "images"})
    assert ("block", "same_target") in codes(findings)


# -- over a backing file ----------------------------------------------------------------------------------------------


def layered(storage: str, *disks: Any, **changes: Any) -> Findings:
    pools = {"pools": (HOME, BASES)}
    over = disks or (disk(backing=BASE),)
    return found(**{"guest": guest(disks=over), "storage": storage, "source": pools, "destination": pools, **changes})


INCREMENTAL: list[tuple[str, dict[str, Any], str, list[tuple[str, str]]]] = [
    ("auto", {"backing": BASE}, "copy_incremental", [("info", "backing_kept")]),
    ("copy_incremental", {"backing": BASE}, "copy_incremental", [("info", "backing_kept")]),
    ("copy", {"backing": BASE}, "copy", [("info", "backing_flattened")]),
    ("auto", {"backing": "/srv/images/base.qcow2"}, "copy", [("info", "backing_flattened")]),
    ("copy_incremental", {"backing": "/srv/images/base.qcow2"}, "copy", [("block", "backing_stays")]),
    # the file under the file counts as well
    ("auto", {"backing": BASE, "deeper": ("/srv/images/older.qcow2",)}, "copy", [("info", "backing_flattened")]),
    ("auto", {"backing": BASE, "deeper": ("/srv/bases/older.qcow2",)}, "copy_incremental", [("info", "backing_kept")]),
    ("copy_incremental", {}, "copy", []),  # nothing to lie over
]


@pytest.mark.parametrize(("wish", "change", "storage", "said"), INCREMENTAL)
def test_only_what_lies_over_proven_shared_files_is_copied_alone(
    wish: str, change: dict[str, Any], storage: str, said: list[tuple[str, str]]
) -> None:
    findings = layered(wish, disk(**change))
    assert (findings.storage, codes(findings)) == (storage, said)


def test_one_disk_that_must_arrive_whole_makes_all_arrive_whole() -> None:
    # libvirt copies all disks of a move over their backing files or none: half would arrive with holes.
    findings = layered("auto", disk(backing=BASE), disk("vdb", "/srv/images/b.qcow2", backing="/srv/images/own.qcow2"))
    assert [plan.incremental for plan in findings.disks] == [False, False]
    assert findings.storage == "copy"


def test_a_disk_without_a_backing_file_goes_whole_beside_one_with() -> None:
    findings = layered("auto", disk(backing=BASE), disk("vdb", "/srv/images/b.raw", format="raw"))
    assert [plan.incremental for plan in findings.disks] == [True, False]


def test_what_a_guest_that_is_off_lies_over_is_left_to_the_worker() -> None:
    off = guest(disks=(disk(),), state="shutoff")
    assert codes(layered("copy_incremental", guest=off, mode="cold")) == [("info", "backing_unread")]
    read = layered("copy_incremental", guest=off, mode="cold", disks_read=True)
    assert (read.storage, codes(read)) == ("copy", [])


# -- media ------------------------------------------------------------------------------------------------------------

ISO = disk("sda", "/srv/images/debian.iso", device="cdrom", format="raw", readonly=True, cache="")
READONLY = disk("vdb", "/srv/images/tools.raw", format="raw", readonly=True)

MEDIA: list[tuple[Any, str, str, list[tuple[str, str]]]] = [
    (ISO, "", "nothing", [("block", "medium_stays")]),
    (ISO, "eject", "eject", [("warn", "medium_ejected")]),
    (ISO, "copy", "bring", [("info", "medium_brought")]),
    (READONLY, "", "nothing", [("block", "readonly_stays")]),
    (READONLY, "eject", "nothing", [("block", "readonly_stays")]),  # a disk cannot be taken out
    (READONLY, "copy", "bring", [("info", "medium_brought")]),
    (replace(ISO, kind="block", source="/dev/sr0"), "copy", "nothing", [("block", "medium_kind")]),
    (replace(ISO, source="/home/me/debian.iso"), "copy", "nothing", [("block", "medium_kind")]),
    (replace(READONLY, backing=BASE), "copy", "nothing", [("block", "medium_kind")]),
]


@pytest.mark.parametrize(("medium", "wish", "action", "said"), MEDIA)
def test_a_medium_that_only_the_source_sees_is_refused_ejected_or_brought(
    medium: Any, wish: str, action: str, said: list[tuple[str, str]]
) -> None:
    findings = found(guest=guest(disks=(medium,)), options={"media": wish})
    assert (findings.disks[0].action, codes(findings)) == (action, said)
    assert findings.storage == "none", "what Drover brings is no copy of libvirt's"


def test_a_move_through_drover_brings_no_media() -> None:
    findings = found(guest=guest(disks=(ISO,)), options={"media": "copy", "route": "relay"})
    assert ("block", "medium_route") in codes(findings)


def test_a_medium_of_the_same_size_that_is_there_already_is_used() -> None:
    findings = found(guest=guest(disks=(ISO,)), media_there=frozenset({ISO.source}))
    assert (findings.disks[0].action, codes(findings)) == (DiskAction.NOTHING, [("warn", "medium_there")])
