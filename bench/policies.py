"""Policies against guests that write 0 to 120 % of the link: how each ended, its pause, its duration, its promise."""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import dataclass
from typing import Any

from bench.numbers import Report, median, percentile
from bench.scene import Scene, scene
from lab.processes import LabError
from tests.with_lab.installation import until

#: What counts as the link: the copy's own limit, far below what the lab's wires carry.
LINK_MIB_S = 24
PERCENTS = (0, 20, 50, 80, 95, 120)
POLICIES = ("Balanced", "Gentle", "May pause", "Must move")
GUEST = "writer1"
GUESTS = (f"{GUEST}:dirty:alpha:shared:128:rate=1,set_mib=32,ticks_ms=5",)
#: Nothing may take longer, whatever a policy allows.
DEADLINE_S = 120
KEPT_RUNS, KEPT_AT_LEAST = 20, 19
#: The lab guest's clock ticks this often, so that its silence is known to this.
TICK_MS = 5


@dataclass(frozen=True, kw_only=True)
class Run:
    """One move."""

    how: str
    pause_ms: float
    visible_ms: float
    duration_s: float
    promised_ms: int
    harmed: bool

    @property
    def kept(self) -> bool:
        """Within its promise, as the guest saw it, or given up with the guest unharmed."""
        return not self.harmed and (self.how == "given up" or self.visible_ms <= self.promised_ms)


def run(report: Report, options: argparse.Namespace) -> None:
    """The table of policies, then the promise of 300 ms many times."""
    with scene("policies", hosts=2, guests=GUESTS) as drover:
        every = {}
        for policy, percent in itertools.product(POLICIES, PERCENTS):
            every[policy, percent] = move(drover, percent, policy=policy)
            _tell(report, policy, percent, every[policy, percent])
        easy = [found.pause_ms for (_, percent), found in every.items() if percent <= 80 and found.how == "finished"]
        report.line("policies.up_to_80_percent.pause_ms.median", median(easy), 50)
        report.line("policies.up_to_80_percent.pause_ms.99_percent", percentile(easy, 99), 300)
        kept = sum(found.kept for found in every.values())
        report.line("policies.kept_of_all", kept, len(every), least=True)
        runs = min(options.pairs, KEPT_RUNS)
        for percent in (0, 50):
            found = [move(drover, percent, policy="Balanced") for _ in range(runs)]
            report.spread(f"policies.promise_300.{percent}_percent.visible_ms", [one.visible_ms for one in found])
            least = KEPT_AT_LEAST * runs // KEPT_RUNS
            kept = sum(one.kept for one in found)
            report.line(f"policies.promise_300.{percent}_percent.kept", kept, least, least=True)
            report.line(f"policies.promise_300.{percent}_percent.harmed", sum(one.harmed for one in found), 0)


def move(drover: Scene, percent: int, **options: Any) -> Run:
    """Move the writer to the other host at this rate and measure."""
    _, destination = _from_write(drover, percent)
    with drover.lab.pause_meter(GUEST) as meter:
        wish = {"bandwidth_mib_s": LINK_MIB_S, "timeout_s": DEADLINE_S, **options}
        job = drover.finished(drover.move(GUEST, destination, options=wish), DEADLINE_S + 30)
        time.sleep(1.0)
    codes = {event["code"] for event in drover.events(job)}
    post_copy = "decided.post_copy" in codes
    how = "given up" if job["state"] != "succeeded" else "post-copy" if post_copy else "finished"
    steering = job["progress"].get("steering") or {}
    numbers = job["result"]
    return Run(
        how=how,
        pause_ms=numbers.get("downtime_ms") or 0,
        visible_ms=max(meter.longest_ms - TICK_MS, 0),
        duration_s=(numbers.get("duration_ms") or (job["progress"].get("elapsed_ms") or 0)) / 1000,
        promised_ms=steering.get("promised_ms", 300),
        harmed=_harmed(drover),
    )


def _from_write(drover: Scene, percent: int) -> tuple[str, str]:
    """The guest writes at this rate and its row is true; where it is, and where it is to go."""
    _write(drover, percent * LINK_MIB_S // 100)
    source = drover.lab.whereabouts(GUEST)
    until(lambda: drover.where(GUEST) == source, 30, "the row follows")
    return source, "beta" if source == "alpha" else "alpha"


def _write(drover: Scene, mib_s: int) -> None:
    drover.lab.dirty(GUEST, mib_s)
    time.sleep(1.0)


def _harmed(drover: Scene) -> bool:
    """Whether the guest is silent or has lost memory; after a move its network may need a moment."""
    for _ in range(3):
        try:
            return drover.lab.state(GUEST)["stale_pages"] > 0
        except LabError:
            time.sleep(1)
    return True


def _tell(report: Report, policy: str, percent: int, found: Run) -> None:
    name = f"policies.{policy.lower().replace(' ', '_')}.{percent}_percent"
    promise = "kept" if found.kept else "BROKEN"
    report.note(f"{name}: {found.how}{', guest HARMED' if found.harmed else ''}, promise {promise}")
    report.line(f"{name}.pause_ms", found.pause_ms)
    report.line(f"{name}.visible_ms", found.visible_ms)
    report.line(f"{name}.duration_s", found.duration_s)
