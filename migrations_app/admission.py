"""Pure: which queued moves may begin now, and what each of the others waits for.

First come, first served at every bottleneck; a move whose own way is free is not held up behind one that waits for
something else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from migrations_app import allotment
from migrations_app.allotment import Stream

#: Names told of those that are moving now, before the rest is only counted.
NAMES_TOLD = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """A place among the moves at once that somebody limits; `words` say by what, as "beta takes 2 moves at once"."""

    key: str
    words: str
    limit: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """An unfinished move, as far as the queue cares."""

    id: str
    #: The guest's.
    name: str
    begun: bool
    #: Whether its bytes are all across: it then holds its slots, but no part of the links.
    carried: bool = False
    slots: tuple[Slot, ...] = ()
    stream: Stream = field(default_factory=lambda: Stream(id=""))
    not_before: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """Why a queued move does not begin, and its place in that line; place 0 where there is no line."""

    for_: str
    detail: str
    place: int

    def document(self) -> dict[str, Any]:
        """As stored in `Job.waiting`."""
        return {"for": self.for_, "detail": self.detail, "place": self.place}


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipe:
    """A card or link whose speed is known, with its name for people."""

    words: str
    mib_s: float


def decide(moves: Sequence[Move], pipes: Mapping[str, Pipe], now: datetime) -> dict[str, Waiting | None]:
    """For each queued move what it waits for, or None: it may begin.

    `moves` come in the order in which they began, then in which they were asked for.
    """
    queue = _Queue(pipes)
    for move in moves:
        if move.begun:
            queue.take(move)
    return {move.id: queue.verdict(move, now) for move in moves if not move.begun}


def allotments(moves: Sequence[Move], pipes: Mapping[str, Pipe]) -> dict[str, int]:
    """MiB/s for each move that has begun; 0: nothing limits it."""
    speeds = {key: pipe.mib_s for key, pipe in pipes.items()}
    return allotment.allot([move.stream for move in moves if move.begun and not move.carried], speeds)


class _Queue:
    """What is taken while the moves are gone through in order."""

    def __init__(self, pipes: Mapping[str, Pipe]) -> None:
        self.pipes = pipes
        self.speeds = {key: pipe.mib_s for key, pipe in pipes.items()}
        self.taken: Counter[str] = Counter()
        self.streams: list[Stream] = []
        #: Names of those that move, and the length of the line, at each bottleneck.
        self.moving: dict[str, list[str]] = {}
        self.lines: Counter[str] = Counter()

    def take(self, move: Move) -> None:
        keys = [slot.key for slot in move.slots]
        self.taken.update(keys)
        if not move.carried:
            self.streams.append(move.stream)
            keys += move.stream.way
        for key in keys:
            self.moving.setdefault(key, []).append(move.name)

    def verdict(self, move: Move, now: datetime) -> Waiting | None:
        if move.not_before is not None and move.not_before > now:
            moment = f"{move.not_before:%Y-%m-%d %H:%M} UTC"
            return Waiting(for_=f"its time, {moment}", detail=f"It was asked for not before {moment}.", place=0)
        full = next((slot for slot in move.slots if self.taken[slot.key] >= slot.limit), None)
        if full is not None:
            return self._wait(full.key, full.words)
        key = self._crowded(move)
        if key is not None:
            return self._wait(key, f"room on {self.pipes[key].words}")
        self.take(move)
        return None

    def _crowded(self, move: Move) -> str | None:
        # Who waits longer for a pipe is not overtaken there by one that needs less of it.
        line = next((key for key in move.stream.way if key in self.pipes and self.lines[key]), None)
        return line or allotment.crowded(self.streams, move.stream, self.speeds)

    def _wait(self, key: str, words: str) -> Waiting:
        self.lines[key] += 1
        return Waiting(for_=words, detail=self._detail(key), place=self.lines[key])

    def _detail(self, key: str) -> str:
        names = self.moving.get(key, [])
        told = ", ".join(names[:NAMES_TOLD])
        if len(names) > NAMES_TOLD:
            told += f" and {len(names) - NAMES_TOLD} more"
        before = self.lines[key] - 1
        parts = [f"Moving there now: {told}."] if names else []
        if before:
            parts.append(f"{before} {'waits' if before == 1 else 'wait'} longer.")
        return " ".join(parts)
