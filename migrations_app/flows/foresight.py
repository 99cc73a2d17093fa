"""The outlook of a running migration, sample by sample."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.utils import timezone

from fleet.documents.times import rfc3339
from fleet.hypervisor.facts import JobSample
from fleet.models import JobEvent
from fleet.planning.estimate import DEFAULT_LINK_MIB_S, MIB, SWITCH_OVER_MS, Experience
from fleet.planning.precopy import believed
from migrations_app import history, outlook
from migrations_app.flows import expectations, situations
from migrations_app.flows.errand import Errand
from migrations_app.outlook import Means, Outlook
from migrations_app.pace import Pace, follow

#: How uncertain the time left is, as pages show it.
EARLY, LATE = 0.85, 1.2
#: What has to be done before the outlook is kept, to be held against the outcome.
KEPT_AT_PERCENT = 30
#: Looks in a row that see no end before the log says so.
SURE_LOOKS = 4


class Foresight:
    """Stays with one running migration; `take` it every sample."""

    def __init__(self, errand: Errand) -> None:
        self.errand = errand
        self.pace = Pace()
        self._known: tuple[Means, Experience] | None = None
        self._hopeless = 0

    def take(
        self,
        sample: JobSample,
        progress: dict[str, Any],
        *,
        post_copy: bool = False,
        stopped: bool = False,
    ) -> dict[str, Any]:
        """The parts of the progress that look ahead; what steering has changed stands in `progress`."""
        self.pace = follow(self.pace, sample)
        since_start_s = self._since_start_s()
        means = self._means(sample, since_start_s, progress.get("steering") or {})
        if not sample.memory_total_bytes and not sample.disk_total_bytes:
            found = _starting(progress.get("forecast") or {}, since_start_s)
        else:
            found = outlook.look(self.pace, sample, means, since_start_s=since_start_s, post_copy=post_copy)
        if stopped:
            found = Outlook(text_code="ending", converges=True, pause_ms=found.pause_ms, eta_s=found.eta_s)
        self._warn(found)
        return self._document(found, progress, means.hand_over_ms)

    def _document(self, found: Outlook, progress: dict[str, Any], hand_over_ms: float) -> dict[str, Any]:
        now = timezone.now()
        done_at = None if found.eta_s is None else rfc3339(now + timedelta(seconds=found.eta_s))
        ends = found.eta_s is not None and found.converges is not False
        document = found.document() | {
            "done_at": done_at,
            "text": outlook.words(found),
            "writes": [list(stretch) for stretch in self.pace.writes],
        }
        more: dict[str, Any] = {
            "outlook": document,
            "eta_s_low": math.floor(EARLY * (found.eta_s or 0)) if ends else None,
            "eta_s_high": math.ceil(LATE * (found.eta_s or 0)) + 1 if ends else None,
        }
        if (progress.get("percent") or 0) >= KEPT_AT_PERCENT and "outlook_at_30" not in progress:
            kept = ("converges", "total_s", "pause_ms")
            # With what the hand-over was taken to take, so that the move teaches what it really took.
            more["outlook_at_30"] = {name: document[name] for name in kept} | {
                "percent": progress["percent"],
                "hand_over_ms": hand_over_ms,
            }
        return more

    def _since_start_s(self) -> float:
        began = self.errand.pen.job.started_at or self.errand.began_at
        return max((timezone.now() - began).total_seconds(), 0.0)

    def _means(self, sample: JobSample, since_start_s: float, steering: dict[str, Any]) -> Means:
        if self._known is None:
            self._known = _means(self.errand)
        means, known = self._known
        if known.fixed_s is not None and sample.memory_total_bytes:
            # What is not the copying is before or after it, and what was before is known by now.
            lead_s = since_start_s - (sample.elapsed_ms - self.pace.memory_began_ms) / 1000
            means = replace(means, tail_s=max(known.fixed_s - lead_s, outlook.TAIL_S / 2))
        if (limit_mib_s := steering.get("bandwidth_mib_s")) is not None:
            means = replace(means, limit_bytes_s=limit_mib_s * MIB)
        if limit_ms := steering.get("limit_ms"):
            promised_ms = max(steering.get("promised_ms") or 0, limit_ms)
            means = replace(means, max_pause_ms=limit_ms, promised_pause_ms=promised_ms)
        return means

    def _warn(self, found: Outlook) -> None:
        """Once, in the log, when it is sure that no end is to be seen."""
        self._hopeless = self._hopeless + 1 if found.converges is False else min(self._hopeless, 0)
        if self._hopeless >= SURE_LOOKS:
            self._hopeless = -(10**9)
            self.errand.pen.say(
                "outlook.not_converging",
                outlook.words(found),
                level=JobEvent.Level.WARNING,
                data={"remedies": list(found.remedies)},
            )


def _means(errand: Errand) -> tuple[Means, Experience]:
    migration, terms = errand.migration, errand.terms
    guest, source, destination = migration.guest, errand.source_row, errand.destination_row
    known = Experience()
    if guest is not None:
        known = history.experience(
            expectations.past_moves(guest),
            guest=str(guest.pk),
            source=str(source.pk),
            destination=str(destination.pk),
            copies_disks=bool(migration.artefacts),
        )
    carried = expectations.carried_mib_s(source, destination, situations.links_from(source))
    link = carried or known.rate_mib_s or DEFAULT_LINK_MIB_S
    share = known.memory_share
    if share is None and guest is not None and guest.memory_used_mib and guest.memory_mib:
        share = min(guest.memory_used_mib / guest.memory_mib, 1.0)
    means = Means(
        max_pause_ms=terms.max_pause_ms,
        may_throttle=terms.may_throttle,
        may_post_copy=terms.may_post_copy,
        max_duration_s=terms.max_duration_s,
        limit_bytes_s=expectations.limit_mib_s(terms, link) * MIB,
        link_bytes_s=link * MIB,
        hand_over_ms=next(
            (told for told in (known.hand_over_seen_ms, known.hand_over_ms) if told is not None), SWITCH_OVER_MS
        ),
        memory_bytes=migration.memory_mib * MIB,
        memory_share=share,
        writes=believed(expectations.measured_writes(guest) if guest else (), known.writes),
    )
    return means, known


def _starting(forecast: dict[str, Any], since_start_s: float) -> Outlook:
    """Nothing is copied yet: what was promised still holds."""
    duration_s = forecast.get("duration_s")
    if duration_s is None:
        return Outlook(text_code="starting")
    return Outlook(
        text_code="starting",
        converges=forecast.get("converges"),
        eta_s=round(max(duration_s - since_start_s, 0.0), 1),
        total_s=duration_s,
        pause_ms=forecast.get("downtime_ms"),
    )
