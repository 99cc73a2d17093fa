"""Where a guest is, as a table."""

from __future__ import annotations

import pytest

from fleet.inventory.whereabouts import Place, Seen, place
from fleet.states import GuestState


def on(host: str, state: str, reason: str = "", *, reachable: bool = True, persistent: bool = True) -> Seen:
    return Seen(host=host, state=state, reason=reason, reachable=reachable, persistent=persistent)


TABLE = [
    ("runs at its only host", [on("alpha", "running")], "alpha", "alpha", "running"),
    ("is found by the first host that knows it", [on("alpha", "shutoff")], None, "alpha", "shutoff"),
    (
        "stays at the source while the incoming copy waits",
        [on("alpha", "running"), on("beta", "paused", "migration")],
        "alpha",
        "alpha",
        "running",
    ),
    (
        "stays at an operator-paused source while the incoming copy waits",
        [on("alpha", "paused", "user"), on("beta", "paused", "migration")],
        "alpha",
        "alpha",
        "paused",
    ),
    (
        "stays where it was while both sides are paused for the hand-over",
        [on("alpha", "paused", "migration"), on("beta", "paused", "migration")],
        "alpha",
        "alpha",
        "paused",
    ),
    (
        "is at the destination once that runs",
        [on("alpha", "paused", "migration"), on("beta", "running")],
        "alpha",
        "beta",
        "running",
    ),
    (
        "is at the destination of a post-copy migration",
        [on("alpha", "paused", "postcopy"), on("beta", "running", "postcopy")],
        "alpha",
        "beta",
        "running",
    ),
    (
        "is at the destination when only a definition was left behind",
        [on("alpha", "shutoff", "migrated"), on("beta", "running", persistent=False)],
        "alpha",
        "beta",
        "running",
    ),
    (
        "is not taken by a leftover definition",
        [on("alpha", "running"), on("beta", "shutoff")],
        "beta",
        "alpha",
        "running",
    ),
    (
        "is still at a silent source when only a waiting copy answers",
        [on("alpha", "running", reachable=False), on("beta", "paused", "migration")],
        "alpha",
        "alpha",
        "running",
    ),
    (
        "is still at a silent source when only a definition answers",
        [on("alpha", "running", reachable=False), on("beta", "shutoff")],
        "alpha",
        "alpha",
        "running",
    ),
    (
        "is where it answers when the source fell silent after the hand-over",
        [on("alpha", "running", reachable=False), on("beta", "running")],
        "alpha",
        "beta",
        "running",
    ),
    (
        "is at the incoming copy when the source has no process any more",
        [on("alpha", "shutoff", "migrated"), on("beta", "paused", "migration")],
        "alpha",
        "beta",
        "paused",
    ),
    (
        "keeps its host among equal definitions",
        [on("alpha", "shutoff"), on("beta", "shutoff")],
        "beta",
        "beta",
        "shutoff",
    ),
    (
        "prefers the crash to a definition elsewhere",
        [on("alpha", "crashed"), on("beta", "shutoff")],
        None,
        "alpha",
        "crashed",
    ),
]


@pytest.mark.parametrize(("title", "seen", "current", "host", "state"), TABLE, ids=[row[0] for row in TABLE])
@pytest.mark.parametrize("turned", [False, True])
def test_a_guest(title: str, seen: list[Seen], current: str | None, host: str, state: str, turned: bool) -> None:
    found = place(seen[::-1] if turned else seen, current=current, job_open=False)
    assert (found.host, found.state) == (host, GuestState(state))
    assert not found.doubled


def test_two_running_copies_on_hosts_that_answer_are_named() -> None:
    found = place([on("beta", "running"), on("alpha", "running")], current="beta", job_open=True)
    assert found == Place(host="beta", state=GuestState.RUNNING, running_on=("alpha", "beta"))
    assert found.doubled


def test_a_guest_nobody_knows_is_nowhere() -> None:
    assert place([], current="alpha", job_open=False) == Place(host=None, state=GuestState.UNKNOWN)


def test_a_guest_between_two_lists_keeps_its_host_while_its_job_is_open() -> None:
    assert place([], current="alpha", job_open=True) == Place(host="alpha", state=GuestState.UNKNOWN)
