"""The end of a migration as both hosts tell it: arrived, stayed, off, or unknown until they can be asked."""

from __future__ import annotations

from migrations_app.flows import arrival, clean_up, endings
from migrations_app.flows.endings import ASK_AGAIN_S, end, unknown
from migrations_app.flows.errand import Answers, Errand
from migrations_app.flows.transfer import Course
from migrations_app.outcome import Outcome

__all__ = ["ASK_AGAIN_S", "PATIENCE_S", "end", "settle", "unknown"]

#: So often meanwhile it is looked whether libvirt has left a stale copy at the source.
LOOKS = 4
#: Hand-overs settle within moments; libvirt's own cleaning after a broken link took 30 s at most in the lab.
PATIENCE_S = 45


def settle(errand: Errand, course: Course) -> None:
    """End the job with what both hosts say, or leave it unknown with nothing touched."""
    answers = _answers(errand)
    if answers.outcome is Outcome.ARRIVED:
        arrival.arrived(errand, course, answers)
    elif answers.outcome is Outcome.STAYED:
        endings.stayed(errand, course)
    elif answers.outcome is Outcome.OFF:
        endings.off(errand, answers)
    elif answers.outcome is Outcome.STRANDED:
        endings.stranded(errand)
    else:
        unknown(errand, answers)


def _answers(errand: Errand) -> Answers:
    """What both hosts say once it is settled, or at the end of the patience."""
    for _ in range(LOOKS):
        answers = errand.ask_until_settled(patience_s=PATIENCE_S / LOOKS)
        if answers.outcome is not Outcome.MOVING:
            return answers
        if clean_up.stale_copy(errand):
            return errand.ask()
    return answers
