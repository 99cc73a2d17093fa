"""The live socket over a real web server and a real Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection

from fleet.access import tokens
from fleet.inventory import collect
from fleet.jobs import commands, consumers, lifecycle, live, snapshots
from fleet.models import Grant, Guest, Host, Job
from fleet.states import JobState, Role
from migrations_app.flows.run import run
from migrations_app.flows.submit import submit
from tests.cast import Cast, hear, principal
from tests.conftest import Redis, wait_until
from tests.fleet.jobs.conftest import make_job
from tests.fleet.jobs.sockets import Page, cookie_of, web

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    with web() as running:
        yield running


@pytest.fixture
def page(place: str, redis: str, committed_cast: Cast) -> Iterator[Open]:
    """Opens pages as a person with a role; all are closed at the end."""
    opened: list[Page] = []

    def open_page(topics: str, user: User | None = None, **how: Any) -> Page:
        user = user or principal(Role.VIEWER).user
        assert user is not None
        opened.append(Page(place, topics, **({"cookie": cookie_of(user)} | how)))
        return opened[-1]

    yield open_page
    for one in opened:
        one.close()
    live.flush()


def work(job: Job) -> threading.Thread:
    def go() -> None:
        try:
            run(job.pk)
        finally:
            connection.close()

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    return thread


def truth(topic: str, person: Any) -> dict[str, dict[str, Any]]:
    return {document["id"]: document for document in snapshots.snapshot(topic, person)["documents"]}


def until_true(page: Page, topic: str, person: Any) -> None:
    """Wait until the page shows what a fresh snapshot would, and fail with the difference."""
    deadline = time.monotonic() + 5
    while page.documents[topic] != truth(topic, person) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert page.documents[topic] == truth(topic, person)


# -- who may listen ---------------------------------------------------------------------------------------------------


def test_nobody_hears_nothing(page: Open) -> None:
    assert page("jobs", cookie="").until_closed() == consumers.SIGN_IN


@pytest.mark.parametrize("bearer", ["", "drv_nonsense.nonsense"])
def test_a_wrong_token_hears_nothing(page: Open, bearer: str) -> None:
    assert page("jobs", cookie="", bearer=bearer).until_closed() == consumers.SIGN_IN


def test_a_person_without_any_role_hears_of_nothing(page: Open, committed_cast: Cast) -> None:
    stranger = page("hosts,guests,jobs", User.objects.create(username="stranger"))
    wait_until(lambda: len(stranger.messages) == 3, 10, "three snapshots")
    assert [message["documents"] for message in stranger.messages] == [[], [], []]


def test_a_page_of_another_site_is_turned_away(page: Open, place: str) -> None:
    assert page("jobs", origin="https://evil.example").until_closed() == consumers.FOREIGN_ORIGIN
    page("jobs", origin=f"http://{place}").until_heard("snapshot")


def test_a_trusted_origin_is_let_in(page: Open, settings: Any) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://drover.example"]
    page("jobs", origin="https://drover.example").until_heard("snapshot")


@pytest.mark.parametrize("topics", ["", "coffee", "host:1", "job:", ",,,", "jobs:jobs"])
def test_a_socket_without_any_known_topic_is_closed(page: Open, topics: str) -> None:
    assert page(topics).until_closed() == consumers.BAD_TOPIC


def test_too_many_topics_are_refused(page: Open, committed_cast: Cast) -> None:
    topics = ",".join(f"host:00000000-0000-4000-8000-{number:012}" for number in range(consumers.MAX_TOPICS + 1))
    assert page(topics).until_closed() == consumers.BAD_TOPIC


def test_an_unknown_topic_among_known_ones_is_refused_by_name(page: Open) -> None:
    mixed = page("coffee,jobs")
    mixed.until_heard("refused", "snapshot")
    assert mixed.messages[0]["topic"] == "coffee"


def test_a_thing_that_is_not_there_and_one_of_others_look_the_same(page: Open, committed_cast: Cast) -> None:
    person = principal(Role.VIEWER, name="north", site=committed_cast.north).user
    hidden = committed_cast.gamma.pk
    missing = "00000000-0000-4000-8000-000000000000"
    both = page(f"host:{hidden},host:{missing}", person)
    wait_until(lambda: len(both.messages) == 2, 10, "two answers")
    assert [{**message, "topic": ""} for message in both.messages] == 2 * [
        {"type": "refused", "topic": "", "code": "not_found", "message": "There is no such thing."}
    ]


def test_what_was_refused_sends_nothing_later_either(page: Open, committed_cast: Cast) -> None:
    person = principal(Role.VIEWER, name="north", site=committed_cast.north).user
    job = make_job(Guest.objects.create(uuid="0" * 31 + "1", name="theirs", host=committed_cast.gamma))
    mine = page(f"job:{job.pk},jobs", person)
    mine.until_heard("refused", "snapshot")
    lifecycle.advance(job.pk, JobState.RUNNING, code="started", message="secret words")
    own = make_job(committed_cast.web)
    lifecycle.advance(own.pk, JobState.RUNNING, code="started", message="x")
    wait_until(lambda: str(own.pk) in mine.documents["jobs"], 10, "their own job is told")
    assert "secret words" not in str(mine.messages)
    assert str(job.pk) not in mine.documents["jobs"]


def test_a_program_listens_with_its_token(page: Open, committed_cast: Cast) -> None:
    person = principal(Role.OPERATOR).user
    assert person is not None
    _, secret = tokens.make(user=person, role=Role.VIEWER)
    program = page("hosts", cookie="", bearer=secret)
    program.until_heard("snapshot")
    assert len(program.documents["hosts"]) == 3


# -- until when -------------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "RECHECK_S", 0.1)
    monkeypatch.setattr(consumers, "HEARTBEAT_S", 0.2)


def test_a_silent_page_hears_a_heartbeat(page: Open, quick: None) -> None:
    page("jobs").until_heard("snapshot", "heartbeat")


@pytest.mark.parametrize(
    "withdraw",
    [
        lambda user: Grant.objects.filter(user=user).delete(),
        lambda user: Grant.objects.filter(user=user).update(role=Role.ADMIN),
        lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
        lambda user: User.objects.filter(pk=user.pk).delete(),
        lambda user: Session.objects.all().delete(),
        lambda user: User.objects.filter(pk=user.pk).update(password="md5$salt$other"),
    ],
    ids=["grant gone", "role changed", "switched off", "deleted", "signed out", "new password"],
)
def test_a_withdrawn_permission_closes_the_open_page(page: Open, quick: None, withdraw: Callable[[User], None]) -> None:
    user = principal(Role.VIEWER, name="somebody").user
    assert user is not None
    open_page = page("jobs", user)
    open_page.until_heard("snapshot")
    withdraw(user)
    assert open_page.until_closed() == consumers.SIGN_IN


def test_a_check_that_cannot_be_made_closes_the_page_so_that_it_comes_back(
    page: Open, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_page = page("jobs")
    open_page.until_heard("snapshot")

    def fail(scope: Any, **more: Any) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(consumers, "principal_of", fail)
    assert open_page.until_closed() == consumers.TRY_AGAIN


# -- what is told -----------------------------------------------------------------------------------------------------


def test_through_a_whole_migration_the_page_shows_what_a_fresh_snapshot_would(
    page: Open, committed_cast: Cast, rung: list[Any]
) -> None:
    cast, person = committed_cast, principal(Role.OPERATOR)
    lists = page("jobs,hosts,guests", person.user)
    lists.until_heard("snapshot")
    cast.fleet.hold_migrations()
    job = submit(principal=person, guest=cast.web, destination=cast.beta).job
    assert job is not None
    topics = [f"job:{job.pk}", f"guest:{cast.web.pk}", f"host:{cast.alpha.pk}", f"host:{cast.beta.pk}"]
    details = page(",".join(topics), person.user)

    def all_true() -> None:
        for topic in ("jobs", "hosts", "guests"):
            until_true(lists, topic, person)
        for topic in topics:
            until_true(details, topic, person)

    wait_until(lambda: len(details.messages) >= 4, 10, "four snapshots")
    all_true()
    assert truth("guests", person)[str(cast.web.pk)]["current_job"] is not None
    thread = work(job)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    for iteration, remaining in ((1, 156), (2, 40), (3, 4)):
        move.copy_memory(done_bytes=(256 - remaining) << 20, remaining_bytes=remaining << 20, iteration=iteration)
        wait_until(lambda n=iteration: Job.objects.get(pk=job.pk).progress.get("iteration") == n, 10, "it is told")
    move.succeed()
    thread.join(20)
    all_true()

    shown = details.documents[f"job:{job.pk}"][str(job.pk)]
    assert shown["state"] == "succeeded"
    assert lists.documents["guests"][str(cast.web.pk)]["host"]["name"] == "beta"
    assert [lists.documents["hosts"][str(host.pk)]["guests_count"] for host in (cast.alpha, cast.beta)] == [1, 1]
    stored = {event.seq: event.code for event in job.events.all()}
    assert {seq: line["code"] for seq, line in details.lines[str(job.pk)].items()} == stored
    for host in (cast.alpha, cast.beta, cast.gamma):
        collect.announce(hear(host, cast.fleet.hosts[host.name]))
    all_true()


@pytest.mark.parametrize("ending", ["fail", "cancel"])
def test_the_page_shows_the_truth_after_other_endings_too(
    page: Open, committed_cast: Cast, rung: list[Any], ending: str
) -> None:
    cast, person = committed_cast, principal(Role.OPERATOR)
    lists = page("jobs,hosts,guests", person.user)
    cast.fleet.hold_migrations()
    job = submit(principal=person, guest=cast.db, destination=cast.beta).job
    assert job is not None
    thread = work(job)
    move = cast.fleet.wait_for_migration(str(cast.db.uuid))
    if ending == "fail":
        move.fail()
    else:
        commands.request(principal=person, job=job, kind="cancel")
    thread.join(20)
    for topic in ("jobs", "hosts", "guests"):
        until_true(lists, topic, person)
    assert lists.documents["jobs"][str(job.pk)]["state"] == {"fail": "failed", "cancel": "cancelled"}[ending]
    assert lists.documents["guests"][str(cast.db.pk)]["current_job"] is None


def test_the_snapshot_comes_first_however_busy_the_topic_is(page: Open, committed_cast: Cast) -> None:
    done = threading.Event()

    def chatter() -> None:
        number = 0
        while not done.wait(0.002):
            number += 1
            document = {"id": str(committed_cast.alpha.pk), "version": 10_000 + number}
            live.publish("hosts", {"type": "update", "topic": "hosts", "document": document, "sites": []})

    thread = threading.Thread(target=chatter, daemon=True)
    thread.start()
    try:
        for _ in range(3):
            busy = page("hosts")
            busy.until_heard("snapshot", "update")
            assert busy.types()[0] == "snapshot"
            numbers = [message["document"]["version"] for message in busy.messages if message["type"] == "update"]
            assert numbers == sorted(numbers), "messages keep their order"
    finally:
        done.set()
        thread.join(5)


def test_a_page_of_one_site_hears_nothing_of_another_and_sees_a_guest_leave(
    page: Open, committed_cast: Cast, rung: list[Any]
) -> None:
    cast = committed_cast
    north = principal(Role.VIEWER, name="north", site=cast.north)
    south = principal(Role.VIEWER, name="south", site=cast.south)
    here, there = page("jobs,hosts,guests", north.user), page("jobs,hosts,guests", south.user)
    for one in (here, there):
        wait_until(lambda one=one: len(one.messages) == 3, 10, "three snapshots")
    assert set(there.documents["hosts"]) == {str(cast.gamma.pk)}
    assert set(here.documents["hosts"]) == {str(cast.alpha.pk), str(cast.beta.pk)}

    Guest.objects.filter(pk=cast.db.pk).update(host=cast.gamma, version=99)
    live.guest_changed(cast.db.pk)
    Host.objects.update(version=99)
    for host in (cast.alpha, cast.beta, cast.gamma):
        live.host_changed(host.pk)
    for person, one in ((north, here), (south, there)):
        for topic in ("hosts", "guests"):
            until_true(one, topic, person)
    assert set(there.documents["guests"]) == {str(cast.db.pk)}
    assert "gone" in here.types()
    assert str(cast.gamma.pk) not in str(here.messages)
    assert str(cast.alpha.pk) not in str(there.messages)


def test_a_removed_host_leaves_the_page_and_only_pages_that_showed_it_hear_of_it(
    page: Open, committed_cast: Cast
) -> None:
    cast = committed_cast
    north = page("hosts", principal(Role.VIEWER, name="north", site=cast.north).user)
    everyone = page("hosts")
    north.until_heard("snapshot")
    everyone.until_heard("snapshot")
    live.gone("host", cast.gamma.pk)
    everyone.until_heard("gone")
    assert str(cast.gamma.pk) not in everyone.documents["hosts"]
    Host.objects.filter(pk=cast.alpha.pk).update(version=99)
    live.host_changed(cast.alpha.pk)
    north.until_heard("update")
    assert "gone" not in north.types()


def test_actions_are_only_those_the_reader_may_take(page: Open, committed_cast: Cast) -> None:
    reader, operator = page("jobs"), page("jobs", principal(Role.OPERATOR).user)
    reader.until_heard("snapshot")
    operator.until_heard("snapshot")
    job = make_job(committed_cast.web)
    lifecycle.advance(job.pk, JobState.RUNNING, code="started", message="x")
    for one, actions in ((reader, []), (operator, ["cancel"])):
        one.until_heard("update")
        assert one.documents["jobs"][str(job.pk)]["permitted_actions"] == actions


# -- when messages are lost -------------------------------------------------------------------------------------------


def test_what_a_lost_message_left_out_comes_with_the_heartbeat(page: Open, committed_cast: Cast, quick: None) -> None:
    cast, person = committed_cast, principal(Role.VIEWER)
    job = make_job(cast.web)
    topics = ("jobs", "hosts", "guests", f"job:{job.pk}")
    open_page = page(",".join(topics))
    wait_until(lambda: len(open_page.messages) >= 4, 10, "snapshots")
    # All of this is written without a word, as a worker does that dies right after its commit.
    Job.objects.filter(pk=job.pk).update(state="running", seq=7)
    job.events.create(seq=1, code="lost", message="a lost line")
    Host.objects.update(version=50, cpus=99)
    Guest.objects.filter(pk=cast.db.pk).delete()
    for topic in topics:
        until_true(open_page, topic, person)
    wait_until(lambda: open_page.lines.get(str(job.pk)), 5, "the lost line comes too")


def test_redis_may_die_and_come_back_while_a_guest_moves(
    page: Open, committed_cast: Cast, rung: list[Any], redis_server: Redis, quick: None
) -> None:
    cast, person = committed_cast, principal(Role.OPERATOR)
    before = page("jobs,hosts,guests", person.user)
    wait_until(lambda: len(before.messages) >= 3, 10, "snapshots")
    cast.fleet.hold_migrations()
    job = submit(principal=person, guest=cast.web, destination=cast.beta).job
    assert job is not None
    thread = work(job)
    move = cast.fleet.wait_for_migration(str(cast.web.uuid))
    redis_server.kill()
    try:
        move.copy_memory(done_bytes=200 << 20, remaining_bytes=56 << 20)
        wait_until(lambda: Job.objects.get(pk=job.pk).progress.get("iteration") == 1, 5, "the worker goes on")
        move.succeed()
        thread.join(10)
        assert Job.objects.get(pk=job.pk).state == JobState.SUCCEEDED, "no message is needed for the work itself"
        for topic in ("jobs", "hosts", "guests"):
            until_true(before, topic, person)
    finally:
        redis_server.start()
    live.flush(20)
    after = page("jobs,hosts,guests", person.user)
    for topic in ("jobs", "hosts", "guests"):
        wait_until(lambda topic=topic: topic in after.documents, 20, "a new page gets its snapshots")
        until_true(after, topic, person)
    Host.objects.filter(pk=cast.gamma.pk).update(version=77)
    live.host_changed(cast.gamma.pk)
    for one in (before, after):
        wait_until(
            lambda one=one: any(
                message["type"] == "update" and message["document"]["version"] == 77
                for message in list(one.messages)
                if message.get("topic") == "hosts"
            ),
            20,
            "messages flow again, to old pages too",
        )
