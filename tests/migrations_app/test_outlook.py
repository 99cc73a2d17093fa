"""The outlook over courses that were recorded on real hosts, and over ones that can be worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.hypervisor.facts import JobSample
from migrations_app.outlook import Means, Outlook, look
from migrations_app.pace import Pace, follow

MIB = 1 << 20
COURSES = sorted((Path(__file__).parent / "courses").glob("*.json"))
#: From the return of libvirt's call, where the recorded courses end, back to the end of the copying.
CALL_TAIL_S = 0.3


def recorded(path: Path) -> dict[str, Any]:
    """A recorded course; its samples as (ms since the call was entered, sample)."""
    document: dict[str, Any] = json.loads(path.read_text())
    _, *names = document["columns"]
    samples = [
        (row[0], JobSample(kind="unbounded", **dict(zip(names, row[1:], strict=True)))) for row in document["samples"]
    ]
    return document | {"samples": samples}


def means(document: dict[str, Any], **more: Any) -> Means:
    """What Drover would know of such a move."""
    values: dict[str, Any] = {
        "max_pause_ms": document["max_pause_ms"],
        "may_throttle": document["may_throttle"],
        "limit_bytes_s": document["limit_mib_s"] * MIB,
        "memory_bytes": document["guest_mib"] * MIB,
        "tail_s": CALL_TAIL_S,
    }
    return Means(**values | more)


def outlook_at(document: dict[str, Any], percent: float, **more: Any) -> Outlook:
    """The first outlook when so much of the memory needs not be sent any more."""
    course = Pace()
    for at_ms, sample in document["samples"]:
        course = follow(course, sample)
        total = sample.memory_total_bytes
        if total and 100 * (total - sample.memory_remaining_bytes) >= percent * total:
            return look(course, sample, means(document, **more), since_start_s=at_ms / 1000)
    raise AssertionError("the course never came that far")


def measured(document: dict[str, Any]) -> dict[str, Any]:
    """What measurements and earlier moves would have told: the lab's guests write a set of 16 MiB round and round."""
    rate, last = document["writes_mib_s"], document["samples"][-1][1]
    share = 1 - last.memory_constant_pages * last.memory_page_size / last.memory_total_bytes
    return {
        "memory_share": share,
        "writes": tuple((float(seconds), min(16.0, seconds * rate) * MIB) for seconds in (1, 8)),
    }


ENDED = [path for path in COURSES if json.loads(path.read_text())["total_ms"]]


#: Guests that write nothing, for which nothing must have been measured.
QUIET = [path for path in ENDED if not json.loads(path.read_text())["writes_mib_s"]]


@pytest.mark.parametrize("path", ENDED, ids=lambda path: path.stem)
def test_at_30_percent_the_total_time_is_known_within_20_percent(path: Path) -> None:
    document = recorded(path)
    found = outlook_at(document, 30, **measured(document))
    assert found.converges
    assert found.total_s is not None
    assert 1000 * found.total_s == pytest.approx(document["total_ms"], rel=0.2)


@pytest.mark.parametrize("path", QUIET, ids=lambda path: path.stem)
def test_of_a_quiet_guest_nothing_need_be_known_before(path: Path) -> None:
    document = recorded(path)
    found = outlook_at(document, 30)
    assert found.converges is None
    assert found.total_s is not None
    assert 1000 * found.total_s == pytest.approx(document["total_ms"], rel=0.2)


#: A move of one or two seconds shares a busy machine: 250 ms and 394 ms of pause in two equal runs.
STEADY = [path for path in ENDED if "free" not in path.stem]


@pytest.mark.parametrize("path", STEADY, ids=lambda path: path.stem)
def test_at_30_percent_the_pause_is_known_within_25_percent_or_50_ms(path: Path) -> None:
    document = recorded(path)
    found = outlook_at(document, 30, **measured(document))
    # The lab's own hand-over takes 25 to 75 ms from one move to the next; more cannot be known of a short pause.
    assert found.pause_ms == pytest.approx(document["downtime_ms"], abs=max(50, 0.25 * document["downtime_ms"]))


NEVER = recorded(next(path for path in COURSES if path.stem == "dirty1-12-10"))


def test_a_copy_that_never_ends_is_foreseen_and_the_remedies_are_named() -> None:
    found = outlook_at(NEVER, 30, **measured(NEVER))
    assert (found.text_code, found.converges, found.eta_s) == ("not_converging", False, None)
    assert (found.writes_bytes_s or 0) > (found.carries_bytes_s or 0)
    # Up to 16 MiB are left at 10 MiB/s; without the limit the link carries it all.
    assert 300 < (found.needs_pause_ms or 0) < 2000
    assert found.remedies == ("downtime", "bandwidth", "pause", "cancel")


def test_without_any_measurement_it_is_seen_after_a_few_passes() -> None:
    course, seen = Pace(), []
    for at_ms, sample in NEVER["samples"]:
        course = follow(course, sample)
        if sample.iteration:
            seen.append((sample.iteration, look(course, sample, means(NEVER), since_start_s=at_ms / 1000).converges))
    assert {converges for iteration, converges in seen if iteration == 1} == {None}
    late = [converges for iteration, converges in seen if iteration >= 5]
    assert late.count(False) >= 0.9 * len(late)


def sample(**numbers: Any) -> JobSample:
    values = {"elapsed_ms": 1000, "memory_total_bytes": 100 * MIB, "memory_rate_bytes_s": 10 * MIB, "iteration": 1}
    return JobSample(kind="unbounded", **{**values, **numbers})


def simple(now: JobSample, **more: Any) -> Outlook:
    values: dict[str, Any] = {"memory_share": 1.0, "tail_s": 0.5, "limit_bytes_s": 10 * MIB, "link_bytes_s": 100 * MIB}
    return look(follow(Pace(), now), now, Means(**values | more), since_start_s=2.0)


def test_what_is_left_is_sent_at_the_rate_seen() -> None:
    # 50 MiB left at 10 MiB/s, 3 of them at 100 in the pause: 4.7 + 0.03 + 0.5 s; 30 + 50 ms of pause
    now = sample(memory_processed_bytes=50 * MIB, memory_remaining_bytes=50 * MIB)
    found = simple(now, writes=((1.0, 0.0),))
    assert (found.eta_s, found.total_s, found.pause_ms, found.remedies) == (5.2, 7.2, 80, ())


def test_disks_come_before_memory() -> None:
    now = sample(iteration=0, memory_total_bytes=0, disk_total_bytes=200 * MIB, disk_remaining_bytes=100 * MIB)
    # Nothing is known of the disks' speed yet: 10 + 9.7 + 0.03 + 0.5 s
    assert simple(now, memory_bytes=100 * MIB).eta_s == 20.2


def test_a_move_that_comes_too_late_says_so_and_what_would_hurry_it() -> None:
    now = sample(memory_processed_bytes=50 * MIB, memory_remaining_bytes=50 * MIB)
    found = simple(now, max_duration_s=5, may_post_copy=True)
    assert (found.text_code, found.remedies) == ("too_late", ("bandwidth", "post-copy", "pause", "cancel"))


def test_post_copy_is_no_remedy_where_it_is_not_allowed_or_disks_are_still_copied() -> None:
    writes = ((1.0, 40.0 * MIB),)
    now = sample(memory_processed_bytes=50 * MIB, memory_remaining_bytes=50 * MIB)
    assert "post-copy" in simple(now, writes=writes, may_post_copy=True).remedies
    assert "post-copy" not in simple(now, writes=writes).remedies
    copying = sample(disk_total_bytes=10 * MIB, disk_remaining_bytes=MIB, memory_remaining_bytes=50 * MIB)
    assert "post-copy" not in simple(copying, writes=writes, may_post_copy=True).remedies
