"""How good forecasts were, in numbers that can be checked by eye."""

from __future__ import annotations

from migrations_app.accuracy import Accuracy, Errors, accuracy, by_kind, by_pair


def move(duration: float | None, source: str = "alpha", destination: str = "beta") -> Errors:
    return Errors(source=source, destination=destination, duration=duration)


def test_too_long_is_as_wrong_as_too_short() -> None:
    assert accuracy([0.1, -0.3, 0.2, None]) == Accuracy(moves=3, median_error=0.2, within_25_percent=0.6667)


def test_nothing_foreseen_is_nothing_known() -> None:
    assert accuracy([None]) == Accuracy(moves=0, median_error=None, within_25_percent=None)
    assert by_kind([])["pause"].moves == 0


def test_pairs_with_most_moves_come_first() -> None:
    moves = [move(0.5, "beta", "alpha"), move(0.1), move(0.3), move(None)]
    assert [(row["source"], row["duration"].moves, row["duration"].median_error) for row in by_pair(moves)] == [
        ("alpha", 2, 0.2),
        ("beta", 1, 0.5),
    ]
