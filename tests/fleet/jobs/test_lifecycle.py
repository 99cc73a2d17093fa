"""The only writer of a job's state."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.jobs import lease, lifecycle
from fleet.models import Guest, Job, JobCommand
from fleet.states import FINISHED, UNFINISHED, JobState, StepState, may_follow
from tests.conftest import race
from tests.fleet.jobs.conftest import make_job


def advance(job: Job, to: JobState, **more: Any) -> bool:
    return lifecycle.advance(job.pk, to, **{"code": to.value, "message": f"now {to.value}", **more})


def put(job: Job, state: JobState) -> None:
    """Place a job in a state, past every rule but the database's own."""
    finished_at = timezone.now() if state in FINISHED else None
    Job.objects.filter(pk=job.pk).update(state=state, finished_at=finished_at)


def lines(job: Job) -> list[int]:
    return list(job.events.order_by("id").values_list("seq", flat=True))


@pytest.mark.parametrize("before", JobState)
@pytest.mark.parametrize("after", JobState)
def test_a_job_goes_only_where_the_table_lets_it(job: Job, before: JobState, after: JobState) -> None:
    put(job, before)
    assert advance(job, after) == may_follow(before, after)
    job.refresh_from_db()
    assert job.state == (after if may_follow(before, after) else before)
    assert job.events.count() == may_follow(before, after)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wishes=st.lists(st.sampled_from(list(JobState)), max_size=12))
def test_on_any_walk_the_log_counts_without_gaps_and_an_end_is_final(job: Job, wishes: list[JobState]) -> None:
    with transaction.atomic():
        accepted = [wish for wish in wishes if advance(job, wish)]
        found = Job.objects.get(pk=job.pk)
        assert found.state == (accepted[-1] if accepted else JobState.QUEUED)
        assert lines(job) == list(range(1, len(accepted) + 1))
        assert found.seq == len(accepted)
        assert (found.finished_at is not None) == found.is_finished
        assert sum(wish in FINISHED for wish in accepted) <= 1
        transaction.set_rollback(True)


def test_of_racing_ends_only_one_wins(committed_job: Job) -> None:
    put(committed_job, JobState.RUNNING)
    ends = sorted(FINISHED) * 2
    results = race(*(lambda to=to: advance(committed_job, JobState(to)) for to in ends))
    assert sorted(results) == [False] * 5 + [True]
    committed_job.refresh_from_db()
    assert committed_job.state == ends[results.index(True)]
    assert lines(committed_job) == [1]


def test_lines_that_are_written_at_once_get_a_number_each(committed_job: Job) -> None:
    results = race(*(lambda: lifecycle.record(committed_job.pk, code="x", message="x").seq for _ in range(6)))
    assert sorted(results) == [1, 2, 3, 4, 5, 6]


def test_only_from_refuses_another_state(job: Job) -> None:
    put(job, JobState.RUNNING)
    assert not advance(job, JobState.CANCELLED, only_from=JobState.QUEUED)
    assert advance(job, JobState.CANCELLED, only_from=JobState.RUNNING)


def test_a_stranger_to_the_lease_changes_nothing(job: Job) -> None:
    held = lease.take(job.pk, owner="a worker")
    assert held is not None
    stranger = lease.Lease(job_id=job.pk, number=held.number + 1, owner="a worker")
    assert not advance(job, JobState.RUNNING, lease=stranger)
    assert advance(job, JobState.RUNNING, lease=held)


def test_a_job_starts_once_even_when_it_was_unknown_in_between(job: Job) -> None:
    advance(job, JobState.RUNNING)
    started_at = Job.objects.get(pk=job.pk).started_at
    advance(job, JobState.UNKNOWN, error={"code": "host_silent"})
    assert Job.objects.get(pk=job.pk).error == {"code": "host_silent"}
    advance(job, JobState.RUNNING)
    found = Job.objects.get(pk=job.pk)
    assert found.started_at == started_at
    assert found.error is None, "a job that runs again has no error"


def test_an_end_gives_the_lease_back_and_keeps_error_and_result(job: Job) -> None:
    lease.take(job.pk)
    put(job, JobState.RUNNING)
    advance(job, JobState.FAILED, error={"code": "no_space"}, result={"copies": {}})
    found = Job.objects.get(pk=job.pk)
    assert (found.lease_owner, found.lease_expires_at) == ("", None)
    assert (found.error, found.result) == ({"code": "no_space"}, {"copies": {}})
    assert lease.take(job.pk) is None


def test_wishes_that_came_too_late_are_settled_at_the_end(job: Job) -> None:
    put(job, JobState.RUNNING)
    command = JobCommand.objects.create(job=job, kind="cancel")
    advance(job, JobState.SUCCEEDED)
    command.refresh_from_db()
    assert command.handled_at is not None
    assert command.outcome == "the job was already succeeded"


@pytest.mark.parametrize("end", sorted(FINISHED))
def test_an_end_leaves_no_step_that_looks_as_if_it_would_come(job: Job, end: JobState) -> None:
    first, *later = job.steps.order_by("ordinal")
    job.steps.filter(pk=first.pk).update(state=StepState.DONE)
    put(job, JobState.QUEUED if may_follow(JobState.QUEUED, end) else JobState.RUNNING)
    assert advance(job, end)
    assert later
    states = job.steps.order_by("ordinal").values_list("state", flat=True)
    assert list(states) == [StepState.DONE, *[StepState.SKIPPED] * len(later)]


def test_an_end_frees_the_guest_and_its_document_has_a_new_number(job: Job) -> None:
    before = Guest.objects.get(pk=job.guest_id).version
    put(job, JobState.RUNNING)
    advance(job, JobState.FAILED)
    guest = Guest.objects.get(pk=job.guest_id)
    assert (guest.unfinished_jobs, guest.version) == ([], before + 1)


@pytest.mark.parametrize(
    ("state", "level"), [("running", "info"), ("unknown", "warning"), ("failed", "error"), ("cancelled", "warning")]
)
def test_the_log_tells_how_bad_a_change_is(job: Job, state: str, level: str) -> None:
    put(job, JobState.RUNNING if state != "running" else JobState.QUEUED)
    advance(job, JobState(state))
    assert job.events.get().level == level


def test_nothing_is_told_before_the_transaction_is_through(committed_job: Job, messages: list[Any]) -> None:
    with transaction.atomic():
        advance(committed_job, JobState.RUNNING)
        assert messages == []
    topics = [topic for topic, _ in messages]
    job, guest = f"job:{committed_job.pk}", f"guest:{committed_job.guest_id}"
    assert topics == [job, "jobs", job, "guests", guest], "the line, the job, its guest"


def test_nothing_is_told_of_what_was_rolled_back(committed_job: Job, messages: list[Any]) -> None:
    with transaction.atomic():
        advance(committed_job, JobState.RUNNING)
        transaction.set_rollback(True)
    assert messages == []


@pytest.mark.parametrize("state", sorted(UNFINISHED))
def test_the_database_refuses_a_second_unfinished_job_on_a_guest(job: Job, cast: Any, state: str) -> None:
    with pytest.raises(IntegrityError):
        make_job(cast.web, state=state)


def test_a_guest_may_have_any_number_of_finished_jobs(job: Job, cast: Any) -> None:
    for state in sorted(FINISHED):
        make_job(cast.web, state=state, finished_at=timezone.now())
    assert cast.web.jobs.count() == 4


@pytest.mark.parametrize("state", JobState)
def test_the_database_refuses_an_end_without_a_time_and_a_time_without_an_end(job: Job, state: JobState) -> None:
    wrong = None if state in FINISHED else timezone.now()
    with pytest.raises(IntegrityError):
        Job.objects.filter(pk=job.pk).update(state=state, finished_at=wrong)


def test_the_database_refuses_a_state_that_nobody_knows(job: Job) -> None:
    with pytest.raises(IntegrityError):
        Job.objects.filter(pk=job.pk).update(state="paused")
