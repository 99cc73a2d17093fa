"""Before a move changes a guest: getting ready, and the truthful ends of what never began."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fleet.hypervisor.errors import GuestNotFound, HypervisorError
from fleet.models import JobCommand
from fleet.refusals import Refused
from fleet.states import JobState
from migrations_app.flows import clean_up, settle
from migrations_app.flows.errand import Errand
from migrations_app.outcome import Outcome

Ready = TypeVar("Ready")


class Cancelled(Exception):
    """An operator cancelled while that was possible without a trace."""


def attempt(errand: Errand, get_ready: Callable[[], Ready]) -> Ready | None:
    """What `get_ready` made; None when the job has been ended instead, with all that was made removed again."""
    try:
        return get_ready()
    except Cancelled:
        clean_up.after_staying(errand)
        settle.end(errand, JobState.CANCELLED, nothing_happened(errand, "cancelled", "Cancelled before it began."))
    except Refused as refused:
        clean_up.after_staying(errand)
        error = nothing_happened(errand, refused.code, refused.text)
        settle.end(errand, JobState.FAILED, error | {"hint": f"{refused.remedy} {error['hint']}".strip()})
    except GuestNotFound as gone:
        _gone(errand, gone)
    except HypervisorError as error:
        left = clean_up.after_staying(errand)
        found = nothing_happened(errand, error.code, error.text)
        if left:
            found["hint"] += f" Still there: {', '.join(left)}."
        settle.end(errand, JobState.FAILED, found)
    return None


def stop_if_cancelled(errand: Errand, outcome: str = "cancelled before anything happened to the guest") -> None:
    """Raises Cancelled, with the wish marked as dealt with."""
    for command in errand.pen.wishes():
        if command.kind == JobCommand.Kind.CANCEL:
            errand.pen.settle(command, outcome)
            raise Cancelled


def nothing_happened(errand: Errand, code: str, message: str) -> dict[str, str]:
    """An error's document that says that the guest is where it was."""
    here = errand.migration.source_name
    return {"code": code, "message": message, "hint": f"{errand.name} is on {here}, untouched.", "guest_is_on": here}


def _gone(errand: Errand, gone: GuestNotFound) -> None:
    """The guest is not where the rows said: moved or removed behind our back since the wish was stored."""
    clean_up.after_staying(errand)
    place = errand.migration.destination_name if errand.ask().outcome is Outcome.ARRIVED else ""
    hint = f"It runs on {place} already." if place else "Look where it went; Drover moved nothing."
    error = {"code": gone.code, "message": gone.text, "hint": hint, "guest_is_on": place}
    settle.end(errand, JobState.FAILED, error)
