"""How long a guest was silent, from echoes sent and answered."""

from __future__ import annotations

import pytest

from migrations_app.silence import FAST_S, SLOW_S, Echo, outage_ms, pace_s


def echoes(*answers: float | None, every_s: float = 0.01) -> list[Echo]:
    """One echo each 10 ms; the numbers are round trips in ms, None a lost one."""
    return [Echo(at * every_s, None if trip is None else at * every_s + trip / 1000) for at, trip in enumerate(answers)]


@pytest.mark.parametrize(
    ("answers", "silent_ms"),
    [
        ((1, 1, 1), 0),
        ((1, None, None, None, 1, 1), 30),  # from the first lost one to the first that was answered
        ((1, None, 1, None, None, 1), 20),  # the longest of two
        ((1, 1, 45, 35, 25, 1), 45),  # held back and answered all at once
        ((1, None, None, 30, 1), 50),  # two lost, the third was held back for 30 ms
        ((None, None, 1, 1), 0),  # before it ever answered nothing is known
        ((1, 1, None, None), 0),  # what is still under way is no silence
        ((1,), None),
        ((), None),
        ((None, None), None),
    ],
)
def test_the_longest_time_without_a_prompt_answer_counts(answers: tuple[float | None, ...], silent_ms: int) -> None:
    assert outage_ms(echoes(*answers)) == silent_ms


def test_a_worker_that_was_held_up_makes_no_silence_of_the_guests() -> None:
    assert outage_ms([Echo(0.0, 0.001), Echo(3.0, 3.001)]) == 0


@pytest.mark.parametrize(
    ("stage", "progress", "pace"),
    [
        ("disks", {}, SLOW_S),
        ("memory", {}, FAST_S),
        ("memory", {"memory": {"remaining": 100}, "rate_bytes_s": 10}, SLOW_S),
        ("memory", {"memory": {"remaining": 10}, "rate_bytes_s": 10}, FAST_S),
        ("switch-over", {"memory": {"remaining": 100}, "rate_bytes_s": 10}, FAST_S),
        ("verify", {}, FAST_S),
    ],
)
def test_echoes_are_frequent_only_when_the_hand_over_is_near(
    stage: str, progress: dict[str, object], pace: float
) -> None:
    assert pace_s(stage, progress) == pace
