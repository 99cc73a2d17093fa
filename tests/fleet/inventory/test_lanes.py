"""Lanes: errands run when due, one thread each, and one that hangs holds up nobody."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from fleet.inventory import lanes
from fleet.inventory.lanes import Lane


@pytest.fixture
def lane() -> Iterator[Lane]:
    one = Lane("test", width=2, most=8)
    yield one
    one.close()


def until(condition: Callable[[], bool], *, within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.005)


def test_an_errand_runs_again_after_the_pause_it_asks_for(lane: Lane) -> None:
    times: list[float] = []

    def errand() -> float | None:
        times.append(time.monotonic())
        return 0.05 if len(times) < 3 else None

    lane.arm("a", errand)
    until(lambda: len(times) == 3)
    assert all(later - earlier >= 0.05 for earlier, later in itertools.pairwise(times))


def test_errands_that_hang_hold_up_nobody(lane: Lane) -> None:
    release, ran = threading.Event(), threading.Event()

    def hang() -> None:
        release.wait(20)

    for number in range(4):
        lane.arm(("hung", number), hang)
    until(lambda: lane.stuck == 2)
    lane.arm("quick", ran.set)
    deadline = time.monotonic() + 5
    while not ran.is_set() and time.monotonic() < deadline:
        lane.staff()
        time.sleep(0.01)
    assert ran.is_set()
    release.set()
    until(lambda: not lane._busy)
    until(lambda: lane._threads <= lane.width)


def test_a_bell_during_an_errand_makes_it_run_once_more(lane: Lane) -> None:
    runs: list[int] = []
    inside, go_on = threading.Event(), threading.Event()

    def errand() -> float:
        runs.append(1)
        inside.set()
        go_on.wait(5)
        return 60.0

    lane.arm("a", errand)
    inside.wait(5)
    lane.ring("a")
    lane.ring("a")
    go_on.set()
    until(lambda: len(runs) == 2)


def test_a_bell_brings_a_later_errand_forward(lane: Lane) -> None:
    ran = threading.Event()
    lane.arm("idle", lambda: 60.0)
    lane.arm("a", ran.set, in_s=60)
    lane.ring("a")
    assert ran.wait(5)


def test_a_bell_is_heard_in_a_lane_with_more_to_do_than_it_can(lane: Lane) -> None:
    ran, release, order = threading.Event(), threading.Event(), []

    def block() -> None:
        release.wait(5)

    for number in range(lane.most):
        lane.arm(("block", number), block)
    until(lambda: len(lane._busy) == lane.width)

    def note(name: str) -> None:
        order.append(name)
        if len(order) == 21:
            ran.set()

    for number in range(20):
        lane.arm(number, lambda name=f"overdue {number}": note(name))
    lane.arm("late", lambda: note("late"), in_s=60)
    lane.ring("late")
    release.set()
    assert ran.wait(5)
    assert order.index("late") < lane.most, "others may have begun at the same moment"


def test_an_errand_that_arms_itself_for_later_runs_later(lane: Lane) -> None:
    times: list[float] = []

    def errand() -> None:
        times.append(time.monotonic())
        if len(times) < 3:
            lane.arm("a", errand, in_s=0.1)

    lane.arm("a", errand)
    until(lambda: len(times) == 3)
    assert all(later - earlier >= 0.1 for earlier, later in itertools.pairwise(times))


def test_nothing_runs_for_a_key_that_was_disarmed(lane: Lane) -> None:
    ran, other = threading.Event(), threading.Event()
    lane.arm("a", ran.set, in_s=0.05)
    lane.disarm("a")
    lane.arm("b", other.set, in_s=0.1)
    assert other.wait(5)
    assert not ran.is_set()


def test_an_errand_never_runs_in_two_threads_at_once(lane: Lane) -> None:
    inside, most = [0], [0]
    guard = threading.Lock()

    def errand() -> float:
        with guard:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        with guard:
            inside[0] -= 1
        return 0.0

    lane.arm("a", errand)
    for _ in range(20):
        lane.ring("a")
        lane.arm("a", errand)
        time.sleep(0.002)
    assert most[0] == 1


def test_a_bug_in_an_errand_does_not_end_its_rounds(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "AFTER_A_BUG_S", 0.01)
    runs: list[int] = []

    def errand() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise KeyError("unforeseen")

    lane.arm("a", errand)
    until(lambda: len(runs) == 2)


def test_many_errands_keep_their_times(lane: Lane) -> None:
    runs: dict[int, int] = dict.fromkeys(range(50), 0)

    def errand(number: int) -> Callable[[], float]:
        def run() -> float:
            runs[number] += 1
            return 0.02

        return run

    for number in runs:
        lane.arm(number, errand(number))
    until(lambda: min(runs.values()) >= 20)
    assert max(runs.values()) <= 2 * min(runs.values()) + 5, "all get their turn"
