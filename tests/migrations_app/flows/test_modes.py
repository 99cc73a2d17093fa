"""Offline and cold moves, disks over backing files and media, on the fake fleet with every crash at its moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db.models.functions import Now

from fleet.hypervisor.errors import HostUnreachable, HypervisorError
from fleet.hypervisor.facts import DiskFacts
from fleet.jobs import commands, lease
from fleet.models import Guest, Job
from fleet.states import JobState, Role
from migrations_app.flows import settle
from migrations_app.flows.cold import MARK
from migrations_app.flows.run import run
from migrations_app.models import Migration
from migrations_app.options import Options
from tests.cast import Cast, principal
from tests.migrations_app.flows.conftest import work

Moving = Callable[..., tuple[Job, threading.Thread]]


def reloaded(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def steps(job: Job) -> dict[str, str]:
    return dict(job.steps.values_list("name", "state"))


def switch_off(cast: Cast, guest: Guest) -> None:
    cast.fleet.hosts["alpha"].set_state(str(guest.uuid), "shutoff", reason="shutdown")
    cast.sync()


def where(cast: Cast, guest: Guest) -> dict[str, str]:
    return cast.fleet.where(str(guest.uuid))


# -- offline ----------------------------------------------------------------------------------------------------------


def test_an_offline_move_suspends_the_guest_and_lets_it_run_on_at_the_destination(
    committed_cast: Cast, moving: Moving
) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta, mode="offline")
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    assert (move.order.live, move.order.auto_converge, move.order.post_copy) == (False, False, False)
    assert where(cast, cast.web)["alpha"] == "paused"
    move.copy_memory(done_bytes=100 << 20, remaining_bytes=156 << 20)
    move.succeed(downtime_ms=2100)
    thread.join(20)

    job = reloaded(job)
    assert (job.state, job.result["downtime_ms"]) == (JobState.SUCCEEDED, 2100)
    assert where(cast, cast.web) == {"beta": "running"}


def test_an_offline_move_that_fails_lets_the_guest_go_on_where_it_was(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta, mode="offline")
    cast.fleet.wait_for_migration(str(cast.web.uuid)).fail()
    thread.join(20)
    assert reloaded(job).state == JobState.FAILED
    assert where(cast, cast.web) == {"alpha": "running"}


def test_a_guest_that_its_operator_paused_arrives_paused(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    cast.fleet.hosts["alpha"].set_state(str(cast.web.uuid), "paused", reason="user")
    cast.sync()
    job, thread = moving(cast.web, cast.beta)
    cast.fleet.wait_for_migration(str(cast.web.uuid)).succeed()
    thread.join(20)
    assert reloaded(job).state == JobState.SUCCEEDED
    assert where(cast, cast.web) == {"beta": "paused"}
    cast.web.refresh_from_db()
    assert (cast.web.host, cast.web.state) == (cast.beta, "paused")


# -- cold -------------------------------------------------------------------------------------------------------------


def test_a_guest_that_is_off_on_shared_disks_moves_by_its_definition(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    switch_off(cast, cast.web)
    job, thread = moving(cast.web, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    assert (Migration.objects.get(job=job).mode, move.order.definition_only) == ("cold", True)
    move.succeed()
    thread.join(20)

    job = reloaded(job)
    assert job.state == JobState.SUCCEEDED
    assert job.result["copies"] == {"alpha": "absent", "beta": "off"}
    assert steps(job) | {"memory": "skipped", "disks": "skipped"} == steps(job)
    assert "start_paused" not in cast.fleet.hosts["alpha"].calls
    cast.web.refresh_from_db()
    assert (cast.web.host, cast.web.state) == (cast.beta, "shutoff")


def test_a_guest_that_is_off_with_its_own_disks_is_started_paused_and_switched_off_there(
    committed_cast: Cast, moving: Moving
) -> None:
    cast = committed_cast
    alpha = cast.fleet.hosts["alpha"]
    alpha.set_autostart(str(cast.db.uuid), True)
    switch_off(cast, cast.db)
    job, thread = moving(cast.db, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.db.uuid))
    assert (move.order.live, move.order.copy_disks) == (False, ("vda",))
    assert Migration.objects.get(job=job).relay == {MARK: True}
    assert where(cast, cast.db)["alpha"] == "paused"
    move.copy_disks(done_bytes=1 << 29, total_bytes=1 << 30)
    move.succeed()
    thread.join(20)

    job = reloaded(job)
    assert job.state == JobState.SUCCEEDED
    assert where(cast, cast.db) == {"beta": "shutoff"}
    assert steps(job) | {"disks": "done", "memory": "skipped", "switch-over": "done"} == steps(job)
    assert job.steps.get(name="switch-over").detail == "It was off all the while."
    assert cast.fleet.hosts["beta"].guest_rows[str(cast.db.uuid)].autostart is True
    assert job.result["left_behind"] == [cast.db.disks[0]["source"]]


def test_a_cold_move_that_fails_leaves_the_guest_off_where_it_was(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    switch_off(cast, cast.db)
    job, thread = moving(cast.db, cast.beta)
    cast.fleet.wait_for_migration(str(cast.db.uuid)).fail()
    thread.join(20)
    job = reloaded(job)
    assert (job.state, job.error["guest_is_on"]) == (JobState.FAILED, "alpha")
    assert where(cast, cast.db) == {"alpha": "shutoff"}
    assert Migration.objects.get(job=job).artefacts == []


def test_a_guest_that_does_not_start_moves_nowhere(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    switch_off(cast, cast.db)
    cast.fleet.hosts["alpha"].faults.fail_at("start_paused", HypervisorError("no such machine type", host="alpha"))
    job, thread = moving(cast.db, cast.beta)
    thread.join(20)
    job = reloaded(job)
    assert (job.state, job.error["message"]) == (JobState.FAILED, "no such machine type")
    assert where(cast, cast.db) == {"alpha": "shutoff"}


def test_cancelling_a_cold_move_switches_the_guest_off_again(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    switch_off(cast, cast.db)
    job, thread = moving(cast.db, cast.beta)
    cast.fleet.wait_for_migration(str(cast.db.uuid))
    commands.request(principal=principal(Role.OPERATOR), job=reloaded(job), kind="cancel")
    thread.join(20)
    assert reloaded(job).state == JobState.CANCELLED
    assert where(cast, cast.db) == {"alpha": "shutoff"}


def test_an_old_definition_at_the_destination_stops_a_cold_move(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    switch_off(cast, cast.web)
    cast.fleet.hosts["beta"].add_guest("web", state="shutoff")
    job, thread = moving(cast.web, cast.beta)
    thread.join(20)
    job = reloaded(job)
    assert (job.state, job.error["code"]) == (JobState.FAILED, "already_there")
    assert "virsh undefine web" in job.error["hint"]


def test_somebody_who_lets_the_guest_run_meanwhile_keeps_it_running(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    switch_off(cast, cast.db)
    job, thread = moving(cast.db, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.db.uuid))
    cast.fleet.hosts["alpha"].set_state(str(cast.db.uuid), "running")
    move.succeed()
    thread.join(20)
    assert reloaded(job).state == JobState.SUCCEEDED
    assert where(cast, cast.db) == {"beta": "running"}
    assert job.events.filter(code="cold.runs").exists()


#: What a dead worker left: how far it had come -> where its successor leaves the guest, and how the job ends.
def _before_the_start(cast: Cast, uuid: str) -> None:
    pass


def _started(cast: Cast, uuid: str) -> None:
    cast.fleet.hosts["alpha"].start_paused(uuid)


def _arrived_paused(cast: Cast, uuid: str) -> None:
    alpha, beta = cast.fleet.hosts["alpha"], cast.fleet.hosts["beta"]
    alpha.start_paused(uuid)
    guest = alpha.guest_rows[uuid]
    beta._put(replace(guest, state="paused"))
    alpha.remove_guest(uuid)


def _arrived_while_the_source_kept_its_definition(cast: Cast, uuid: str) -> None:
    beta, guest = cast.fleet.hosts["beta"], cast.fleet.hosts["alpha"].guest_rows[uuid]
    beta._put(replace(guest, state="paused"))


def _switched_off_there(cast: Cast, uuid: str) -> None:
    _arrived_paused(cast, uuid)
    cast.fleet.hosts["beta"].destroy(uuid)


DEATHS: list[tuple[Callable[[Cast, str], None], dict[str, str], JobState]] = [
    (_before_the_start, {"alpha": "shutoff"}, JobState.FAILED),
    (_started, {"alpha": "shutoff"}, JobState.FAILED),
    (_arrived_paused, {"beta": "shutoff"}, JobState.SUCCEEDED),
    (_arrived_while_the_source_kept_its_definition, {"alpha": "shutoff"}, JobState.FAILED),
    (_switched_off_there, {"beta": "shutoff"}, JobState.SUCCEEDED),
]


@pytest.mark.parametrize(("left", "place", "state"), DEATHS)
def test_a_worker_that_dies_in_a_cold_move_leaves_what_its_successor_settles(
    committed_cast: Cast,
    moving: Moving,
    messages: list[Any],
    rung: list[Any],
    left: Callable[[Cast, str], None],
    place: dict[str, str],
    state: JobState,
) -> None:
    cast = committed_cast
    switch_off(cast, cast.db)
    job = _taken_over(cast, cast.db)
    left(cast, str(cast.db.uuid))
    run(job.pk)
    assert reloaded(job).state == state
    assert where(cast, cast.db) == place


def _taken_over(cast: Cast, guest: Guest) -> Job:
    from migrations_app.flows.submit import submit

    submitted = submit(principal=principal(Role.OPERATOR), guest=guest, destination=cast.beta)
    assert submitted.job is not None
    job = submitted.job
    Job.objects.filter(pk=job.pk).update(state=JobState.RUNNING, lease_owner="dead", lease_number=1)
    Migration.objects.filter(job=job).update(call_entered_at=Now(), relay={MARK: True})
    return job


def _asked_again(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_expires_at=lease.from_now(-1))
    work(job).join(20)


def test_a_host_that_cannot_be_asked_keeps_the_paused_guest_untouched(
    committed_cast: Cast, moving: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = committed_cast
    monkeypatch.setattr(settle, "PATIENCE_S", 0.2)
    switch_off(cast, cast.db)
    job = _taken_over(cast, cast.db)
    _started(cast, str(cast.db.uuid))
    cast.fleet.hosts["beta"].faults.unreachable()
    work(job).join(20)
    assert reloaded(job).state == JobState.UNKNOWN
    assert where(cast, cast.db) == {"alpha": "paused"}
    cast.fleet.hosts["beta"].faults.clear()
    _asked_again(job)
    assert reloaded(job).state == JobState.FAILED
    assert where(cast, cast.db) == {"alpha": "shutoff"}


def test_a_paused_copy_that_does_not_go_off_keeps_the_job_unknown(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    switch_off(cast, cast.db)
    job = _taken_over(cast, cast.db)
    _started(cast, str(cast.db.uuid))
    cast.fleet.hosts["alpha"].faults.fail_at("destroy", HostUnreachable("no answer", host="alpha"))
    work(job).join(20)
    assert reloaded(job).state == JobState.UNKNOWN
    _asked_again(job)
    assert reloaded(job).state == JobState.FAILED
    assert where(cast, cast.db) == {"alpha": "shutoff"}


# -- disks and media --------------------------------------------------------------------------------------------------


def _over_a_shared_base(cast: Cast) -> str:
    base = cast.fleet.hosts["alpha"].create_volume(
        pool="shared", name="base.qcow2", capacity_bytes=1 << 30, format="qcow2"
    )
    alpha, uuid = cast.fleet.hosts["alpha"], str(cast.db.uuid)
    guest = alpha.guest_rows[uuid]
    alpha.guest_rows[uuid] = replace(guest, disks=(replace(guest.disks[0], backing=base.path),))
    cast.sync()
    return base.path


def test_a_disk_over_a_shared_file_gets_a_thin_volume_over_the_same_file(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    base = _over_a_shared_base(cast)
    job, thread = moving(cast.db, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.db.uuid))
    made = cast.fleet.hosts["beta"].volume(cast.db.disks[0]["source"])
    assert made is not None
    assert (made.backing, move.order.incremental, move.order.copy_disks) == (base, True, ("vda",))
    move.succeed()
    thread.join(20)
    assert reloaded(job).result["storage"] == "copy_incremental"


def test_a_whole_copy_lets_go_of_the_backing_file(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    _over_a_shared_base(cast)
    job, thread = moving(cast.db, cast.beta, storage="copy")
    move = cast.fleet.wait_for_migration(str(cast.db.uuid))
    made = cast.fleet.hosts["beta"].volume(cast.db.disks[0]["source"])
    assert made is not None
    assert (made.backing, move.order.incremental) == ("", False)
    move.succeed()
    thread.join(20)
    assert reloaded(job).state == JobState.SUCCEEDED


def test_each_disk_goes_to_its_own_place(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    cast.fleet.add_pool("fast", on=("beta",), path="/srv/fast").markers.add(cast.fleet.hosts["beta"].uuid)
    cast.sync()
    wish = Options(disks={"vda": {"pool": "fast", "path": "database.qcow2"}})
    _, thread = moving(cast.db, cast.beta, options=wish)
    move = cast.fleet.wait_for_migration(str(cast.db.uuid))
    assert "/srv/fast/database.qcow2" in move.order.destination_xml
    move.succeed()
    thread.join(20)
    assert cast.fleet.hosts["beta"].guest_rows[str(cast.db.uuid)].disks[0].source == "/srv/fast/database.qcow2"


def _put_in_a_medium(cast: Cast) -> str:
    alpha, uuid = cast.fleet.hosts["alpha"], str(cast.db.uuid)
    path = "/srv/local/debian.iso"
    alpha.put_file(path, b"debian" * 100_000)
    medium = DiskFacts(
        target="sda", bus="sata", device="cdrom", kind="file", source=path, format="raw", readonly=True, pool="local"
    )
    guest = alpha.guest_rows[uuid]
    alpha.guest_rows[uuid] = replace(guest, disks=(*guest.disks, medium), xml="")
    alpha._put(alpha.guest_rows[uuid])
    cast.sync()
    return path


def test_an_ejected_medium_leaves_the_drive_empty_there_and_stays_here(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    path = _put_in_a_medium(cast)
    job, thread = moving(cast.db, cast.beta, options=Options(media="eject", keep_source=False))
    cast.fleet.wait_for_migration(str(cast.db.uuid)).succeed()
    thread.join(20)
    assert reloaded(job).state == JobState.SUCCEEDED
    drive = cast.fleet.hosts["beta"].guest_rows[str(cast.db.uuid)].disks[1]
    assert (drive.target, drive.source) == ("sda", "")
    assert cast.fleet.hosts["alpha"].volume(path) is not None


def test_a_medium_is_brought_whole_and_stays_at_the_source_for_others(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    path = _put_in_a_medium(cast)
    job, thread = moving(cast.db, cast.beta, options=Options(media="copy", keep_source=False))
    move = cast.fleet.wait_for_migration(str(cast.db.uuid))
    assert move.order.copy_disks == ("vda",)
    assert bytes(cast.fleet.hosts["beta"]._data(path)) == b"debian" * 100_000
    move.succeed()
    thread.join(20)
    assert reloaded(job).state == JobState.SUCCEEDED
    assert cast.fleet.hosts["alpha"].volume(path) is not None, "other guests may have it in their drives"


def test_a_medium_that_was_brought_goes_again_when_the_guest_stays(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    path = _put_in_a_medium(cast)
    _, thread = moving(cast.db, cast.beta, options=Options(media="copy"))
    cast.fleet.wait_for_migration(str(cast.db.uuid)).fail()
    thread.join(20)
    assert cast.fleet.hosts["beta"].volume(path) is None


def test_a_medium_of_the_same_size_at_the_destination_is_used_and_never_removed(
    committed_cast: Cast, moving: Moving
) -> None:
    cast = committed_cast
    path = _put_in_a_medium(cast)
    cast.fleet.hosts["beta"].put_file(path, b"other!" * 100_000)
    job, thread = moving(cast.db, cast.beta, options=Options(media="copy"))
    cast.fleet.wait_for_migration(str(cast.db.uuid)).fail()
    thread.join(20)
    assert job.events.filter(code="check.medium_there").exists()
    assert cast.fleet.hosts["beta"].volume(path) is not None
