"""Several guests asked for together: one parent that follows its children and is cancelled with them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from fleet.jobs import commands, runners
from fleet.models import AuditEvent, Host, Job
from fleet.refusals import Refused
from fleet.states import JobState, Role
from migrations_app.flows.bulk import Item, Together, submit_together
from migrations_app.flows.submit import Wish
from tests.cast import Cast, principal
from tests.conftest import wait_until
from tests.migrations_app.flows.conftest import work

Moving = Callable[..., tuple[Job, threading.Thread]]


@pytest.fixture(autouse=True)
def _quiet(messages: list[Any], rung: list[Any]) -> None:
    """Nobody listens, and no worker hears the bell."""


def both(cast: Cast, **more: Any) -> Together:
    items = [Item(guest=guest, wish=Wish(destination=cast.beta)) for guest in (cast.web, cast.db)]
    return submit_together(principal=principal(Role.OPERATOR), items=items, **more)


def reloaded(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def run_to_its_end(cast: Cast, job: Job, end: str = "succeed") -> None:
    assert job.guest is not None
    cast.fleet.hold_migrations()
    thread = work(job)
    move = cast.fleet.wait_for_migration(str(job.guest.uuid))
    wait_until(lambda: reloaded(job).state == JobState.RUNNING, 10, "it runs")
    getattr(move, end)()
    thread.join(20)


def test_the_parent_runs_with_the_first_and_ends_with_the_last(committed_cast: Cast) -> None:
    cast = committed_cast
    done = both(cast)
    assert (done.parent.title, done.parent.state) == ("Move 2 guests from alpha to beta", JobState.QUEUED)
    run_to_its_end(cast, done.jobs[0])
    parent = reloaded(done.parent)
    assert (parent.state, parent.progress) == (
        JobState.RUNNING,
        {"percent": 50.0, "moved": 1, "of": 2, "failed": 0},
    )
    run_to_its_end(cast, done.jobs[1])
    parent = reloaded(done.parent)
    assert (parent.state, parent.result["moved"]) == (JobState.SUCCEEDED, 2)
    assert list(parent.events.values_list("code", flat=True)) == ["submitted", "started", "succeeded"]


def test_the_one_that_stayed_is_named(committed_cast: Cast) -> None:
    cast = committed_cast
    done = both(cast)
    run_to_its_end(cast, done.jobs[0])
    run_to_its_end(cast, done.jobs[1], end="fail")
    parent = reloaded(done.parent)
    assert parent.state == JobState.FAILED
    assert (parent.error or {})["message"] == "1 of 2 moved; not: db."
    assert parent.result["not_moved"][0]["guest"] == "db"


def test_cancelling_the_parent_cancels_what_is_left(committed_cast: Cast) -> None:
    cast = committed_cast
    done = both(cast)
    run_to_its_end(cast, done.jobs[0])
    commands.request(principal=principal(Role.OPERATOR), job=reloaded(done.parent), kind="cancel")
    assert reloaded(done.jobs[1]).state == JobState.CANCELLED
    parent = reloaded(done.parent)
    assert (parent.state, (parent.error or {})["message"]) == (JobState.CANCELLED, "1 of 2 moved; not: db.")


def test_one_refusal_leaves_nothing_behind(committed_cast: Cast) -> None:
    cast = committed_cast
    items = [
        Item(guest=cast.web, wish=Wish(destination=cast.beta)),
        Item(guest=cast.db, wish=Wish(destination=cast.alpha)),
    ]
    with pytest.raises(Refused) as caught:
        submit_together(principal=principal(Role.OPERATOR), items=items)
    assert caught.value.field == "items/1/destination"
    assert not Job.objects.exists()
    assert not AuditEvent.objects.exists()


def test_the_same_key_gives_the_same_parent_and_another_wish_is_refused(committed_cast: Cast) -> None:
    cast = committed_cast
    first = both(cast, idempotency_key="batch")
    again = both(cast, idempotency_key="batch")
    assert (again.replayed, again.parent) == (True, first.parent)
    assert again.jobs == first.jobs
    item = Item(guest=cast.web, wish=Wish(destination=cast.beta))
    with pytest.raises(Refused) as caught:
        submit_together(principal=principal(Role.OPERATOR), items=[item], idempotency_key="batch")
    assert caught.value.code == "idempotency_key_reused"


def test_the_sweep_mends_a_parent_whose_childs_end_was_not_followed(
    committed_cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = committed_cast
    done = both(cast)
    with monkeypatch.context() as patched:
        patched.setattr("fleet.jobs.endings._paths", {})
        run_to_its_end(cast, done.jobs[0])
        run_to_its_end(cast, done.jobs[1])
    assert reloaded(done.parent).state == JobState.RUNNING
    runners.run(done.parent.pk)
    assert reloaded(done.parent).state == JobState.SUCCEEDED


def test_moves_together_wait_in_the_order_of_the_items(committed_cast: Cast) -> None:
    cast = committed_cast
    Host.objects.filter(pk=cast.beta.pk).update(max_moves_in=0)
    done = both(cast)
    runners.run(done.jobs[1].pk)
    assert [(reloaded(job).waiting or {}).get("place") for job in done.jobs] == [1, 2]
