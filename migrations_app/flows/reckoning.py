"""After a move has arrived: hold what was foreseen against what happened, and keep what it teaches."""

from __future__ import annotations

import logging
from typing import Any

from fleet.hypervisor.facts import JobSample
from fleet.planning.estimate import MIB
from migrations_app.flows.errand import Errand
from migrations_app.models import ForecastError, Migration

logger = logging.getLogger(__name__)

#: The least that a hand-over can take, whatever the reckoning says.
LEAST_HAND_OVER_MS = 5.0


def record(errand: Errand, numbers: JobSample | None, receipt: dict[str, Any]) -> None:
    """Store it, after the job's own end; a move that cannot be reckoned is a line in the log, never a failed job."""
    try:
        _store(errand, numbers, receipt)
    except Exception:
        logger.exception("job %s: what was foreseen could not be held against what happened", errand.migration.pk)


def _store(errand: Errand, numbers: JobSample | None, receipt: dict[str, Any]) -> None:
    migration, progress = errand.migration, errand.pen.job.progress
    foreseen = progress.get("forecast") or {}
    at_30 = progress.get("outlook_at_30")
    duration_ms, pause_ms = receipt["duration_ms"], receipt.get("downtime_ms")
    told = [receipt.get(name) for name in ("memory_bytes", "disk_bytes")]
    sent_bytes = sum(one or 0 for one in told) if any(one is not None for one in told) else None
    ForecastError.objects.update_or_create(
        job_id=migration.pk,
        defaults={
            "guest": migration.guest,
            "source": migration.source,
            "destination": migration.destination,
            "guest_name": errand.name,
            "source_name": migration.source_name,
            "destination_name": migration.destination_name,
            "mode": migration.mode,
            "copied_disks": migration.storage != Migration.Storage.NONE,
            "foreseen": foreseen,
            "foreseen_at_30": at_30,
            "duration_ms": duration_ms,
            "sent_bytes": sent_bytes,
            "downtime_ms": pause_ms,
            "duration_error": error(_ms(foreseen.get("duration_s")), duration_ms),
            "bytes_error": error(foreseen.get("bytes"), sent_bytes),
            "pause_error": error(foreseen.get("downtime_ms"), pause_ms),
            "duration_error_at_30": error(_ms((at_30 or {}).get("total_s")), duration_ms),
            "pause_error_at_30": error((at_30 or {}).get("pause_ms"), pause_ms),
            "taught": _taught(errand, numbers, duration_ms, sent_bytes, foreseen),
        },
    )


def error(foreseen: float | None, actual: float | None) -> float | None:
    """(forecast - actual) / actual; None where one of them is not known."""
    return round((foreseen - actual) / actual, 4) if foreseen is not None and actual else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


def _taught(
    errand: Errand, numbers: JobSample | None, duration_ms: int, sent_bytes: int | None, foreseen: dict[str, Any]
) -> dict[str, Any]:
    """See `history.Past`. Only a live move whose numbers libvirt kept teaches how long things take."""
    migration = errand.migration
    if numbers is None or migration.mode != Migration.Mode.LIVE or not numbers.memory_rate_bytes_s:
        return {}
    copied = migration.storage != Migration.Storage.NONE
    share = _memory_share(numbers)
    at_30 = errand.pen.job.progress.get("outlook_at_30") or {}
    taught: dict[str, Any] = {
        "memory_share": share,
        "writes": (errand.pen.job.progress.get("outlook") or {}).get("writes", []),
        "hand_over_ms": _hand_over_ms(numbers, foreseen.get("downtime_ms"), foreseen.get("hand_over_ms")),
        "hand_over_seen_ms": _hand_over_ms(numbers, at_30.get("pause_ms"), at_30.get("hand_over_ms")),
    }
    if copied:
        # Where the disks end and memory begins is not told; the whole is held against the whole.
        around_s = foreseen.get("fixed_s") or 0.0
        taught["correction"] = _ratio(duration_ms / 1000 - around_s, foreseen.get("copying_s"))
        return taught
    copying_s = numbers.memory_processed_bytes / numbers.memory_rate_bytes_s
    taught["fixed_s"] = round(max(duration_ms / 1000 - copying_s, 0.0), 3)
    if not _limited(errand):
        taught["rate_mib_s"] = round(numbers.memory_rate_bytes_s / MIB, 2)
    if share is not None and foreseen.get("bytes"):
        # As it would have been reckoned with the share that is known by now, so that nothing is corrected twice.
        reckoned = foreseen["bytes"] * share / (foreseen.get("memory_share") or 1.0)
        taught["correction"] = _ratio(sent_bytes, reckoned)
    return taught


def _limited(errand: Errand) -> bool:
    """Whether anything but the way itself may have held it back; then its speed says nothing of the way."""
    steered = (errand.pen.job.progress.get("steering") or {}).get("bandwidth_mib_s")
    allotted = Migration.objects.values_list("allotted_mib_s", flat=True).get(pk=errand.migration.pk)
    return bool(errand.terms.bandwidth_mib_s or steered or allotted or errand.terms.bandwidth_share_percent < 100)


def _memory_share(numbers: JobSample) -> float | None:
    if not numbers.memory_total_bytes:
        return None
    empty = numbers.memory_constant_pages * numbers.memory_page_size
    return round(max(1 - empty / numbers.memory_total_bytes, 0.0), 3)


def _hand_over_ms(numbers: JobSample, pause_ms: float | None, hand_over_ms: float | None) -> float | None:
    """The pause without the memory that was sent in it, as far as that was foreseen."""
    if numbers.downtime_ms is None or pause_ms is None or hand_over_ms is None:
        return None
    return round(max(numbers.downtime_ms - (pause_ms - hand_over_ms), LEAST_HAND_OVER_MS), 1)


def _ratio(actual: float | None, reckoned: float | None) -> float | None:
    return round(actual / reckoned, 3) if actual is not None and reckoned else None
