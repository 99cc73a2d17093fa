"""Pure: what proves that a guest arrived and runs nowhere else, line by line as the receipt keeps it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Proof(StrEnum):
    """How one question ended."""

    PROVEN = "proven"
    #: There was nobody to ask; it says nothing against the move.
    NOT_AVAILABLE = "not_available"
    FAILED = "failed"


class Question(StrEnum):
    """What is asked, in this order."""

    SINGLE_COPY = "single copy"
    DISKS = "disks open once"
    AGENT = "guest agent"
    NETWORK = "network"


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One answer: what was asked, how, when (RFC 3339), and how it ended."""

    what: Question
    how: str
    at: str
    outcome: Proof

    def document(self) -> dict[str, str]:
        """As the receipt holds it."""
        return {name: str(value) for name, value in dataclasses.asdict(self).items()}


def nothing_failed(evidence: Iterable[Evidence]) -> bool:
    """Whether no answer speaks against the move."""
    return all(line.outcome is not Proof.FAILED for line in evidence)


def may_touch_source(evidence: Iterable[Evidence]) -> bool:
    """Whether the source's files may be removed: both questions about copies and disks answered with yes, none with no.

    Anything less leaves them in quarantine, whatever was wished.
    """
    lines = list(evidence)
    proven = {line.what for line in lines if line.outcome is Proof.PROVEN}
    return nothing_failed(lines) and {Question.SINGLE_COPY, Question.DISKS} <= proven
