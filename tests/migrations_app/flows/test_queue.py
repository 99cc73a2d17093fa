"""The queue over rows and workers: limits hold whatever happens at once, and the next one begins by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from fleet import tasks
from fleet.hypervisor.facts import GuestEvent
from fleet.hypervisor.fake_migration import FakeMigration
from fleet.jobs import commands
from fleet.models import Guest, Host, Job, Site, SiteLink
from fleet.states import JobState, Role
from migrations_app.flows import admit
from migrations_app.flows.run import run
from migrations_app.flows.submit import submit
from migrations_app.models import Migration
from tests.cast import Cast, principal
from tests.conftest import race, wait_until
from tests.migrations_app.flows.conftest import work

Moving = Callable[..., tuple[Job, threading.Thread]]


def limit(host: Host, **limits: int) -> None:
    Host.objects.filter(pk=host.pk).update(**limits)


def crowd(cast: Cast, size: int) -> list[Guest]:
    """More guests on alpha, all on the shared folder."""
    names = [f"vm{number}" for number in range(size)]
    for name in names:
        cast.fleet.hosts["alpha"].add_guest(name, memory_mib=128, pool="shared")
    cast.sync()
    return list(Guest.objects.filter(name__in=names).order_by("name"))


def asked(guest: Guest, destination: Host, **wish: Any) -> Job:
    job = submit(principal=principal(Role.OPERATOR), guest=guest, destination=destination, **wish).job
    assert job is not None
    return job


def reloaded(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def flowing(move: FakeMigration) -> FakeMigration:
    """Its first bytes are on their way: only then does libvirt heed a new speed."""
    move.copy_memory(done_bytes=1 << 20, remaining_bytes=127 << 20)
    return move


def running(job: Job) -> bool:
    return reloaded(job).state == JobState.RUNNING


def test_a_move_waits_for_a_full_host_says_so_and_begins_when_the_other_ends(
    committed_cast: Cast, moving: Moving, rung: list[Any], messages: list[Any]
) -> None:
    cast = committed_cast
    limit(cast.beta, max_moves_in=1)
    first, thread = moving(cast.web, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    second = asked(cast.db, cast.beta)
    run(second.pk)

    waiting = reloaded(second)
    assert (waiting.state, waiting.lease_owner) == (JobState.QUEUED, "")
    assert waiting.waiting == {"for": "beta takes 1 move at once", "detail": "Moving there now: web.", "place": 1}
    told = [message["document"] for topic, message in messages if topic == f"job:{second.pk}"]
    assert told[-1]["waiting"] == waiting.waiting

    rung.clear()
    move.succeed()
    thread.join(20)
    assert reloaded(first).state == JobState.SUCCEEDED
    wait_until(lambda: str(second.pk) in rung, 5, "the next one is rung")
    assert reloaded(second).waiting is None
    next_one = work(second)
    cast.fleet.wait_for_migration(str(cast.db.uuid)).succeed()
    next_one.join(20)
    assert reloaded(second).state == JobState.SUCCEEDED


def test_two_workers_never_let_in_one_too_many(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    guests = crowd(cast, 6)
    limit(cast.beta, max_moves_in=2)
    jobs = [asked(guest, cast.beta) for guest in guests]

    def go(job: Job) -> bool:
        return admit.begin(job.pk, partial(_start, job))

    let_in = race(*(partial(go, job) for job in jobs))
    assert let_in.count(True) == 2
    assert Job.objects.filter(state=JobState.RUNNING).count() == 2
    assert {job.pk for job in Job.objects.filter(state=JobState.RUNNING)} == {jobs[0].pk, jobs[1].pk}, "in order"


def _start(job: Job) -> bool:
    from fleet.jobs.lifecycle import advance

    return advance(job.pk, JobState.RUNNING, code="started", message="started")


def test_no_limit_is_ever_passed_while_many_workers_run_many_moves(
    committed_cast: Cast, messages: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = committed_cast
    guests = crowd(cast, 8)
    limit(cast.alpha, max_moves_out=3)
    limit(cast.beta, max_moves_in=0)
    threads: list[threading.Thread] = []
    monkeypatch.setattr("fleet.tasks.run_job.delay", lambda key: work(Job(pk=key), threads))
    seen: list[int] = []
    over = threading.Event()

    def count() -> None:
        try:
            while not over.is_set():
                rows = Job.objects.filter(state=JobState.RUNNING).values_list("host__name", flat=True)
                seen.append(list(rows).count("beta"))
        finally:
            connection.close()

    watcher = threading.Thread(target=count, daemon=True)
    watcher.start()
    jobs = [asked(guest, cast.beta) for guest in guests]
    wait_until(lambda: Job.objects.filter(waiting__isnull=False).count() == 8, 20, "all wait")
    limit(cast.beta, max_moves_in=2)
    admit.tidy()
    wait_until(lambda: not Job.objects.unfinished().exists(), 60, "all have moved")
    over.set()
    watcher.join(10)
    for thread in threads:
        thread.join(20)
    assert {reloaded(job).state for job in jobs} == {JobState.SUCCEEDED}
    assert max(seen) <= 2


def test_whoever_waits_can_be_cancelled_and_the_next_moves_up(
    committed_cast: Cast, moving: Moving, rung: list[Any]
) -> None:
    cast = committed_cast
    (third,) = crowd(cast, 1)
    limit(cast.beta, max_moves_in=1)
    _, thread = moving(cast.web, cast.beta)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    second, last = asked(cast.db, cast.beta), asked(third, cast.beta)
    run(second.pk)
    assert (reloaded(last).waiting or {})["place"] == 2
    commands.request(principal=principal(Role.OPERATOR), job=second, kind="cancel")
    assert reloaded(second).state == JobState.CANCELLED
    assert reloaded(second).waiting is None
    assert (reloaded(last).waiting or {})["place"] == 1
    move.succeed()
    thread.join(20)


def test_the_sweep_leaves_waiting_jobs_alone_and_lets_in_those_whose_ring_was_lost(
    committed_cast: Cast, rung: list[Any], messages: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = committed_cast
    heard: list[str] = []
    monkeypatch.setattr(tasks.run_job, "apply_async", lambda args, **more: heard.append(args[0]))
    limit(cast.beta, max_moves_in=0)
    job = asked(cast.web, cast.beta)
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    run(job.pk)
    assert (reloaded(job).waiting or {})["for"] == "beta takes no moves at once"
    rung.clear()
    tasks.sweep_now()
    assert (heard, rung) == ([], [])
    limit(cast.beta, max_moves_in=1)
    tasks.sweep_now()
    assert rung == [str(job.pk)]
    assert reloaded(job).waiting is None


@pytest.mark.parametrize(
    ("arrange", "words"),
    [
        (lambda cast: limit(cast.alpha, max_moves_out=1), "alpha sends 1 move at once"),
        (lambda cast: Site.objects.filter(slug="south").update(max_moves=1), "South has 1 move at once"),
        (
            lambda cast: SiteLink.objects.filter(source=cast.north).update(max_moves=1),
            "the link from North to South carries 1 move at once",
        ),
        (
            lambda cast: SiteLink.objects.filter(source=cast.north).update(bandwidth_mbps=16),
            "room on the link from North to South",
        ),
    ],
)
def test_each_bottleneck_is_named(
    committed_cast: Cast, moving: Moving, arrange: Callable[[Cast], None], words: str
) -> None:
    cast = committed_cast
    (other,) = crowd(cast, 1)
    arrange(cast)
    _, thread = moving(cast.web, cast.gamma, storage="copy")
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    job = asked(other, cast.gamma, storage="copy")
    run(job.pk)
    assert (reloaded(job).waiting or {}).get("for") == words
    move.succeed()
    thread.join(20)


def test_the_second_move_over_a_known_card_gets_ready_at_a_trickle_and_takes_over(
    committed_cast: Cast, moving: Moving
) -> None:
    cast = committed_cast
    (other,) = crowd(cast, 1)
    limit(cast.alpha, migration_bandwidth_mbps=893)  # 100.07 MiB/s of payload
    _, thread = moving(cast.web, cast.beta)
    first = flowing(cast.fleet.wait_for_migration(str(cast.web.uuid)))
    assert first.order.bandwidth_mib_s == 100
    second_job, second_thread = moving(other, cast.beta)
    second = flowing(cast.fleet.wait_for_migration(str(other.uuid)))
    assert second.order.bandwidth_mib_s == 1
    wait_until(lambda: ("bandwidth", 99) in first.commands, 5, "the first makes room")
    first.succeed()
    wait_until(lambda: ("bandwidth", 100) in second.commands, 5, "the second takes over")
    thread.join(20)
    assert Migration.objects.get(pk=second_job.pk).allotted_mib_s == 100
    second.succeed()
    second_thread.join(20)


def test_the_next_takes_over_as_soon_as_the_first_guest_goes_on_at_its_destination(
    committed_cast: Cast, moving: Moving
) -> None:
    cast = committed_cast
    (other,) = crowd(cast, 1)
    limit(cast.alpha, migration_bandwidth_mbps=893)
    first_job, thread = moving(cast.web, cast.beta)
    first = flowing(cast.fleet.wait_for_migration(str(cast.web.uuid)))
    _, second_thread = moving(other, cast.beta)
    second = flowing(cast.fleet.wait_for_migration(str(other.uuid)))
    wait_until(lambda: ("bandwidth", 99) in first.commands, 5, "the first makes room")
    in_post_copy = GuestEvent(kind="lifecycle", uuid=str(cast.web.uuid), detail="resumed", reason="postcopy")
    cast.fleet.hosts["beta"].tell(in_post_copy)
    assert Migration.objects.get(pk=first_job.pk).carried_at is None, "its memory still follows then"
    cast.fleet.hosts["beta"].tell(replace(in_post_copy, reason="migrated"))
    wait_until(lambda: ("bandwidth", 100) in second.commands, 5, "the second takes over")
    assert running(first_job), "though its job has not ended"
    first.succeed()
    second.succeed()
    thread.join(20)
    second_thread.join(20)


def test_a_move_that_sends_nothing_yet_is_raised_when_it_does(committed_cast: Cast, moving: Moving) -> None:
    """Before, libvirt takes the new speed without a word and then begins with the one it was called with."""
    cast = committed_cast
    (other,) = crowd(cast, 1)
    limit(cast.alpha, migration_bandwidth_mbps=893)
    _, thread = moving(cast.web, cast.beta)
    first = flowing(cast.fleet.wait_for_migration(str(cast.web.uuid)))
    second_job, second_thread = moving(other, cast.beta)
    second = cast.fleet.wait_for_migration(str(other.uuid))
    first.succeed()
    thread.join(20)
    wait_until(lambda: Migration.objects.get(pk=second_job.pk).allotted_mib_s == 100, 5, "the link is its own")
    seq = reloaded(second_job).seq
    wait_until(lambda: reloaded(second_job).seq > seq + 2, 5, "its worker has looked again and again")
    assert second.commands == []
    flowing(second)
    wait_until(lambda: ("bandwidth", 100) in second.commands, 5, "it is raised")
    second.succeed()
    second_thread.join(20)


def test_what_an_operators_limit_leaves_goes_to_the_next(committed_cast: Cast, moving: Moving) -> None:
    cast = committed_cast
    (other,) = crowd(cast, 1)
    limit(cast.alpha, migration_bandwidth_mbps=893)
    first_job, thread = moving(cast.web, cast.beta)
    first = flowing(cast.fleet.wait_for_migration(str(cast.web.uuid)))
    _, second_thread = moving(other, cast.beta)
    second = flowing(cast.fleet.wait_for_migration(str(other.uuid)))
    by = principal(Role.OPERATOR)
    commands.request(principal=by, job=reloaded(first_job), kind="bandwidth", arguments={"mib_s": 30})
    wait_until(lambda: ("bandwidth", 70) in second.commands, 5, "the rest goes to the second")
    first.succeed()
    second.succeed()
    thread.join(20)
    second_thread.join(20)


def test_a_wish_for_later_waits_for_its_time(committed_cast: Cast, rung: list[Any], messages: list[Any]) -> None:
    cast = committed_cast
    job = asked(cast.web, cast.beta, not_before=timezone.now() + timedelta(hours=1))
    run(job.pk)
    assert (reloaded(job).waiting or {})["for"].startswith("its time, ")
    Migration.objects.filter(pk=job.pk).update(not_before=timezone.now() - timedelta(seconds=1))
    rung.clear()
    tasks.sweep_now()
    assert rung == [str(job.pk)]


def test_deciding_costs_the_same_for_one_move_and_for_many(
    committed_cast: Cast, rung: list[Any], messages: list[Any], django_assert_max_num_queries: Any
) -> None:
    cast = committed_cast
    limit(cast.beta, max_moves_in=0)
    for guest in crowd(cast, 8):
        asked(guest, cast.beta)
    with django_assert_max_num_queries(12):
        admit.tidy()
    assert Job.objects.filter(waiting__isnull=False).count() == 8
