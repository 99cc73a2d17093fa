"""The outlook over courses that were recorded on real hosts, and over ones that can be worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.hypervisor.facts import JobSample
from migrations_app.course import Course, follow
from migrations_app.outlook import Means, Outlook, look

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
    course = Course()
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


@pytest.mark.parametrize("path", ENDED, ids=lambda path: path.stem)
@pytest.mark.parametrize("known", [False, True], ids=["blind", "measured"])
def test_at_30_percent_the_total_time_is_known_within_20_percent(path: Path, known: bool) -> None:
    document = recorded(path)
    found = outlook_at(document, 30, **(measured(document) if known else {}))
    assert found.converges is not False
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
