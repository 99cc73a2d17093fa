"""Pure: libvirt's numbers of a running migration as the honest progress a person sees."""

from __future__ import annotations

from typing import Any

from fleet.hypervisor.facts import JobSample

#: Never 100 before the hand-over is verified.
MOST_BEFORE_VERIFY = 99.0
#: How uncertain an estimate is while the guest goes on writing.
OPTIMISTIC, PESSIMISTIC = 0.8, 1.6


def measure(sample: JobSample, *, before: dict[str, Any], heard_at: str) -> dict[str, Any]:
    """The progress document of `fleet.jobs.progress`; the percentage never runs backwards."""
    total = sample.memory_total_bytes + sample.disk_total_bytes
    remaining = sample.memory_remaining_bytes + sample.disk_remaining_bytes
    # Re-sent pages count as sent, not as done: done is what need not be sent any more.
    done = max(total - remaining, 0)
    percent = min(100 * done / total, MOST_BEFORE_VERIFY) if total else None
    rate = sample.memory_rate_bytes_s or sample.disk_rate_bytes_s
    low, high = eta(remaining, rate, sample.dirty_rate_bytes_s)
    return before | {
        "percent": _never_back(percent, before.get("percent")),
        "bytes_done": sample.data_processed_bytes or done,
        "bytes_total": total or None,
        "rate_bytes_s": rate,
        "dirty_rate_bytes_s": sample.dirty_rate_bytes_s,
        "iteration": sample.iteration,
        "eta_s_low": low,
        "eta_s_high": high,
        "memory": _part(sample.memory_total_bytes, sample.memory_remaining_bytes),
        "disks": _part(sample.disk_total_bytes, sample.disk_remaining_bytes),
        "downtime_ms": sample.downtime_ms,
        "throttle_percent": sample.auto_converge_throttle,
        "elapsed_ms": sample.elapsed_ms,
        "heard_at": heard_at,
    }


def eta(remaining_bytes: int, rate_bytes_s: int, dirty_bytes_s: int) -> tuple[int | None, int | None]:
    """Seconds left as a range; None and None while the guest writes as fast as the link carries, or nothing moves."""
    if rate_bytes_s <= 0 or dirty_bytes_s >= rate_bytes_s:
        return None, None
    seconds = remaining_bytes / (rate_bytes_s - dirty_bytes_s)
    return round(seconds * OPTIMISTIC), round(seconds * PESSIMISTIC) + 1


def stage_of(sample: JobSample, *, copies_disks: bool) -> str:
    """Which step the numbers belong to: "disks" until every disk is mirrored once, then "memory"."""
    if copies_disks and not sample.iteration and not sample.memory_processed_bytes:
        return "disks"
    return "memory"


def fingerprint(sample: JobSample) -> tuple[int, ...]:
    """What must change for a migration to be called alive."""
    return (
        sample.data_processed_bytes,
        sample.memory_processed_bytes,
        sample.disk_processed_bytes,
        sample.iteration,
        sample.memory_remaining_bytes,
    )


def _never_back(now: float | None, before: float | None) -> float | None:
    if now is None:
        return before
    return round(max(now, before or 0.0), 1)


def _part(total: int, remaining: int) -> dict[str, int] | None:
    return {"total": total, "done": max(total - remaining, 0), "remaining": remaining} if total else None
