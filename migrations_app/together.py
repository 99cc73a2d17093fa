"""Pure: how moves that were asked for together stand as one job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fleet.states import FINISHED, JobState

#: Guests that did not get across are named up to this many, then counted.
NAMES_TOLD = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Child:
    """One of the moves: the last try of its guest."""

    job: str
    name: str
    state: JobState
    percent: float = 0
    #: Why it did not get across.
    message: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What the parent's row says; `error` only of an end that is none to be glad of."""

    state: JobState
    words: str
    progress: dict[str, Any]
    result: dict[str, Any]
    error: dict[str, Any] | None


def standing(children: Sequence[Child]) -> Standing:
    """The parent's standing: it runs while any child does, and has succeeded when all have."""
    moved = [child for child in children if child.state is JobState.SUCCEEDED]
    stayed = [child for child in children if child.state in {JobState.FAILED, JobState.CANCELLED}]
    state = _state(children)
    words = f"{len(moved)} of {len(children)} moved"
    if stayed:
        words += f"; not: {_names(stayed)}"
    done = sum(100.0 if child.state in FINISHED else child.percent for child in children)
    numbers = {"moved": len(moved), "of": len(children), "failed": len(stayed)}
    failed = [{"guest": child.name, "job": child.job, "message": child.message} for child in stayed]
    return Standing(
        state=state,
        words=words,
        progress={"percent": round(done / max(len(children), 1), 1), **numbers},
        result={**numbers, "not_moved": failed} if state in FINISHED else {},
        error=_error(state, words) if state in {JobState.FAILED, JobState.CANCELLED} else None,
    )


def _state(children: Sequence[Child]) -> JobState:
    states = {child.state for child in children}
    if states - FINISHED:
        return JobState.QUEUED if states <= {JobState.QUEUED} else JobState.RUNNING
    if JobState.FAILED in states:
        return JobState.FAILED
    return JobState.CANCELLED if JobState.CANCELLED in states else JobState.SUCCEEDED


def _error(state: JobState, words: str) -> dict[str, Any]:
    code = "some_failed" if state is JobState.FAILED else "cancelled"
    hint = "The others' own pages say why, and where each guest is."
    return {"code": code, "message": f"{words}.", "hint": hint, "guest_is_on": ""}


def _names(children: Sequence[Child]) -> str:
    told = ", ".join(child.name for child in children[:NAMES_TOLD])
    return told if len(children) <= NAMES_TOLD else f"{told} and {len(children) - NAMES_TOLD} more"
