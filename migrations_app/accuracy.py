"""Pure: how good the forecasts were: medians and shares over many moves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

#: A forecast this close is a good one.
GOOD = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Errors:
    """Of one move, as (forecast - actual) / actual; None where it was not foreseen or not told."""

    source: str
    destination: str
    duration: float | None = None
    bytes: float | None = None
    pause: float | None = None
    duration_at_30: float | None = None
    pause_at_30: float | None = None


NAMES = ("duration", "bytes", "pause", "duration_at_30", "pause_at_30")


@dataclass(frozen=True, kw_only=True, slots=True)
class Accuracy:
    """Over some moves: how far off in the middle, whatever the direction, and how many were close."""

    moves: int
    median_error: float | None
    within_25_percent: float | None


def accuracy(errors: Iterable[float | None]) -> Accuracy:
    """Of one kind of forecast; moves without one do not count."""
    sizes = [abs(error) for error in errors if error is not None]
    return Accuracy(
        moves=len(sizes),
        median_error=round(median(sizes), 4) if sizes else None,
        within_25_percent=round(sum(size <= GOOD for size in sizes) / len(sizes), 4) if sizes else None,
    )


def by_kind(moves: Sequence[Errors]) -> dict[str, Accuracy]:
    """Each kind of forecast over all moves, by its name in NAMES."""
    return {name: accuracy(getattr(move, name) for move in moves) for name in NAMES}


def by_pair(moves: Sequence[Errors]) -> list[dict[str, Any]]:
    """The duration before the start for each pair of hosts, those with most moves first."""
    pairs: dict[tuple[str, str], list[Errors]] = defaultdict(list)
    for move in moves:
        pairs[move.source, move.destination].append(move)
    rows = [
        {"source": source, "destination": destination, "duration": accuracy(move.duration for move in found)}
        for (source, destination), found in pairs.items()
    ]
    return sorted(rows, key=lambda row: (-row["duration"].moves, row["source"], row["destination"]))
