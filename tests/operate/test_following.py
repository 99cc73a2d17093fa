"""The joint log."""

from __future__ import annotations

from fleet.operate import following
from fleet.operate.places import Places


def follow(places: Places, rounds: list[object], *, from_now: bool = False) -> list[str]:
    """What is written while the given steps happen between the rounds."""
    written: list[str] = []

    def go_on() -> bool:
        if not rounds:
            return False
        step = rounds.pop(0)
        if callable(step):
            step()
        return True

    following.follow(places, ["web", "worker"], write=written.append, go_on=go_on, from_now=from_now)
    return written


def test_every_line_carries_the_name_of_its_process(places: Places) -> None:
    places.log("web").write_text("one\n")
    places.log("worker").write_text("two\n")
    assert follow(places, []) == ["web    | one", "worker | two"]


def test_half_a_line_waits_for_its_end(places: Places) -> None:
    log = places.log("web")
    log.write_text("hal")

    def finish() -> None:
        with log.open("a") as handle:
            handle.write("f\n")

    assert follow(places, [None, finish]) == ["web    | half"]


def test_a_log_that_is_replaced_is_followed_on(places: Places) -> None:
    log = places.log("web")
    log.write_text("before\n")

    def replace() -> None:
        log.rename(log.with_suffix(".1"))
        log.write_text("after\n")

    assert follow(places, [None, replace]) == ["web    | before", "web    | after"]


def test_a_log_that_is_not_there_yet_is_no_error(places: Places) -> None:
    assert follow(places, [None]) == []


def test_what_was_written_before_can_be_left_out(places: Places) -> None:
    log = places.log("web")
    log.write_text("before\n")

    def add() -> None:
        with log.open("a") as handle:
            handle.write("after\n")

    assert follow(places, [add], from_now=True) == ["web    | after"]
