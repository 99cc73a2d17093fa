"""Jobs of the cast's guests, stored directly: these tests are about jobs and not about what a job does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fleet.jobs.progress import StepPlan, plan_steps
from fleet.models import Guest, Job

MakeJob = Callable[..., Job]

STEPS = [
    StepPlan(name="check", title="Check"),
    StepPlan(name="memory", title="Copy memory"),
    StepPlan(name="verify", title="Verify"),
]


def make_job(guest: Guest, **fields: Any) -> Job:
    """A queued job of a guest, with three steps."""
    job = Job.objects.create(
        kind="migration",
        guest=guest,
        subject_name=guest.name,
        title=f"Move {guest.name}",
        **{"host": guest.host, **fields},
    )
    plan_steps(job, STEPS)
    return job


@pytest.fixture
def job(cast: Any, messages: Any) -> Job:
    """A queued job of web."""
    return make_job(cast.web)


@pytest.fixture
def committed_job(committed_cast: Any, messages: Any) -> Job:
    """The same with real commits, for racing threads."""
    return make_job(committed_cast.web)
