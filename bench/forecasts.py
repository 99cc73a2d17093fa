"""Forecasts against what happened: some moves for the history, then moves that are held against their forecasts."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.numbers import Report, median
from bench.program import Ear, Program, ended, listening
from bench.scene import Scene, scene
from tests.with_lab.installation import until

GUESTS = ("web1:idle:alpha:shared:96", "cache1:dirty:alpha:shared:96:rate=5", "batch1:dirty:alpha:shared:160:rate=10")
#: Guest and limit in MiB/s (0: none): five moves of history, then ten that count.
HISTORY = (("web1", 20), ("cache1", 20), ("batch1", 20), ("cache1", 10), ("web1", 0))
COUNTED = (
    *(("web1", 10), ("cache1", 10), ("batch1", 20), ("web1", 20), ("cache1", 20)),
    *(("batch1", 40), ("web1", 5), ("cache1", 15), ("batch1", 25), ("web1", 0)),
)
#: Seconds until each guest's writing was measured over both lengths.
MEASURED_S = 120
MOVED_S = 180
REST_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """One move: foreseen before, with 30 % done, and what happened; seconds and milliseconds."""

    guest: str
    limit_mib_s: int
    before_s: float
    at_30_s: float | None
    took_s: float
    pause_before_ms: float
    pause_at_30_ms: float | None
    pause_ms: float


def run(report: Report, options: argparse.Namespace) -> None:
    """The table, and how many forecasts were close; a move that its policy gives up is told and does not count."""
    with scene("forecasts", hosts=2, guests=GUESTS) as drover, listening(drover, "jobs") as ear:
        program = Program(drover)
        until(lambda: _all_measured(drover), MEASURED_S, "every guest's writing is measured")
        for guest in drover.lab.guests:
            told = drover.guest(guest)
            report.note(
                f"{guest} writes {told['dirty_mib_s']} MiB/s, {told['dirty_set_mib']} MiB within 8 s (measured)"
            )
        for guest, limit in HISTORY:
            _one(report, drover, program, ear, guest, limit, "history")
        runs = [_one(report, drover, program, ear, guest, limit, "counted") for guest, limit in COUNTED]
        _judge(report, [one for one in runs if one is not None])


def _one(
    report: Report, drover: Scene, program: Program, ear: Ear, guest: str, limit_mib_s: int, word: str
) -> Run | None:
    end = _move(drover, program, ear, guest, limit_mib_s)
    if end["state"] != "succeeded":
        report.note(f"{word}: {guest} did not move: {end['error']['message']}")
        return None
    found = _as_run(end, guest, limit_mib_s)
    _tell_run(report, word, found)
    return found


def _all_measured(drover: Scene) -> bool:
    return all(drover.guest(name)["dirty_set_mib"] is not None for name in drover.lab.guests)


def _move(drover: Scene, program: Program, ear: Ear, guest: str, limit_mib_s: int) -> dict[str, Any]:
    """The job's last document."""
    source = drover.lab.whereabouts(guest)
    destination = "beta" if source == "alpha" else "alpha"
    until(lambda: drover.where(guest) == source, 30, "the row follows")
    time.sleep(REST_S)
    program.warm()
    wish: dict[str, Any] = {
        "guest": drover.guest(guest)["id"],
        "destination": drover.host(destination)["id"],
        "options": {"bandwidth_mib_s": limit_mib_s},
    }
    status, job = program.ask("POST", "migrations/", wish)
    if status != 202:
        raise RuntimeError(f"{guest} to {destination}: {status} {job}")
    end: dict[str, Any] = ear.wait(ended(job["id"]), MOVED_S)[1]["document"]
    return end


def _as_run(end: dict[str, Any], guest: str, limit_mib_s: int) -> Run:
    before, at_30 = end["progress"]["forecast"], end["progress"].get("outlook_at_30") or {}
    return Run(
        guest=guest,
        limit_mib_s=limit_mib_s,
        before_s=before["duration_s"],
        at_30_s=at_30.get("total_s"),
        took_s=end["result"]["duration_ms"] / 1000,
        pause_before_ms=before["downtime_ms"],
        pause_at_30_ms=at_30.get("pause_ms"),
        pause_ms=end["result"]["downtime_ms"],
    )


def _tell_run(report: Report, word: str, one: Run) -> None:
    limit = f"{one.limit_mib_s} MiB/s" if one.limit_mib_s else "no limit"
    at_30 = "-" if one.at_30_s is None else f"{one.at_30_s:.1f}"
    pause_at_30 = "-" if one.pause_at_30_ms is None else f"{one.pause_at_30_ms:.0f}"
    report.note(
        f"{word}: {one.guest:<7} {limit:<9} took {one.took_s:5.1f} s, foreseen {one.before_s:5.1f}, at 30 % {at_30:>5};"
        f" pause {one.pause_ms:4.0f} ms, foreseen {one.pause_before_ms:4.0f}, at 30 % {pause_at_30:>4}"
    )


def _judge(report: Report, runs: Sequence[Run]) -> None:
    before = [_off(one.before_s, one.took_s) for one in runs]
    report.line("forecasts.before.duration_off_by.median", median(before))
    report.line("forecasts.moves", len(runs))
    report.line(
        "forecasts.before.duration_within_25_percent", sum(off <= 0.25 for off in before) / len(runs), 0.8, least=True
    )
    seen = [one for one in runs if one.at_30_s is not None]
    report.line("forecasts.at_30_percent.seen", len(seen))
    totals = [_off(one.at_30_s or 0, one.took_s) for one in seen]
    report.line("forecasts.at_30_percent.total_off_by.largest", max(totals), 0.20)
    report.line("forecasts.at_30_percent.total_off_by.median", median(totals))
    pauses = [_off(one.pause_at_30_ms or 0, one.pause_ms) for one in seen]
    report.line("forecasts.at_30_percent.pause_off_by.median", median(pauses), 0.25)
    within = sum(abs((one.pause_at_30_ms or 0) - one.pause_ms) <= 50 for one in seen)
    report.line("forecasts.at_30_percent.pause_within_50_ms", within)


def _off(foreseen: float, actual: float) -> float:
    return abs(foreseen - actual) / actual
