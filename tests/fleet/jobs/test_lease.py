"""Which worker owns a running job; the same tests pass on SQLite and PostgreSQL."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.db import Error, OperationalError
from django.db.models.functions import Now
from django.utils import timezone

from fleet.jobs import lease, lifecycle
from fleet.jobs.progress import LeaseLost, Reporter
from fleet.models import Job
from fleet.states import JobState
from tests.conftest import race, wait_until


def take(job: Job, owner: str = "a worker") -> lease.Lease:
    held = lease.take(job.pk, owner=owner)
    assert held is not None
    return held


def expire(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_expires_at=lease.from_now(-0.01))


def test_of_racing_workers_exactly_one_gets_the_job(committed_job: Job) -> None:
    results = race(*(lambda n=n: lease.take(committed_job.pk, owner=f"worker {n}") for n in range(8)))
    winners = [result for result in results if result is not None]
    assert [type(winner) for winner in winners] == [lease.Lease]
    committed_job.refresh_from_db()
    assert (committed_job.lease_owner, committed_job.lease_number) == (winners[0].owner, 1)


def test_threads_of_one_worker_do_not_share_a_job_either(committed_job: Job) -> None:
    results = race(*(lambda: lease.take(committed_job.pk) for _ in range(6)))
    assert sum(result is not None for result in results) == 1


def test_of_racing_heirs_exactly_one_takes_a_dead_workers_job_over(committed_job: Job) -> None:
    dead = take(committed_job)
    expire(committed_job)
    results = race(*(lambda n=n: lease.take(committed_job.pk, owner=f"heir {n}") for n in range(6)))
    winners = [result for result in results if result is not None]
    assert [winner.number for winner in winners] == [dead.number + 1]


def test_a_held_job_is_not_for_others(job: Job) -> None:
    take(job)
    assert lease.take(job.pk, owner="another") is None


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_a_finished_job_is_nobodys(job: Job, state: str) -> None:
    Job.objects.filter(pk=job.pk).update(state=state, finished_at=Now())
    assert lease.take(job.pk) is None


def test_a_job_that_is_gone_is_no_error(cast: object) -> None:
    assert lease.take("00000000-0000-4000-8000-000000000000") is None


def test_the_fenced_worker_can_change_nothing_any_more(job: Job) -> None:
    old = take(job)
    Job.objects.filter(pk=job.pk).update(state=JobState.RUNNING)
    pen = Reporter(old)
    expire(job)
    new = take(job, owner="an heir")
    before = Job.objects.values().get(pk=job.pk)

    for change in (
        pen.report,
        lambda: pen.report({"percent": 50}),
        lambda: pen.start("memory"),
        lambda: pen.say("x", "x"),
    ):
        with pytest.raises(LeaseLost):
            change()
    assert not lifecycle.advance(job.pk, JobState.FAILED, lease=old, code="x", message="x")
    lease.release(old, again_in_s=0)

    assert Job.objects.values().get(pk=job.pk) == before
    assert job.events.count() == 0
    assert set(job.steps.values_list("state", flat=True)) == {"waiting"}
    assert lifecycle.advance(job.pk, JobState.SUCCEEDED, lease=new, code="x", message="x")


def test_an_expired_lease_that_nobody_took_still_holds(job: Job) -> None:
    held = take(job)
    expire(job)
    Reporter(held).report({"percent": 1})
    assert lease.take(job.pk, owner="another") is None, "the report renewed it"


def test_a_released_job_rests_and_is_then_offered_again(job: Job) -> None:
    held = take(job)
    lease.release(held, again_in_s=60)
    assert lease.take(job.pk) is None
    lease.release(held, again_in_s=-0.01)
    assert Job.objects.filter(lease.free()).get() == job
    assert take(job).number == 2


def test_the_databases_clock_decides_and_not_the_workers(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    take(job)
    wrong = timezone.now() + timedelta(days=1)
    monkeypatch.setattr(timezone, "now", lambda: wrong)
    assert lease.take(job.pk, owner="a worker with tomorrow's clock") is None
    expire(job)
    monkeypatch.setattr(timezone, "now", lambda: wrong - timedelta(days=2))
    assert lease.take(job.pk, owner="a worker with yesterday's clock") is not None


def test_a_lease_of_less_than_a_second_ends_in_time(committed_job: Job, settings: LazySettings) -> None:
    settings.LEASE_S = 0.9
    take(committed_job)
    assert lease.take(committed_job.pk) is None
    wait_until(lambda: lease.take(committed_job.pk), 5, "the lease has ended")


def test_the_keeper_renews_until_the_work_is_done(committed_job: Job, settings: LazySettings) -> None:
    settings.LEASE_S = 0.4
    held = take(committed_job)
    until = Job.objects.get(pk=committed_job.pk).lease_expires_at
    with lease.kept(held):
        wait_until(
            lambda: Job.objects.get(pk=committed_job.pk).lease_expires_at > until + timedelta(seconds=0.6),
            10,
            "the lease was renewed beyond its first span",
        )
        assert not held.lost.is_set()
    wait_until(lambda: lease.take(committed_job.pk, owner="next"), 5, "nobody renews it any more")


def test_the_keeper_tells_that_the_lease_is_lost(committed_job: Job, settings: LazySettings) -> None:
    settings.LEASE_S = 0.2
    held = take(committed_job)
    with lease.kept(held):
        Job.objects.filter(pk=committed_job.pk).update(lease_owner="an heir", lease_number=held.number + 1)
        assert held.lost.wait(5)


@pytest.mark.parametrize("trouble", [OperationalError, Error])
def test_the_keeper_outlives_a_database_outage(
    committed_job: Job,
    settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    trouble: type[Error],
) -> None:
    settings.LEASE_S = 0.2
    held = take(committed_job)
    rows = lease.Lease.rows

    def fail(self: lease.Lease) -> None:
        raise trouble("the server closed the connection")

    with caplog.at_level(logging.WARNING), lease.kept(held):
        monkeypatch.setattr(lease.Lease, "rows", fail)
        assert held.lost.wait(5), "an outage longer than the lease means that it cannot be proven"
        monkeypatch.setattr(lease.Lease, "rows", rows)
        wait_until(lambda: not held.lost.is_set(), 5, "nobody took the job, and the number proves it")
    assert "lease not renewed" in caplog.text
