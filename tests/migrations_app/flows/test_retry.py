"""Once more: by hand with the same wish, or by itself on another host while the guest is proven to have stayed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from fleet.hypervisor.errors import NoSpace
from fleet.jobs import retries
from fleet.models import Host, Job
from fleet.refusals import Forbidden, NotNow
from fleet.states import JobState, Role
from migrations_app.models import Migration
from migrations_app.options import Options
from tests.cast import Cast, principal

Moving = Callable[..., tuple[Job, threading.Thread]]


def reloaded(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def failed(cast: Cast, moving: Moving, destination: Any, **wish: Any) -> Job:
    job, thread = moving(cast.db, destination, **wish)
    cast.fleet.wait_for_migration(str(cast.db.uuid)).fail(NoSpace("No space left on device"))
    thread.join(20)
    return reloaded(job)


def test_a_failed_move_is_tried_again_with_the_same_wish(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job = failed(cast, moving, cast.beta, options=Options(bandwidth_mib_s=9))
    assert job.state == JobState.FAILED
    new = retries.again(principal=principal(Role.OPERATOR), job=job)
    assert (new.state, new.retry_of, new.title) == (JobState.QUEUED, job, job.title)
    migration = Migration.objects.get(job=new)
    assert (migration.destination, migration.options["bandwidth_mib_s"]) == (cast.beta, 9)
    assert job.events.order_by("-seq")[0].message == "operator tries again: Move db from alpha to beta"


def test_what_runs_or_has_succeeded_is_not_tried_again(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    with pytest.raises(NotNow):
        retries.again(principal=principal(Role.OPERATOR), job=reloaded(job))
    move.succeed()
    thread.join(20)
    with pytest.raises(NotNow):
        retries.again(principal=principal(Role.OPERATOR), job=reloaded(job))


def test_a_viewer_tries_nothing_again(committed_cast: Cast, moving: Moving) -> None:
    job = failed(committed_cast, moving, committed_cast.beta)
    with pytest.raises(Forbidden):
        retries.again(principal=principal(Role.VIEWER), job=job)


def test_another_host_is_tried_when_that_was_agreed_and_the_guest_stayed(
    committed_cast: Cast, moving: Moving, rung: list[Any]
) -> None:
    cast = committed_cast
    job = failed(cast, moving, None, options=Options(retry_elsewhere=1))
    assert job.error and job.error["guest_is_on"] == "alpha"
    new = Job.objects.get(retry_of=job)
    first, second = Migration.objects.get(job=job), Migration.objects.get(job=new)
    assert first.destination_name == "beta"
    assert second.destination_name == "gamma", "the other one"
    assert str(new.pk) in rung
    assert job.events.order_by("-seq")[0].code == "tried.elsewhere"


@pytest.mark.parametrize(
    ("named", "wish"), [(False, Options()), (True, Options(retry_elsewhere=3))], ids=["not agreed", "host named"]
)
def test_otherwise_nothing_is_tried_elsewhere(committed_cast: Cast, moving: Moving, named: bool, wish: Options) -> None:
    cast = committed_cast
    job = failed(cast, moving, cast.beta if named else None, options=wish)
    assert not Job.objects.filter(retry_of=job).exists()


def test_a_guest_of_which_nobody_can_tell_where_it_is_stays_alone(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    job, thread = moving(cast.db, None, options=Options(retry_elsewhere=3))
    cast.fleet.wait_for_migration(str(cast.db.uuid)).lose_guest()
    thread.join(20)
    assert reloaded(job).state == JobState.FAILED
    assert not Job.objects.filter(retry_of=job).exists()


def test_when_no_other_host_takes_it_the_log_says_so(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    Host.objects.filter(pk=cast.gamma.pk).update(maintenance=True)
    job = failed(cast, moving, None, options=Options(retry_elsewhere=3))
    last = job.events.order_by("-seq")[0]
    assert (last.code, last.level) == ("not.elsewhere", "warning")
    assert last.message.startswith("No other host was tried: ")
