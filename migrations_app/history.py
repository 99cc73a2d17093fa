"""Pure: what earlier moves teach about the next one: medians over those that are most like it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from fleet.planning.estimate import Experience

#: Moves that must agree before they are believed.
LEAST = 3
#: Of moves that are alike only the newest count.
NEWEST = 12
#: No experience corrects by more than this factor.
MOST_CORRECTION = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """A move that arrived, with what it taught; None where it taught nothing. Names of hosts and guests are ids."""

    guest: str
    source: str
    destination: str
    copied_disks: bool
    #: All but the copying.
    fixed_s: float | None = None
    #: What the way carried; None for a move that was limited.
    rate_mib_s: float | None = None
    hand_over_ms: float | None = None
    hand_over_seen_ms: float | None = None
    memory_share: float | None = None
    #: The copying as it was over the copying as reckoned.
    correction: float | None = None
    writes: tuple[tuple[float, float], ...] = ()


def experience(moves: Iterable[Past], *, guest: str, source: str, destination: str, copies_disks: bool) -> Experience:
    """What `moves`, the newest first, teach about moving `guest` from `source` to `destination`."""
    moves = list(moves)
    groups = _groups(moves, guest, source, destination)
    mine = [move for move in moves if move.guest == guest]
    basis, like = next(((name, group) for name, group in groups if len(group) >= LEAST), ("", []))
    correction = _told(groups, lambda move: _correction(move, copies_disks=copies_disks))
    return Experience(
        moves=min(len(like), NEWEST),
        basis=basis,
        fixed_s=_told(groups, lambda move: move.fixed_s),
        rate_mib_s=_told(groups[:2], lambda move: move.rate_mib_s),
        hand_over_ms=_told(groups, lambda move: move.hand_over_ms),
        hand_over_seen_ms=_told(groups, lambda move: move.hand_over_seen_ms),
        # Of the guest itself one move tells more than many of others.
        memory_share=_median([move.memory_share for move in mine], least=1),
        correction=min(max(correction or 1.0, 1 / MOST_CORRECTION), MOST_CORRECTION),
        writes=next((move.writes for move in mine if move.writes), ()),
    )


def _correction(move: Past, *, copies_disks: bool) -> float | None:
    """What a move of the same kind teaches; None from one whose guest was misjudged: the next one's may not be."""
    if move.correction is None or move.copied_disks != copies_disks:
        return None
    # Disks are held against the link, which may be anything; memory alone is only so far off by what the guest wrote.
    believed = copies_disks or 1 / MOST_CORRECTION <= move.correction <= MOST_CORRECTION
    return move.correction if believed else None


def _groups(moves: list[Past], guest: str, source: str, destination: str) -> list[tuple[str, list[Past]]]:
    """From the most alike to the least; the way back is as good as the way there."""
    pair = {source, destination}
    on_pair = [move for move in moves if {move.source, move.destination} == pair]
    return [
        ("guest and hosts", [move for move in on_pair if move.guest == guest]),
        ("hosts", on_pair),
        ("guest", [move for move in moves if move.guest == guest]),
        ("fleet", moves),
    ]


def _told(groups: Sequence[tuple[str, list[Past]]], what: Callable[[Past], float | None]) -> float | None:
    """The median in the first group with enough moves that tell it."""
    for _, group in groups:
        found = _median([what(move) for move in group], least=LEAST)
        if found is not None:
            return found
    return None


def _median(values: Iterable[float | None], *, least: int) -> float | None:
    told = [value for value in values if value is not None][:NEWEST]
    return median(told) if len(told) >= least else None
