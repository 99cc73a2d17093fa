"""The doorbell: losing a message, repeating one or having no Redis at all harms nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from fleet import tasks
from fleet.jobs import lease, runners
from fleet.models import Job
from fleet.states import JobState
from tests.cast import Cast
from tests.conftest import Redis
from tests.fleet.jobs.conftest import make_job

#: A failed connection takes a millisecond; kombu's own retries would take six seconds and more.
AT_ONCE_S = 2.5


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Sweep, and say whose bell was rung."""

    def sweep() -> list[str]:
        heard: list[str] = []
        monkeypatch.setattr(tasks.run_job, "apply_async", lambda args, **more: heard.append(args[0]))
        tasks.sweep_now()
        return heard

    return sweep


def stored(job: Job, **fields: Any) -> str:
    Job.objects.filter(pk=job.pk).update(**fields)
    return str(job.pk)


def test_without_redis_a_job_is_stored_and_the_request_does_not_wait(
    committed_cast: Cast, redis_server: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    redis_server.kill()
    job = make_job(committed_cast.web)
    began = time.monotonic()
    with caplog.at_level(logging.WARNING), transaction.atomic():
        tasks.ring(job.pk)
    assert time.monotonic() - began < AT_ONCE_S
    assert "no worker could be told" in caplog.text


def test_a_dead_socket_fails_a_message_at_once(redis_server: Redis) -> None:
    redis_server.kill()
    began = time.monotonic()
    with pytest.raises(OperationalError):
        tasks.run_job.delay("x")
    assert time.monotonic() - began < AT_ONCE_S


def test_with_redis_the_message_lies_there_for_a_worker(redis: str) -> None:
    tasks.run_job.delay("7e1b0d0e-0000-4000-8000-000000000000")
    with tasks.run_job.app.connection_for_read() as line:
        message = line.SimpleQueue("celery").get(timeout=5)
        message.ack()
    assert message.headers["task"] == "fleet.tasks.run_job"


def test_nothing_is_rung_for_a_job_that_was_rolled_back(job: Job, rung: list[Any]) -> None:
    with transaction.atomic():
        tasks.ring(job.pk)
        transaction.set_rollback(True)
    assert rung == []


def test_the_sweep_rings_for_lost_and_orphaned_jobs_only(cast: Cast, messages: Any, swept: Any) -> None:
    old = timezone.now() - timedelta(seconds=60)
    guests = [cast.web, cast.db, *(None for _ in range(5))]
    lost, orphan, fresh, held, resting, unknown, over = (
        Job.objects.create(kind="migration", guest=guest, subject_name="x", title="x") for guest in guests
    )
    expected = [
        stored(lost, created_at=old),
        stored(orphan, created_at=old, state=JobState.RUNNING, lease_owner="dead", lease_expires_at=lease.from_now(-1)),
        stored(unknown, created_at=old, state=JobState.UNKNOWN, lease_expires_at=lease.from_now(-1)),
    ]
    stored(fresh)
    stored(held, created_at=old, state=JobState.RUNNING, lease_owner="alive", lease_expires_at=lease.from_now(9))
    stored(resting, created_at=old, state=JobState.UNKNOWN, lease_expires_at=lease.from_now(9))
    stored(over, created_at=old, state=JobState.FAILED, finished_at=old)
    assert sorted(swept()) == sorted(expected)


def test_swept_messages_expire_before_they_pile_up(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(job, created_at=timezone.now() - timedelta(seconds=60))
    options: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.run_job, "apply_async", lambda args, **more: options.append(more))
    tasks.sweep_now()
    assert options == [{"expires": 5}]


def test_sweeps_that_piled_up_are_one_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[int] = []
    monkeypatch.setattr(tasks, "_last_sweep_s", float("-inf"))
    monkeypatch.setattr(tasks, "sweep_now", lambda: swept.append(1))
    for _ in range(5):
        tasks.sweep()
    assert swept == [1]


def test_a_worker_whose_clock_is_ahead_by_hours_still_sweeps(settings: Any) -> None:
    apart = [entry["options"]["expires"] for entry in settings.CELERY_BEAT_SCHEDULE.values()]
    assert min(apart) >= 86_400


def test_a_repeated_message_runs_the_job_once(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[Any] = []

    def runner(job_id: Any) -> None:
        if lease.take(job_id) is not None:
            began.append(job_id)

    monkeypatch.setattr("tests.fleet.jobs.test_tasks.a_runner", runner)
    monkeypatch.setitem(runners._paths, "migration", "tests.fleet.jobs.test_tasks.a_runner")
    tasks.run_job(str(job.pk))
    tasks.run_job(str(job.pk))
    assert began == [job.pk]


def a_runner(job_id: Any) -> None:
    """Stands in for a kind's runner; tests replace it."""


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_a_message_for_a_finished_job_does_nothing(job: Job, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    stored(job, state=state, finished_at=timezone.now())
    monkeypatch.setitem(runners._paths, "migration", "no.such.module")
    tasks.run_job(str(job.pk))


def test_a_message_for_a_job_that_is_gone_does_nothing(db: None) -> None:
    tasks.run_job("7e1b0d0e-0000-4000-8000-000000000000")
