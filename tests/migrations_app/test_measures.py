"""libvirt's numbers as progress: honest, and never backwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.hypervisor.facts import JobSample
from migrations_app.measures import eta, fingerprint, measure, stage_of

MIB = 1 << 20


def sample(**numbers: int) -> JobSample:
    return JobSample(kind="unbounded", operation="migration_out", **numbers)


def told(one: JobSample, before: dict[str, Any] | None = None) -> dict[str, Any]:
    return measure(one, before=before or {}, heard_at="2026-01-01T00:00:00.000Z")


#: memory total and remaining, disk total and remaining -> percent
PERCENT: list[tuple[int, int, int, int, float | None]] = [
    (0, 0, 0, 0, None),  # nothing is known yet
    (100, 100, 0, 0, 0.0),
    (100, 25, 0, 0, 75.0),  # (100 - 25) / 100
    (100, 100, 300, 100, 50.0),  # (400 - 200) / 400
    (100, 0, 0, 0, 99.0),  # all sent, but nothing verified: not 100
    (100, 150, 0, 0, 0.0),  # libvirt counts more as remaining than there is: not negative
]


@pytest.mark.parametrize(("memory", "memory_left", "disks", "disks_left", "percent"), PERCENT)
def test_percent_is_what_need_not_be_sent_any_more(
    memory: int, memory_left: int, disks: int, disks_left: int, percent: float | None
) -> None:
    numbers = sample(
        memory_total_bytes=memory,
        memory_remaining_bytes=memory_left,
        disk_total_bytes=disks,
        disk_remaining_bytes=disks_left,
    )
    assert told(numbers)["percent"] == percent


NUMBER = st.integers(min_value=0, max_value=1 << 45)
SAMPLES = st.builds(
    sample,
    memory_total_bytes=NUMBER,
    memory_remaining_bytes=NUMBER,
    disk_total_bytes=NUMBER,
    disk_remaining_bytes=NUMBER,
    memory_rate_bytes_s=NUMBER,
    memory_dirty_rate_pages_s=st.integers(min_value=0, max_value=1 << 30),
    iteration=st.integers(min_value=0, max_value=40),
)


@given(st.lists(SAMPLES, max_size=8))
def test_progress_never_runs_backwards_and_never_says_it_is_done(samples: list[JobSample]) -> None:
    progress: dict[str, Any] = {}
    for one in samples:
        before = progress.get("percent") or 0.0
        progress = told(one, progress)
        assert before <= (progress["percent"] or before) <= 99.0
        low, high = progress["eta_s_low"], progress["eta_s_high"]
        assert (low is None) == (high is None)
        assert low is None or 0 <= low <= high


#: remaining, rate, dirty -> low and high, in seconds
ETA: list[tuple[int, int, int, tuple[int | None, int | None]]] = [
    (1000, 100, 0, (8, 17)),  # 1000 / 100 = 10 s; * 0.8 = 8, * 1.6 + 1 = 17
    (1000, 100, 50, (16, 33)),  # 1000 / 50 = 20 s
    (1000, 100, 100, (None, None)),  # as fast as the link: it never ends by itself
    (1000, 100, 101, (None, None)),
    (1000, 0, 0, (None, None)),  # nothing moves
    (0, 100, 0, (0, 1)),
]


@pytest.mark.parametrize(("remaining", "rate", "dirty", "seconds"), ETA)
def test_the_time_left_is_a_range_or_unknown(
    remaining: int, rate: int, dirty: int, seconds: tuple[int | None, int | None]
) -> None:
    assert eta(remaining, rate, dirty) == seconds


def test_all_numbers_of_a_sample_are_told() -> None:
    numbers = sample(
        elapsed_ms=1500,
        data_processed_bytes=90 * MIB,
        memory_total_bytes=100 * MIB,
        memory_remaining_bytes=40 * MIB,
        memory_rate_bytes_s=20 * MIB,
        memory_dirty_rate_pages_s=256,
        iteration=2,
        auto_converge_throttle=20,
    )
    assert told(numbers, {"forecast": {"duration_s": 9}}) == {
        "forecast": {"duration_s": 9},
        "percent": 60.0,
        "bytes_done": 90 * MIB,
        "bytes_total": 100 * MIB,
        "rate_bytes_s": 20 * MIB,
        "dirty_rate_bytes_s": MIB,  # 256 pages of 4 KiB
        "iteration": 2,
        "eta_s_low": 2,  # 40 / (20 - 1) = 2.1 s; * 0.8
        "eta_s_high": 4,  # * 1.6 = 3.4, + 1
        "memory": {"total": 100 * MIB, "done": 60 * MIB, "remaining": 40 * MIB},
        "disks": None,
        "downtime_ms": None,
        "throttle_percent": 20,
        "elapsed_ms": 1500,
        "heard_at": "2026-01-01T00:00:00.000Z",
    }


@pytest.mark.parametrize(
    ("copies", "numbers", "stage"),
    [
        (False, {}, "memory"),
        (True, {}, "disks"),
        (True, {"disk_total_bytes": 9, "disk_remaining_bytes": 1}, "disks"),
        (True, {"iteration": 1}, "memory"),
        (True, {"memory_processed_bytes": 1}, "memory"),
    ],
)
def test_disks_come_before_memory(copies: bool, numbers: dict[str, int], stage: str) -> None:
    assert stage_of(sample(**numbers), copies_disks=copies) == stage


def test_time_alone_is_no_sign_of_life() -> None:
    still = sample(memory_processed_bytes=1)
    assert fingerprint(still) == fingerprint(replace(still, elapsed_ms=9000))
    assert fingerprint(still) != fingerprint(replace(still, memory_processed_bytes=2))
