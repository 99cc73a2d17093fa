"""What operators may wish of a job, and when."""

from __future__ import annotations

import pytest

from fleet.access.principal import Principal
from fleet.documents import job_document
from fleet.jobs import commands, lease, lifecycle
from fleet.jobs.live import job_sites
from fleet.jobs.snapshots import narrowed
from fleet.models import AuditEvent, Job, JobCommand
from fleet.refusals import Forbidden, NotNow
from fleet.states import JobState, Role
from tests.cast import Cast, principal
from tests.conftest import race
from tests.fleet.jobs.conftest import make_job


def cancel(job: Job, role: Role | None = Role.OPERATOR) -> JobCommand | None:
    return commands.request(principal=principal(role), job=job, kind="cancel")


def start(job: Job) -> None:
    assert lifecycle.advance(job.pk, JobState.RUNNING, code="started", message="started")
    job.refresh_from_db()


def audit(job: Job) -> list[tuple[str, str]]:
    return list(AuditEvent.objects.filter(job=job).values_list("verb", "outcome"))


def test_a_queued_job_is_cancelled_on_the_spot(job: Job) -> None:
    assert cancel(job) is None
    job.refresh_from_db()
    assert (job.state, job.finished_at is None) == (JobState.CANCELLED, False)
    assert job.events.get().message == "operator cancelled the job before it began; nothing was touched"
    assert audit(job) == [("job.cancel", "cancelled")]
    assert lease.take(job.pk) is None, "no worker begins it"


def test_a_running_job_gets_a_wish(job: Job) -> None:
    start(job)
    command = cancel(job)
    assert command is not None
    assert (command.handled_at, command.requested_by.username) == (None, "operator")
    assert [event.code for event in job.events.order_by("seq")] == ["started", "cancel.requested"]
    assert audit(job) == [("job.cancel", "accepted")]
    job.refresh_from_db()
    assert job.state == JobState.RUNNING


def test_asking_twice_is_one_wish(job: Job) -> None:
    start(job)
    assert cancel(job) == cancel(job)
    assert (JobCommand.objects.count(), len(audit(job))) == (1, 1)


def test_asking_at_the_same_moment_is_one_wish(committed_job: Job) -> None:
    start(committed_job)
    person = principal(Role.OPERATOR)
    wishes = race(*(lambda: commands.request(principal=person, job=committed_job, kind="cancel") for _ in range(4)))
    assert {wish.pk for wish in wishes} == {JobCommand.objects.get().pk}


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_a_finished_job_is_left_alone(job: Job, state: str) -> None:
    start(job)
    lifecycle.advance(job.pk, JobState(state), code="end", message="end")
    with pytest.raises(NotNow, match=f"already {state}"):
        cancel(job)
    assert (JobCommand.objects.count(), audit(job)) == (0, [])


def test_a_wish_that_races_with_the_end_is_refused_or_settled_but_never_pending(committed_job: Job) -> None:
    start(committed_job)
    person = principal(Role.OPERATOR)
    race(
        lambda: commands.request(principal=person, job=committed_job, kind="cancel"),
        lambda: lifecycle.advance(committed_job.pk, JobState.SUCCEEDED, code="end", message="end"),
    )
    assert not JobCommand.objects.filter(handled_at__isnull=True).exists()


def test_a_cancel_that_races_with_the_start_ends_in_one_of_the_two(committed_job: Job) -> None:
    person = principal(Role.OPERATOR)
    held = lease.take(committed_job.pk)
    command, began = race(
        lambda: commands.request(principal=person, job=committed_job, kind="cancel"),
        lambda: lifecycle.advance(committed_job.pk, JobState.RUNNING, lease=held, code="started", message="x"),
    )
    committed_job.refresh_from_db()
    assert (committed_job.state, command is None) == ((JobState.RUNNING, False) if began else ("cancelled", True))


@pytest.mark.parametrize("role", [Role.VIEWER, None])
def test_who_is_no_operator_is_told_which_role_it_takes(job: Job, role: Role | None) -> None:
    with pytest.raises(Forbidden, match=r"Cancelling a job .*needs the role operator"):
        cancel(job, role)
    job.refresh_from_db()
    assert job.state == JobState.QUEUED


@pytest.mark.parametrize(("place", "may"), [("north", True), ("south", True), ("east", False)])
def test_an_operator_of_either_end_may_stop_a_job_and_sees_the_button(
    cast: Cast, messages: object, place: str, may: bool
) -> None:
    from fleet.models import Site

    site = Site.objects.get_or_create(slug=place, defaults={"name": place})[0]
    person = principal(Role.OPERATOR, name=place, site=site)
    job = make_job(cast.web, host=cast.gamma)
    shown = narrowed(job_document(job), person, job_sites(job))["permitted_actions"]
    assert shown == (["cancel"] if may else [])
    if may:
        commands.request(principal=person, job=job, kind="cancel")
        job.refresh_from_db()
    else:
        with pytest.raises(Forbidden):
            commands.request(principal=person, job=job, kind="cancel")
    assert (job.state == JobState.CANCELLED) == may


def test_drover_itself_may_cancel(job: Job) -> None:
    commands.request(principal=Principal.system(), job=job, kind="cancel")
    assert job.events.get().message.startswith("Drover cancelled")
