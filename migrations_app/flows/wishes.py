"""What is asked for when a guest shall move, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from fleet.documents.times import rfc3339
from fleet.models import Host, Job
from fleet.planning.estimate import Forecast
from migrations_app.options import Options


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """What came of the wish; `job` is None on a dry run, `replayed` when the same key was used before."""

    job: Job | None
    destination: Host
    storage: str
    #: The map that holds, by name; "": none.
    map: str = ""
    checks: list[dict[str, Any]]
    forecast: Forecast | None = None
    #: What changes in the guest's definition, as lines of a diff.
    xml_difference: list[str] = field(default_factory=list)
    replayed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What was asked for, beside the guest."""

    #: None: the best one.
    destination: Host | None = None
    mode: str = "auto"
    storage: str = "auto"
    options: Options = field(default_factory=Options)
    not_before: datetime | None = None
    #: Hosts not to choose, because an earlier try there failed.
    avoid: frozenset[UUID] = frozenset()
    retry_of: Job | None = None
    parent: Job | None = None

    @classmethod
    def of(cls, words: Mapping[str, Any]) -> Wish:
        """From keywords, where None is as good as left out."""
        return cls(**{name: value for name, value in words.items() if value is not None})

    def under(self, parent: Job) -> Wish:
        """The same as one of several."""
        return replace(self, parent=parent)

    def document(self) -> dict[str, Any]:
        """As stored, so that it can be asked for again; options have their own column."""
        return {
            "destination": str(self.destination.pk) if self.destination else None,
            "mode": self.mode,
            "storage": self.storage,
            "not_before": rfc3339(self.not_before),
        }
