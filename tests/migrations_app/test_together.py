"""Moves asked for together, as one job: how far they are, how they end, and who is named."""

from __future__ import annotations

import pytest

from fleet.states import JobState
from migrations_app.together import Child, standing


def children(*states: str) -> list[Child]:
    return [
        Child(job=str(number), name=f"vm{number}", state=JobState(state), percent=50 if state == "running" else 0)
        for number, state in enumerate(states)
    ]


@pytest.mark.parametrize(
    ("states", "state", "words", "percent"),
    [
        (("queued", "queued"), "queued", "0 of 2 moved", 0),
        (("running", "queued"), "running", "0 of 2 moved", 25),
        (("succeeded", "queued"), "running", "1 of 2 moved", 50),
        (("unknown", "succeeded"), "running", "1 of 2 moved", 50),
        (("succeeded", "succeeded"), "succeeded", "2 of 2 moved", 100),
        (("succeeded", "failed"), "failed", "1 of 2 moved; not: vm1", 100),
        (("cancelled", "failed"), "failed", "0 of 2 moved; not: vm0, vm1", 100),
        (("succeeded", "cancelled"), "cancelled", "1 of 2 moved; not: vm1", 100),
    ],
)
def test_the_parent_stands_as_its_children_do(states: tuple[str, ...], state: str, words: str, percent: float) -> None:
    found = standing(children(*states))
    assert (found.state, found.words, found.progress["percent"]) == (state, words, percent)


def test_an_end_that_is_none_to_be_glad_of_says_who_stayed() -> None:
    found = standing(children("succeeded", "failed"))
    assert found.error is not None
    assert found.error["message"] == "1 of 2 moved; not: vm1."
    assert found.result["not_moved"] == [{"guest": "vm1", "job": "1", "message": ""}]
    assert standing(children("succeeded")).error is None


def test_many_that_stayed_are_counted() -> None:
    assert standing(children(*["failed"] * 7)).words == "0 of 7 moved; not: vm0, vm1, vm2, vm3, vm4 and 2 more"
