"""Wishes that change a running job: what they carry, when they work, and that the newest one counts."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.documents import job_document
from fleet.jobs import commands, lifecycle
from fleet.models import Job, JobCommand
from fleet.refusals import Forbidden, NotNow, Refused
from fleet.states import JobState, Role
from tests.cast import principal

ALL = ["bandwidth", "downtime", "pause", "post-copy", "cancel"]


@pytest.fixture
def running(job: Job) -> Job:
    """A job whose worker says that everything can be asked of it."""
    lifecycle.advance(job.pk, JobState.RUNNING, code="started", message="started")
    return steered(job, can=ALL)


def steered(job: Job, *, can: list[str], **why_not: str) -> Job:
    reasons = {name.replace("_", "-"): reason for name, reason in why_not.items()}
    Job.objects.filter(pk=job.pk).update(progress={"steering": {"can": can, "why_not": reasons}})
    job.refresh_from_db()
    return job


def wish(job: Job, kind: str, role: Role = Role.OPERATOR, **arguments: Any) -> JobCommand | None:
    return commands.request(principal=principal(role), job=job, kind=kind, arguments=arguments)


def test_the_newest_wish_of_a_kind_replaces_the_waiting_one(running: Job) -> None:
    first, second = wish(running, "bandwidth", mib_s=10), wish(running, "bandwidth", mib_s=20)
    assert first is not None
    first.refresh_from_db()
    assert first.outcome == "replaced by a newer wish"
    assert JobCommand.objects.get(handled_at__isnull=True) == second
    assert second is not None
    assert second.arguments == {"mib_s": 20}


def test_the_same_wish_twice_is_one(running: Job) -> None:
    assert wish(running, "downtime", ms=500) == wish(running, "downtime", ms=500)


@pytest.mark.parametrize(
    ("kind", "arguments", "field"),
    [
        ("bandwidth", {}, "mib_s"),
        ("bandwidth", {"mib_s": -1}, "mib_s"),
        ("bandwidth", {"mib_s": True}, "mib_s"),
        ("downtime", {"ms": 0}, "ms"),
        ("downtime", {"ms": "fast"}, "ms"),
        ("downtime", {"ms": 5, "mib_s": 3}, "mib_s"),
        ("pause", {"ms": 5}, "ms"),
    ],
)
def test_a_wrong_number_is_refused_by_its_name(running: Job, kind: str, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        wish(running, kind, **arguments)
    assert refused.value.field == field
    assert not JobCommand.objects.exists()


def test_what_cannot_work_now_is_refused_with_the_workers_reason(running: Job) -> None:
    steered(running, can=[], cancel="the guest runs at the destination already", post_copy="disks are being copied")
    with pytest.raises(NotNow, match="runs at the destination already"):
        wish(running, "cancel")
    with pytest.raises(NotNow, match="disks are being copied"):
        wish(running, "post-copy")
    assert job_document(running)["permitted_actions"] == []


def test_nothing_but_cancel_can_be_asked_before_anything_moves(job: Job) -> None:
    lifecycle.advance(job.pk, JobState.RUNNING, code="started", message="started")
    job.refresh_from_db()
    assert job_document(job)["permitted_actions"] == ["cancel"]
    with pytest.raises(NotNow, match="nothing is being moved yet"):
        wish(job, "pause")


def test_a_viewer_steers_nothing(running: Job) -> None:
    for kind, arguments in (("bandwidth", {"mib_s": 1}), ("downtime", {"ms": 1}), ("pause", {}), ("post-copy", {})):
        with pytest.raises(Forbidden, match="needs the role operator"):
            wish(running, kind, role=Role.VIEWER, **arguments)
