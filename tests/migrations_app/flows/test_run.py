"""Live migrations from wish to receipt, on the fake fleet where every fault comes at its exact moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from fleet.hypervisor.errors import HostUnreachable, NoSpace
from fleet.jobs import commands, lease
from fleet.jobs.progress import LeaseLost
from fleet.models import AuditEvent, Job
from fleet.states import JobState, Role
from migrations_app.flows import clean_up, errand, settle
from migrations_app.flows.errand import Errand
from migrations_app.flows.run import run
from migrations_app.models import Migration
from migrations_app.options import Options
from migrations_app.outcome import Side
from tests.cast import Cast, principal
from tests.conftest import wait_until
from tests.migrations_app.flows.conftest import work

Moving = Callable[..., tuple[Job, threading.Thread]]


def reloaded(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def log(job: Job) -> list[str]:
    return list(job.events.order_by("seq").values_list("code", flat=True))


def test_a_guest_arrives_and_leaves_a_receipt(committed_cast: Cast, moving: Moving, messages: list[Any]) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    move.copy_memory(done_bytes=100 << 20, remaining_bytes=156 << 20)
    wait_until(lambda: reloaded(job).progress.get("iteration") == 1, 10, "the first pass is told")
    move.succeed(downtime_ms=42)
    thread.join(20)

    job = reloaded(job)
    assert job.state == JobState.SUCCEEDED
    assert job.result["downtime_ms"] == 42
    assert job.result["copies"] == {"alpha": "absent", "beta": "running"}
    assert job.result["single_copy"] is True
    cast.web.refresh_from_db()
    assert cast.web.host == cast.beta
    assert job.progress["percent"] == 100
    assert [(step.name, step.state) for step in job.steps.all()] == [
        ("check", "done"),
        ("prepare", "skipped"),
        ("disks", "skipped"),
        ("memory", "done"),
        ("switch-over", "done"),
        ("verify", "done"),
        ("clean-up", "done"),
    ]
    outcome = AuditEvent.objects.filter(verb="migration.outcome", job=job).get()
    assert (outcome.outcome, outcome.after) == ("succeeded", {"host": "beta"})


def test_messages_carry_rising_numbers_and_end_with_the_terminal_state(
    committed_cast: Cast, moving: Moving, messages: list[Any]
) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta)
    cast.fleet.wait_for_migration(str(cast.web.uuid)).succeed()
    thread.join(20)

    told = [
        message["document"] for topic, message in messages if topic == f"job:{job.pk}" and message["type"] == "update"
    ]
    numbers = [document["seq"] for document in told]
    assert numbers == sorted(numbers)
    assert told[-1]["state"] == "succeeded"
    assert told[-1]["seq"] == reloaded(job).seq


def test_local_disks_get_thin_volumes_first(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.db, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.db.uuid))
    assert move.order.copy_disks == ("vda",)
    assert [one["path"] for one in Migration.objects.get(job=job).artefacts] == [cast.db.disks[0]["source"]]
    assert cast.fleet.hosts["beta"].volume(cast.db.disks[0]["source"]) is not None
    move.succeed()
    thread.join(20)

    job = reloaded(job)
    assert job.state == JobState.SUCCEEDED
    assert job.result["left_behind"] == [cast.db.disks[0]["source"]]


def test_a_failed_copy_leaves_nothing_at_the_destination(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.db, cast.beta)
    cast.fleet.wait_for_migration(str(cast.db.uuid)).fail(NoSpace("No space left on device"))
    thread.join(20)

    job = reloaded(job)
    assert job.state == JobState.FAILED
    assert job.error["code"] == "no_space"
    assert job.error["guest_is_on"] == "alpha"
    assert cast.fleet.hosts["beta"].volume(cast.db.disks[0]["source"]) is None
    assert Migration.objects.get(job=job).artefacts == []


def test_a_file_of_somebody_elses_is_never_overwritten_nor_removed(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    path = cast.db.disks[0]["source"]
    beta = cast.fleet.hosts["beta"]
    beta.create_volume(pool="local", name=path.rsplit("/", 1)[1], capacity_bytes=1 << 30, format="qcow2")
    job, thread = moving(cast.db, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.db.uuid))
    made = [one["path"] for one in Migration.objects.get(job=job).artefacts]
    assert path not in made
    assert made[0] in move.order.destination_xml
    move.fail()
    thread.join(20)

    assert beta.volume(path) is not None
    assert beta.volume(made[0]) is None


def test_a_folder_nobody_has_looked_into_yet_is_settled_before_anything_is_copied(
    committed_cast: Cast, moving: Moving
) -> None:
    cast = committed_cast
    for name in ("alpha", "beta"):
        folder, _ = cast.fleet.hosts[name].pool_folders["shared"]
        folder.markers.clear()
    cast.sync()
    job, thread = moving(cast.web, cast.beta)
    assert Migration.objects.get(job=job).storage == "copy", "the rows know no better"
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    assert move.order.copy_disks == ()
    move.succeed()
    thread.join(20)
    job = reloaded(job)
    assert (job.state, job.result["storage"]) == (JobState.SUCCEEDED, "none")
    assert "storage.changed" in log(job)


def test_an_error_is_no_proof_of_failure(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta)
    cast.fleet.wait_for_migration(str(cast.web.uuid)).succeed_but_raise()
    thread.join(20)
    assert reloaded(job).state == JobState.SUCCEEDED


def test_a_source_that_died_before_it_forgot_the_guest_is_made_to(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta)
    cast.fleet.wait_for_migration(str(cast.web.uuid)).succeed_unconfirmed()
    thread.join(20)
    assert reloaded(job).state == JobState.SUCCEEDED
    assert "definition.removed" in log(job)
    assert cast.fleet.hosts["alpha"].glimpse(str(cast.web.uuid)) is None


def test_a_definition_that_was_to_stay_at_the_source_stays(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta, options=Options(undefine_source=False))
    cast.fleet.wait_for_migration(str(cast.web.uuid)).succeed()
    thread.join(20)
    assert reloaded(job).state == JobState.SUCCEEDED
    assert cast.fleet.hosts["alpha"].glimpse(str(cast.web.uuid)) is not None


def test_a_call_that_returns_is_no_proof_of_success(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta)
    cast.fleet.wait_for_migration(str(cast.web.uuid)).return_without_moving()
    thread.join(20)
    job = reloaded(job)
    assert (job.state, job.error["guest_is_on"]) == (JobState.FAILED, "alpha")


def test_a_silent_destination_makes_the_job_unknown_until_it_answers(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.db, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.db.uuid))
    path = cast.db.disks[0]["source"]
    cast.fleet.hosts["beta"].faults.unreachable()
    move.fail(HostUnreachable("client socket is closed"))
    thread.join(20)

    job = reloaded(job)
    assert (job.state, job.finished_at) == (JobState.UNKNOWN, None)
    assert "beta" in job.error["message"]
    cast.fleet.hosts["beta"].faults.clear()
    assert cast.fleet.hosts["beta"].volume(path) is not None, "nothing is touched while a host is silent"
    Job.objects.filter(pk=job.pk).update(lease_expires_at=lease.from_now(-1))
    run(job.pk)

    job = reloaded(job)
    assert (job.state, job.error["guest_is_on"]) == (JobState.FAILED, "alpha")
    assert cast.fleet.hosts["beta"].volume(path) is None


def test_a_guest_that_runs_twice_is_an_alarm_and_nobody_touches_it(
    committed_cast: Cast, moving: Moving, caplog: pytest.LogCaptureFixture
) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta)
    cast.fleet.wait_for_migration(str(cast.web.uuid)).run_on_both()
    thread.join(20)
    job = reloaded(job)
    assert (job.state, job.error["code"]) == (JobState.UNKNOWN, "double_run")
    assert any(record.levelname == "CRITICAL" for record in caplog.records)
    assert cast.fleet.where(str(cast.web.uuid)) == {"alpha": "running", "beta": "running"}


def test_a_half_way_hand_over_is_waited_for_and_then_unknown(
    committed_cast: Cast, moving: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = committed_cast
    monkeypatch.setattr(settle, "PATIENCE_S", 0.3)
    job, thread = moving(cast.web, cast.beta)
    cast.fleet.wait_for_migration(str(cast.web.uuid)).leave_paused_on_both()
    thread.join(20)
    assert reloaded(job).state == JobState.UNKNOWN


def test_a_paused_copy_that_a_cut_hand_over_left_at_the_source_is_switched_off_once_the_guest_runs(
    committed_cast: Cast, moving: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = committed_cast
    monkeypatch.setattr(settle, "PATIENCE_S", 0.3)
    job, thread = moving(cast.web, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    cast.fleet.hosts["alpha"].faults.hang_at("glimpse")
    move.leave_paused_on_both()
    cast.fleet.hosts["beta"].set_state(str(cast.web.uuid), "running", reason="migrated")
    cast.fleet.hosts["alpha"].faults.clear()
    thread.join(20)
    assert reloaded(job).state == JobState.SUCCEEDED
    assert "source.switched_off" in log(job)
    # beta was cut off before it kept a definition of its own, so the only one stays.
    assert cast.fleet.where(str(cast.web.uuid)) == {"alpha": "shutoff", "beta": "running"}


def test_a_guest_that_is_off_on_both_sides_is_not_started_by_anybody(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta)
    cast.fleet.wait_for_migration(str(cast.web.uuid)).lose_guest()
    thread.join(20)
    job = reloaded(job)
    assert (job.state, job.error["code"]) == (JobState.FAILED, "guest_off")


def test_cancel_while_memory_is_copied_leaves_the_guest_at_the_source(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    move.copy_memory(done_bytes=1 << 20, remaining_bytes=255 << 20)
    assert commands.request(principal=principal(Role.OPERATOR), job=job, kind="cancel") is not None
    thread.join(20)

    job = reloaded(job)
    assert job.state == JobState.CANCELLED
    assert ("abort", 0) in move.commands
    assert cast.fleet.where(str(cast.web.uuid)) == {"alpha": "running"}
    assert [code for code in log(job) if "cancel" in code][:2] == ["cancel.requested", "cancel.handled"]


def test_a_cancel_that_comes_too_late_ends_in_success(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    move.abort_is_too_late = True
    commands.request(principal=principal(Role.OPERATOR), job=job, kind="cancel")
    wait_until(lambda: ("abort", 0) in move.commands, 10, "libvirt is told")
    move.succeed()
    thread.join(20)
    assert reloaded(job).state == JobState.SUCCEEDED


def test_a_guest_that_moved_meanwhile_fails_with_nothing_touched(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    cast.fleet.hosts["alpha"].remove_guest(str(cast.web.uuid))
    job, thread = moving(cast.web, cast.beta)
    thread.join(20)
    job = reloaded(job)
    assert (job.state, job.error["code"]) == (JobState.FAILED, "guest_not_found")


def test_a_check_that_fails_at_the_hosts_refuses_before_anything_is_made(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    # The rows are older than the host: beta has filled up since. 16384 - 16200 = 184 MiB free, db needs 256 + 64.
    cast.fleet.hosts["beta"].add_guest("filler", memory_mib=16_200)
    job, thread = moving(cast.db, cast.beta)
    thread.join(20)
    job = reloaded(job)
    assert (job.state, job.error["code"]) == (JobState.FAILED, "not_enough_memory")
    assert "beta has 184 MiB free" in job.error["message"]
    assert cast.fleet.migrations == []


def test_a_worker_that_takes_over_adopts_the_running_migration(
    committed_cast: Cast, messages: list[Any], rung: list[Any]
) -> None:
    cast = committed_cast
    job = abandoned(cast)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    second = work(job)
    wait_until(lambda: "adopted" in log(job), 10, "the second worker has it")
    move.copy_memory(done_bytes=200 << 20, remaining_bytes=56 << 20, iteration=2)
    wait_until(lambda: reloaded(job).progress.get("iteration") == 2, 10, "progress goes on")
    move.succeed()
    second.join(20)

    job = reloaded(job)
    assert job.state == JobState.SUCCEEDED
    assert job.result["adopted"] is True
    assert len(cast.fleet.migrations) == 1, "nothing was started again"


def test_a_migration_that_ended_while_no_worker_looked_is_settled_by_asking(
    committed_cast: Cast, messages: list[Any], rung: list[Any]
) -> None:
    cast = committed_cast
    job = abandoned(cast)
    cast.fleet.wait_for_migration(str(cast.web.uuid)).succeed()
    run(job.pk)
    assert reloaded(job).state == JobState.SUCCEEDED


def test_a_worker_that_died_before_libvirt_was_called_is_replaced_by_a_fresh_start(
    committed_cast: Cast, messages: list[Any], rung: list[Any]
) -> None:
    cast = committed_cast
    job = abandoned(cast, entered=False)
    run(job.pk)
    job = reloaded(job)
    assert job.state == JobState.SUCCEEDED
    assert "taken.over" in log(job)


def test_a_worker_that_lost_its_job_removes_nothing(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.db, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.db.uuid))
    held = Job.objects.get(pk=job.pk)
    errand = Errand(lease.Lease(job_id=job.pk, number=held.lease_number - 1, owner="a worker that slept"))
    with pytest.raises(LeaseLost):
        clean_up.after_staying(errand)
    assert cast.fleet.hosts["beta"].volume("/srv/local/db.qcow2") is not None
    move.succeed()
    thread.join(20)
    assert reloaded(job).state == JobState.SUCCEEDED


def test_a_second_message_for_a_held_job_does_nothing(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    run(job.pk)  # the duplicate returns at once
    assert len(cast.fleet.migrations) == 1
    move.succeed()
    thread.join(20)
    run(job.pk)  # and so does one after the end
    assert reloaded(job).state == JobState.SUCCEEDED


def abandoned(cast: Cast, *, entered: bool = True) -> Job:
    """A running job whose worker was killed; with `entered`, its peer-to-peer migration goes on by itself."""
    from migrations_app.flows.submit import submit

    submitted = submit(principal=principal(Role.OPERATOR), guest=cast.web, destination=cast.beta)
    assert submitted.job is not None
    dead = lease.take(submitted.job.pk, owner="a worker that died")
    assert dead is not None
    Job.objects.filter(pk=submitted.job.pk).update(
        state=JobState.RUNNING, started_at=Now(), lease_expires_at=lease.from_now(-1)
    )
    if entered:
        from fleet.hypervisor.interface import MigrationOrder

        cast.fleet.hold_migrations()
        Migration.objects.filter(job=submitted.job).update(call_entered_at=Now())
        order = MigrationOrder(destination=cast.beta.where())
        cast.fleet.begin_migration(cast.fleet.hosts["alpha"], str(cast.web.uuid), order)
    return submitted.job


def test_a_bug_before_libvirt_is_called_ends_the_job_after_a_few_attempts(
    committed_cast: Cast, messages: list[Any], rung: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = abandoned(committed_cast, entered=False)
    monkeypatch.setattr("migrations_app.flows.prepare.check", lambda *_: 1 / 0)
    states = []
    for _ in range(2):  # the dead worker's was the first lease, so these are the second and the third
        Job.objects.filter(pk=job.pk).update(lease_expires_at=lease.from_now(-1))
        run(job.pk)
        states.append(reloaded(job).state)
    assert states == [JobState.RUNNING, JobState.FAILED]
    assert reloaded(job).error["guest_is_on"] == "alpha"
    assert committed_cast.fleet.migrations == []


def test_a_bug_after_libvirt_was_called_leaves_the_guest_to_the_next_worker(
    committed_cast: Cast, messages: list[Any], rung: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = abandoned(committed_cast)
    committed_cast.fleet.wait_for_migration(str(committed_cast.web.uuid)).succeed()
    with monkeypatch.context() as broken:
        broken.setattr("migrations_app.flows.arrival.receipt", lambda *_, **__: 1 / 0)
        run(job.pk)
    assert (reloaded(job).state, reloaded(job).error["code"]) == (JobState.UNKNOWN, "internal_error")
    Job.objects.filter(pk=job.pk).update(lease_expires_at=lease.from_now(-1))
    run(job.pk)
    assert reloaded(job).state == JobState.SUCCEEDED


def test_a_database_that_went_away_for_a_moment_is_no_news_about_the_guest(
    committed_cast: Cast, messages: list[Any], rung: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: Any, **__: Any) -> None:
        raise OperationalError("database is locked")

    job = abandoned(committed_cast)
    committed_cast.fleet.wait_for_migration(str(committed_cast.web.uuid)).succeed()
    with monkeypatch.context() as broken:
        broken.setattr("migrations_app.flows.arrival.receipt", locked)
        run(job.pk)
    assert reloaded(job).state == JobState.RUNNING
    assert "internal_error" not in log(job)
    Job.objects.filter(pk=job.pk).update(lease_expires_at=lease.from_now(-1))
    run(job.pk)
    assert reloaded(job).state == JobState.SUCCEEDED


def test_copied_disks_are_removed_from_the_source_only_when_asked_and_after_the_arrival(
    committed_cast: Cast, moving: Moving
) -> None:
    cast = committed_cast
    path = cast.db.disks[0]["source"]
    job, thread = moving(cast.db, cast.beta, options=Options(keep_source=False))
    move = cast.fleet.wait_for_migration(str(cast.db.uuid))
    assert cast.fleet.hosts["alpha"].volume(path) is not None
    move.succeed()
    thread.join(20)
    assert reloaded(job).result["left_behind"] == []
    assert cast.fleet.hosts["alpha"].volume(path) is None
    assert cast.fleet.hosts["beta"].volume(path) is not None


def test_a_switch_over_between_two_questions_is_no_double_run(
    committed_cast: Cast, moving: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    # The source answers before the switch-over, the destination after it: the moment itself, which no fake can hold.
    answers = iter([Side.RUNNING, Side.RUNNING, Side.ABSENT, Side.RUNNING])
    monkeypatch.setattr(errand, "_look", lambda host, uuid: (next(answers), ""))
    move.succeed()
    thread.join(20)
    assert reloaded(job).state == JobState.SUCCEEDED
    assert "double_run" not in log(job)
