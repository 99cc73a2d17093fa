"""Disks of a running guest to another pool of its host: the old file is left only when the new one is the disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fleet.hypervisor.errors import HostUnreachable, HypervisorError
from fleet.jobs import commands
from fleet.models import Job, JobCommand
from fleet.refusals import Busy, Refused
from fleet.states import JobState, Role
from migrations_app.flows.run import run
from migrations_app.flows.submit_storage import submit_storage
from migrations_app.flows.wishes import Wish
from migrations_app.models import Migration
from migrations_app.options import Options
from tests.cast import Cast, principal
from tests.conftest import wait_until
from tests.migrations_app.flows.conftest import work

OLD, NEW = "/srv/local/db.qcow2", "/srv/shared/db.qcow2"


class Shift:
    """db's disk from alpha's local pool to its shared one."""

    def __init__(self, cast: Cast) -> None:
        self.cast, self.alpha = cast, cast.fleet.hosts["alpha"]
        self.uuid = str(cast.db.uuid)

    def submit(self, **options: Any) -> Job:
        wish = Options(**({"target_pool": "shared"} | options))
        submitted = submit_storage(
            principal=principal(Role.OPERATOR), guest=self.cast.db, wish=Wish(mode="storage", options=wish)
        )
        assert submitted.job is not None
        return submitted.job

    def run(self, job: Job, times: int = 1) -> Job:
        for _ in range(times):
            Job.objects.filter(pk=job.pk).update(lease_expires_at=None)
            run(job.pk)
            job = Job.objects.get(pk=job.pk)
            if job.is_finished:
                break
        return job

    def disk(self) -> str:
        return self.alpha.guest_rows[self.uuid].disks[0].source

    def files(self, pool: str) -> list[str]:
        return sorted(self.alpha.pool_folders[pool][0].volumes)


@pytest.fixture
def shift(committed_cast: Cast, messages: list[Any], rung: list[Any]) -> Iterator[Shift]:
    yield Shift(committed_cast)


def test_the_copy_becomes_the_disk_and_the_old_file_is_left(shift: Shift) -> None:
    job = shift.run(shift.submit())
    assert job.state == JobState.SUCCEEDED, job.error
    assert shift.disk() == NEW
    assert job.result["left_behind"] == [OLD]
    assert job.result["disks"] == [{"target": "vda", "from": OLD, "to": NEW}]
    assert shift.cast.fleet.where(shift.uuid) == {"alpha": "running"}
    assert [(step.name, step.state) for step in job.steps.all()] == [
        ("check", "done"),
        ("prepare", "done"),
        ("disks", "done"),
        ("switch-over", "done"),
        ("verify", "done"),
        ("clean-up", "done"),
    ]


def test_the_guests_row_names_the_new_file_at_once(shift: Shift) -> None:
    shift.run(shift.submit())
    shift.cast.db.refresh_from_db()
    assert [disk["source"] for disk in shift.cast.db.disks] == [NEW]


def test_the_old_file_goes_when_that_was_asked_for(shift: Shift) -> None:
    job = shift.run(shift.submit(keep_source=False))
    assert job.result["left_behind"] == []
    assert shift.files("local") == []


def test_only_the_named_disk_goes_and_takes_the_name_it_is_given(shift: Shift) -> None:
    job = shift.run(shift.submit(target_pool="", disks={"vda": {"pool": "shared", "path": "other.qcow2"}}))
    assert job.state == JobState.SUCCEEDED
    assert shift.disk() == "/srv/shared/other.qcow2"


@pytest.mark.parametrize("call", ["guest", "create_volume", "block_copy", "block_job", "block_pivot", "definition_xml"])
@pytest.mark.parametrize("takes_effect", [True, False])
def test_a_host_lost_at_any_call_ends_with_one_whole_disk(shift: Shift, call: str, takes_effect: bool) -> None:
    job = shift.submit()
    if takes_effect:
        shift.alpha.faults.lose_answer_of(call)
    else:
        shift.alpha.faults.fail_at(call, HostUnreachable("cut off", host="alpha"))
    job = shift.run(job, times=3)
    if job.state == JobState.FAILED:
        assert Migration.objects.get(pk=job.pk).call_entered_at is None
        assert shift.disk() == OLD
        assert shift.files("shared") == ["web.qcow2"]
    else:
        assert job.state == JobState.SUCCEEDED, job.error
        assert shift.disk() == NEW


def test_an_error_of_the_pivot_is_no_proof_that_it_failed(shift: Shift) -> None:
    job = shift.submit()
    shift.alpha.faults.fail_at("block_pivot", HypervisorError("not ready for pivot yet", host="alpha"))
    job = shift.run(job)
    assert (job.state, job.error["code"]) == (JobState.FAILED, "hypervisor_error")
    assert shift.disk() == OLD
    assert shift.alpha.block_jobs == {}
    assert shift.files("shared") == ["web.qcow2"]


def test_cancel_gives_the_copy_up(shift: Shift) -> None:
    shift.alpha.copies_held = True
    job = shift.submit()
    thread = work(job)
    wait_until(lambda: shift.alpha.block_jobs, 10, "the copy is under way")
    commands.request(principal=principal(Role.OPERATOR), job=Job.objects.get(pk=job.pk), kind="cancel")
    thread.join(20)
    assert Job.objects.get(pk=job.pk).state == JobState.CANCELLED
    assert shift.alpha.block_jobs == {}
    assert shift.disk() == OLD
    assert shift.files("shared") == ["web.qcow2"]


def test_the_next_worker_accompanies_the_copy_of_a_dead_one(shift: Shift) -> None:
    shift.alpha.copies_held = True
    job = shift.submit()
    shift.alpha.faults.lose_answer_of("block_copy")
    assert shift.run(job).state == JobState.UNKNOWN
    thread: threading.Thread
    Job.objects.filter(pk=job.pk).update(lease_expires_at=None)
    thread = work(job)
    wait_until(lambda: Job.objects.get(pk=job.pk).progress.get("disks"), 10, "its numbers are told")
    shift.alpha.finish_copy(shift.uuid, "vda")
    thread.join(20)
    assert Job.objects.get(pk=job.pk).state == JobState.SUCCEEDED
    assert shift.alpha.calls.count("block_copy") == 1


def test_a_guest_that_is_shut_down_meanwhile_keeps_its_old_disk(shift: Shift) -> None:
    shift.alpha.copies_held = True
    job = shift.submit()
    thread = work(job)
    wait_until(lambda: shift.alpha.block_jobs, 10, "the copy is under way")
    shift.alpha.set_state(shift.uuid, "shutoff", reason="shutdown")
    thread.join(20)
    job = Job.objects.get(pk=job.pk)
    assert (job.state, job.error["code"]) == (JobState.FAILED, "guest_off")
    assert shift.disk() == OLD
    assert shift.files("shared") == ["web.qcow2"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target_pool": "attic"}, "alpha has no active folder pool 'attic'"),
        ({"target_pool": "local"}, "No disk of db would move"),
        ({"target_pool": "", "disks": {"vdz": {"pool": "shared"}}}, "db has no disk vdz"),
        ({"target_pool": "", "disks": {"vda": {"pool": "local"}}}, "vda is in pool local already"),
        ({"target_pool": "", "disks": {"vda": {"pool": "shared", "path": "../x"}}}, "not a file name"),
    ],
)
def test_what_cannot_move_is_refused_in_words(shift: Shift, options: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        shift.submit(**options)


def test_a_guest_that_is_off_is_refused(shift: Shift) -> None:
    shift.alpha.set_state(shift.uuid, "shutoff")
    shift.cast.sync()
    with pytest.raises(Refused, match="db is shutoff"):
        shift.submit()


def test_a_busy_guest_is_refused_with_its_job(shift: Shift) -> None:
    job = shift.submit()
    with pytest.raises(Busy) as busy:
        shift.submit()
    assert busy.value.job_id == str(job.pk)


def test_another_bandwidth_reaches_the_copy_and_other_wishes_say_why_not(shift: Shift) -> None:
    shift.alpha.copies_held = True
    job = shift.submit()
    thread = work(job)
    wait_until(lambda: Job.objects.get(pk=job.pk).progress.get("steering"), 10, "its numbers are told")
    JobCommand.objects.create(job=job, kind="bandwidth", arguments={"mib_s": 7})
    JobCommand.objects.create(job=job, kind="post-copy")
    wait_until(lambda: not job.commands.filter(handled_at=None).exists(), 10, "both are dealt with")
    shift.alpha.finish_copy(shift.uuid, "vda")
    thread.join(20)
    assert shift.alpha.calls.count("set_block_bandwidth") == 1
    outcomes = dict(job.commands.values_list("kind", "outcome"))
    assert outcomes["bandwidth"] == "the copy may use 7 MiB/s now"
    assert outcomes["post-copy"].startswith("not done: post-copy is for moves from host to host")
    assert Job.objects.get(pk=job.pk).progress["steering"]["bandwidth_mib_s"] == 7
