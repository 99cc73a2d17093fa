"""Pure: libvirt's numbers of a running migration as the honest progress a person sees."""

from __future__ import annotations

from typing import Any

from fleet.hypervisor.facts import JobSample

#: Never 100 before the hand-over is verified.
MOST_BEFORE_VERIFY = 99.0
#: How uncertain an estimate is while the guest goes on writing.
OPTIMISTIC, PESSIMISTIC = 0.8, 1.6


def measure(
    sample: JobSample, *, before: dict[str, Any], heard_at: str, expected_memory_bytes: int = 0
) -> dict[str, Any]:
    """The progress document of `fleet.jobs.progress`; the percentage never runs backwards.

    While disks are copied libvirt does not count the memory yet; `expected_memory_bytes` stands in for it.
    """
    ahead = 0 if sample.memory_total_bytes else expected_memory_bytes
    total = sample.memory_total_bytes + sample.disk_total_bytes + ahead if _counts(sample) else 0
    remaining = sample.memory_remaining_bytes + sample.disk_remaining_bytes + ahead
    # Re-sent pages count as sent, not as done: done is what need not be sent any more.
    done = max(total - remaining, 0)
    percent = min(100 * done / total, MOST_BEFORE_VERIFY) if total else None
    rate = sample.memory_rate_bytes_s or sample.disk_rate_bytes_s or _disk_rate(sample, before)
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


def _counts(sample: JobSample) -> bool:
    return bool(sample.memory_total_bytes or sample.disk_total_bytes)


def _disk_rate(sample: JobSample, before: dict[str, Any]) -> int:
    """libvirt tells no rate of mirrored disks: what was done since the last look, over the time between."""
    disks, elapsed_ms = before.get("disks"), before.get("elapsed_ms") or 0
    if not disks or not sample.disk_total_bytes or sample.elapsed_ms <= elapsed_ms:
        return int(before.get("rate_bytes_s") or 0) if sample.disk_remaining_bytes else 0
    done = sample.disk_total_bytes - sample.disk_remaining_bytes - disks["done"]
    return max(round(done * 1000 / (sample.elapsed_ms - elapsed_ms)), 0)


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
