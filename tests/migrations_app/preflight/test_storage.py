"""What happens to each disk: shared is believed only when it is proven."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_app.options import Options
from migrations_app.preflight import DiskAction, Severity, survey
from migrations_app.preflight.sharing import pool_of, proven_shared
from tests.migrations_app.preflight.situations import (
    ALPHA,
    BETA,
    GIB,
    codes,
    disk,
    found,
    guest,
    host,
    only,
    pool,
    shared_pools,
    situation,
)

BOTH = (ALPHA, BETA)


def one(planned: Any, **changes: Any) -> tuple[str, str, str]:
    """Action, pool and path of a guest's only disk."""
    findings = found(guest=guest(disks=(planned,)), **changes)
    plan = findings.disks[0]
    return plan.action.value, plan.pool, plan.path


# -- shared or not ----------------------------------------------------------------------------------------------------

#: markers seen here, markers seen there, network source here and there -> shared?
PROOFS: list[tuple[tuple[str, ...], tuple[str, ...], str, str, bool]] = [
    ((), (), "", "", False),  # the same name and the same path prove nothing
    ((ALPHA,), (BETA,), "", "", False),  # each sees only its own: two folders
    (BOTH, (BETA,), "", "", False),  # one look is older than the other: not proven
    ((ALPHA,), BOTH, "", "", False),
    (BOTH, BOTH, "", "", True),
    ((*BOTH, "third"), ("third", *BOTH), "", "", True),
    (("third",), ("third",), "", "", False),  # a third host's marker says nothing of these two
    ((), (), "nfs://nas/images", "nfs://nas/images", True),
    ((), (), "nfs://nas/images", "nfs://nas/other", False),
    ((), (), "nfs://nas/images", "", False),
]


@pytest.mark.parametrize(("here", "there", "source", "target", "shared"), PROOFS)
def test_only_markers_or_a_network_source_prove_a_folder_shared(
    here: tuple[str, ...], there: tuple[str, ...], source: str, target: str, shared: bool
) -> None:
    action, _, _ = one(
        disk(),
        source={"pools": (pool(markers=here, source=source),)},
        destination={"pools": (pool(markers=there, source=target),)},
    )
    assert action == ("shared" if shared else "copy")


def test_a_disk_in_a_subfolder_of_a_shared_pool_is_not_proven_with_it() -> None:
    action, _, _ = one(disk(source="/srv/images/deep/web.qcow2"), **shared_pools(), options={"target_pool": "images"})
    assert action == "copy"


def test_an_inactive_pool_proves_nothing() -> None:
    pools = (pool(markers=BOTH, active=False),)
    findings = found(guest=guest(disks=(disk(),)), source={"pools": pools}, destination={"pools": pools})
    assert codes(findings) == [("block", "pool_missing")]


def test_a_network_disk_is_the_same_everywhere() -> None:
    assert one(disk(kind="network", source="rbd/web", format="raw"))[0] == "shared"


def test_the_same_folder_at_another_path_is_refused_and_never_copied_onto_itself() -> None:
    findings = found(
        guest=guest(disks=(disk(),)),
        source={"pools": (pool(markers=BOTH),)},
        destination={"pools": (pool(path="/mnt/images", markers=BOTH),)},
    )
    check = only(findings)
    assert check.code == "same_folder_other_path"
    assert check.message == "vda lies in /srv/images on alpha, which is /mnt/images on beta."
    assert findings.copies == ()


# -- what cannot be copied --------------------------------------------------------------------------------------------

REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"storage": "none"}, "storage_not_shared"),
    ({"device": "cdrom"}, {}, "medium_stays"),
    ({"device": "floppy"}, {}, "medium_stays"),
    ({"readonly": True}, {}, "readonly_stays"),
    ({"shareable": True}, {}, "disk_shareable"),
    ({"kind": "block", "source": "/dev/sdb"}, {}, "disk_kind"),
    ({"kind": "volume"}, {}, "disk_kind"),
    ({"format": "vmdk"}, {}, "disk_format"),
    ({"format": ""}, {}, "disk_format"),
    ({"source": "/elsewhere/web.qcow2"}, {}, "pool_missing"),
    ({}, {"options": {"target_pool": "fast"}}, "pool_missing"),
    ({}, {"destination": {"pools": (pool(kind="logical"),)}}, "pool_missing"),
    ({}, {"destination": {"pools": (pool(active=False),)}}, "pool_missing"),
]


@pytest.mark.parametrize(("change", "changes", "code"), REFUSED)
def test_what_can_neither_be_shared_nor_copied_blocks(
    change: dict[str, Any], changes: dict[str, Any], code: str
) -> None:
    findings = found(guest=guest(disks=(disk(**change),)), **changes)
    assert codes(findings) == [("block", code)]
    assert findings.disks[0].action is DiskAction.NOTHING


def test_refusals_name_the_disk_and_what_helps() -> None:
    none = only(found(guest=guest(disks=(disk(),)), storage="none"))
    assert none.message == "vda (/srv/images/web.qcow2) is not proven to be the same file on beta."
    wanted = only(found(guest=guest(disks=(disk(),)), options={"target_pool": "fast"}))
    assert (wanted.message, wanted.remedy) == ("beta has no active folder pool 'fast'.", "Choose one of: images.")


@pytest.mark.parametrize("device", ["cdrom", "floppy"])
def test_an_empty_drive_just_comes_along(device: str) -> None:
    findings = found(guest=guest(disks=(disk(source="", kind="", device=device),)))
    assert (findings.allowed, findings.disks[0].action) == (True, DiskAction.NOTHING)


def test_a_medium_in_a_shared_folder_stays_in_its_drive() -> None:
    medium = disk(source="/srv/images/debian.iso", device="cdrom", format="raw", readonly=True, cache="")
    assert one(medium, **shared_pools())[0] == "shared"


# -- where copies go --------------------------------------------------------------------------------------------------

FAST = pool("fast", "/srv/fast")
HOME = pool("images", "/mnt/images")
PLACES: list[tuple[tuple[Any, ...], dict[str, Any], tuple[str, str]]] = [
    ((pool(),), {}, ("images", "/srv/images/web.qcow2")),  # the same folder
    ((pool("other"), FAST), {}, ("other", "/srv/images/web.qcow2")),  # by folder before name
    ((HOME, FAST), {}, ("images", "/mnt/images/web.qcow2")),  # else by name
    ((pool(), FAST), {"target_pool": "fast"}, ("fast", "/srv/fast/web.qcow2")),  # the wish before all
]


@pytest.mark.parametrize(("pools", "options", "place"), PLACES)
def test_a_copy_goes_where_it_is_wished_else_to_the_same_folder_else_to_the_same_name(
    pools: tuple[Any, ...], options: dict[str, Any], place: tuple[str, str]
) -> None:
    assert one(disk(), destination={"pools": pools}, options=options) == ("copy", *place)


def test_only_a_copy_to_another_path_changes_the_guests_description() -> None:
    plans = [found(guest=guest(disks=(disk(),)), destination={"pools": (there,)}).disks[0] for there in (pool(), HOME)]
    assert [plan.moves_elsewhere for plan in plans] == [False, True]


@pytest.mark.parametrize(
    ("change", "code"),
    [({"backing": "/srv/base.qcow2"}, "backing_flattened")],
)
def test_surprises_of_a_copy_are_said(change: dict[str, Any], code: str) -> None:
    assert codes(found(guest=guest(disks=(disk(**change),)))) == [("info", code)]


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_raw_and_qcow2_can_be_copied(kind: str) -> None:
    assert one(disk(format=kind))[0] == "copy"


# -- room -------------------------------------------------------------------------------------------------------------

#: free in the pool -> what is said of two disks that hold 4 GiB each and may grow to 20 GiB each
ROOM: list[tuple[int, list[tuple[str, str]]]] = [
    (8 * GIB - 1, [("block", "pool_full")]),
    (8 * GIB, [("warn", "pool_may_fill")]),
    (40 * GIB - 1, [("warn", "pool_may_fill")]),
    (40 * GIB, []),
]


@pytest.mark.parametrize(("free", "expected"), ROOM)
def test_the_pool_must_hold_what_all_disks_hold_now(free: int, expected: list[tuple[str, str]]) -> None:
    disks = (disk(), disk("vdb", "/srv/images/data.qcow2"))
    findings = found(guest=guest(disks=disks), destination={"pools": (pool(available_bytes=free),)})
    assert codes(findings) == expected


def test_a_full_pool_is_told_in_numbers() -> None:
    check = only(found(guest=guest(disks=(disk(),)), destination={"pools": (pool(available_bytes=GIB),)}))
    # 1 GiB = 1024 MiB free, 4 GiB = 4096 MiB held
    assert check.message == "Pool images on beta has 1024 MiB free, the disks hold 4096 MiB."


def test_shared_disks_need_no_room() -> None:
    ends = shared_pools()
    ends["destination"] = {"pools": tuple(replace(one, available_bytes=0) for one in ends["destination"]["pools"])}
    assert found(guest=guest(disks=(disk(),)), **ends).checks == ()


@pytest.mark.parametrize(
    ("cache", "warned"), [("", False), ("none", False), ("directsync", False), ("writeback", True)]
)
def test_a_cached_disk_on_shared_storage_is_a_warning(cache: str, warned: bool) -> None:
    findings = found(guest=guest(disks=(disk(cache=cache),)), **shared_pools())
    assert codes(findings) == ([("warn", "disk_cache")] if warned else [])


def test_the_storage_of_a_migration_is_copy_as_soon_as_one_disk_is_copied() -> None:
    mixed = (disk(), disk("vdb", "/srv/local/data.qcow2"))
    local = pool("local", "/srv/local")
    shared = pool(markers=BOTH)
    ends: dict[str, Any] = {"source": {"pools": (shared, local)}, "destination": {"pools": (shared, local)}}
    findings = found(guest=guest(disks=mixed), **ends)
    assert [plan.action for plan in findings.disks] == [DiskAction.SHARED, DiskAction.COPY]
    assert (findings.storage, found(guest=guest(disks=mixed[:1]), **ends).storage) == ("copy", "none")


# -- properties -------------------------------------------------------------------------------------------------------

MARKERS = st.sets(st.sampled_from([ALPHA, BETA, "third"])).map(lambda some: tuple(sorted(some)))
FOLDERS = ["/srv/images", "/srv/local", "/mnt/nas"]
POOLS = st.lists(
    st.builds(
        pool,
        name=st.sampled_from(["images", "local", "nas"]),
        path=st.sampled_from(FOLDERS),
        markers=MARKERS,
        source=st.sampled_from(["", "", "nfs://nas/images"]),
        active=st.sampled_from([True, True, True, False]),
        kind=st.sampled_from(["dir", "netfs", "logical"]),
        available_bytes=st.sampled_from([0, 10 * GIB, 100 * GIB]),
    ),
    max_size=3,
    unique_by=lambda one: one.name,
).map(tuple)
DISKS = st.lists(
    st.builds(
        disk,
        target=st.sampled_from(["vda", "vdb", "sda"]),
        source=st.builds("{}/{}".format, st.sampled_from([*FOLDERS, "/dev"]), st.sampled_from(["a.qcow2", "b.raw"])),
        device=st.sampled_from(["disk", "disk", "cdrom"]),
        kind=st.sampled_from(["file", "file", "block", "network"]),
        format=st.sampled_from(["qcow2", "raw", "vmdk"]),
        shareable=st.booleans(),
        readonly=st.booleans(),
    ),
    max_size=3,
    unique_by=lambda one: one.target,
).map(tuple)


@given(
    here=POOLS,
    there=POOLS,
    disks=DISKS,
    storage=st.sampled_from(["auto", "none", "copy"]),
    wish=st.sampled_from(["", "images", "nas"]),
)
def test_whatever_the_storage_no_disk_is_copied_onto_itself(
    here: Any, there: Any, disks: Any, storage: str, wish: str
) -> None:
    asked = situation(
        guest=guest(disks=disks),
        source=host("alpha", pools=here),
        destination=host("beta", pools=there),
        storage=storage,
        options={"target_pool": wish},
    )
    findings = survey(asked)

    assert [plan.disk for plan in findings.disks] == list(disks), "every disk has a plan, in order"
    assert findings.allowed == all(check.severity is not Severity.BLOCK for check in findings.checks)
    pools = {one.name: one for one in there}
    for plan in findings.copies:
        home = pool_of(asked.source, plan.disk)
        assert home is None or not proven_shared(asked, home, pools[plan.pool])
        assert (plan.disk.kind, plan.disk.device, plan.disk.shareable) == ("file", "disk", False)
        assert storage != "none"
        assert pools[plan.pool].active
        assert wish in {"", plan.pool}
    for plan in findings.disks:
        if plan.action is DiskAction.NOTHING and plan.disk.source:
            assert not findings.allowed, "a disk that neither travels nor is shared stops the migration"


@pytest.mark.parametrize(
    ("here", "there", "settled"),
    [
        ((ALPHA,), (BETA,), True),  # both have looked, and neither saw the other
        ((ALPHA, BETA), (ALPHA, BETA), True),
        ((ALPHA,), (ALPHA, BETA), False),  # alpha looked before beta's marker was there
        (("third",), (BETA,), False),  # alpha's own marker is missing
    ],
)
def test_half_a_proof_is_found_out_by_the_worker_and_told_before(
    here: tuple[str, ...], there: tuple[str, ...], settled: bool
) -> None:
    findings = found(
        guest=guest(disks=(disk(),)),
        source={"pools": (pool(markers=here),)},
        destination={"pools": (pool(markers=there),)},
    )
    assert (("warn", "folder_unsettled") not in codes(findings)) is settled


def test_whoever_asks_for_a_copy_of_a_shared_disk_is_told_that_it_stays() -> None:
    shared = {"pools": (pool(markers=BOTH),)}
    for changes in ({"storage": "copy"}, {"options": Options(target_pool="images")}):
        findings = found(guest=guest(disks=(disk(),)), source=shared, destination=shared, **changes)
        assert ("info", "disk_stays_shared") in codes(findings)
        assert findings.copies == ()
    assert codes(found(guest=guest(disks=(disk(),)), source=shared, destination=shared)) == []
