"""Twelve guests that write leave a host over one limited link: Drover's queue against fixed numbers at once."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.numbers import Report
from bench.program import FINISHED, Program, epoch_s
from bench.scene import Scene, scene
from tests.with_lab.installation import until

#: Megabits each host's card carries, and what is left of that for QEMU's bytes in full Ethernet frames.
CARD_MBIT = 160
PAYLOAD = 1448 / 1514
#: MiB/s each guest writes, over so few MiB that a full link carries them within the pause that Drover allows by
#: default (300 ms with the hand-over's own part in it), and half a link does not.
RATES = (4, 8, 12, 16)
SET_MIB = 2
GUESTS = 12
#: The numbers of moves at once that Nova, oVirt and vSphere (at 10 Gbit/s) use.
CAPS = (1, 2, 8)
MOST = 1000
#: A guest that never gets across is given up after this long, and counts with it.
PATIENCE_S = 240
EMPTY_S = 900


@dataclass(frozen=True, kw_only=True)
class Emptying:
    """One host emptied once."""

    seconds: float
    jobs: Sequence[dict[str, Any]]
    most_at_once: int

    @property
    def moved_bytes(self) -> dict[str, int]:
        """What crossed the link, by guest."""
        return {job["subject"]["name"]: job["result"]["memory_bytes"] for job in self.jobs if job["result"]}

    @property
    def stayed(self) -> list[str]:
        """Guests that did not get across."""
        return [job["subject"]["name"] for job in self.jobs if job["state"] != "succeeded"]


def run(report: Report, options: argparse.Namespace) -> None:
    """Ours, then each cap, with the same guests going to and fro."""
    contest(report, [f"vm{number}" for number in range(GUESTS)])


def contest(report: Report, names: Sequence[str], caps: Sequence[int] = CAPS) -> dict[str, Emptying]:
    """All of them with these guests."""
    guests = [
        f"{name}:dirty:alpha:shared:96:rate={RATES[number % len(RATES)]},set_mib={SET_MIB}"
        for number, name in enumerate(names)
    ]
    with scene("emptying", hosts=2, guests=guests, site_mbit=CARD_MBIT) as drover:
        program = Program(drover)
        until(lambda: _shares(drover, program, names[0]), 60, "the hosts are known to share the folder")
        found = {"ours": _empty(drover, program, names, mbps=CARD_MBIT, moves=MOST)}
        _tell_one(report, "ours", found["ours"])
        for cap in caps:
            found[f"cap_{cap}"] = _empty(drover, program, names, mbps=None, moves=cap)
            _tell_one(report, f"cap_{cap}", found[f"cap_{cap}"])
    _tell(report, found)
    return found


def _empty(drover: Scene, program: Program, names: Sequence[str], *, mbps: int | None, moves: int) -> Emptying:
    """Everybody to the other host; with its card's speed unknown, Drover shares nothing out and only counts."""
    source = drover.lab.whereabouts(names[0])
    destination = "beta" if source == "alpha" else "alpha"
    for host in ("alpha", "beta"):
        _limit(drover, host, {"max_moves_out": moves, "max_moves_in": moves, "migration_bandwidth_mbps": mbps})
    until(lambda: all(drover.where(name) == source for name in names), 60, "every row says where its guest is")
    place = drover.host(destination)["id"]
    wish = {"destination": place, "options": {"timeout_s": PATIENCE_S}}
    items = [{"guest": drover.guest(name)["id"], **wish} for name in names]
    program.warm()
    status, answer = program.ask("POST", "migrations/", {"items": items})
    if status != 202:
        raise RuntimeError(f"{status} {answer}")
    return _watched(program, [job["id"] for job in answer["jobs"]])


def _watched(program: Program, ids: Sequence[str]) -> Emptying:
    most, deadline = 0, time.monotonic() + EMPTY_S
    while time.monotonic() < deadline:
        _, page = program.ask("GET", "jobs/?kind=migration&limit=1000&ordering=-created_at")
        jobs = {job["id"]: job for job in page["results"] if job["id"] in set(ids)}
        most = max(most, sum(job["state"] == "running" for job in jobs.values()))
        if all(job["state"] in FINISHED for job in jobs.values()):
            began = min(epoch_s(job["created_at"]) for job in jobs.values())
            ended = max(epoch_s(job["finished_at"]) for job in jobs.values())
            return Emptying(seconds=ended - began, jobs=[jobs[one] for one in ids], most_at_once=most)
        time.sleep(0.5)
    raise TimeoutError("the host is not empty")


def _shares(drover: Scene, program: Program, name: str) -> bool:
    """Whether no disk would be copied: such copies cannot be slowed down, so they do not get ready beside others."""
    wish = {"guest": drover.guest(name)["id"], "destination": drover.host("beta")["id"]}
    _, verdict = program.ask("POST", "migrations/?dry_run=true", wish)
    return verdict.get("storage") == "none" and not any(
        check["code"] == "folder_unsettled" for check in verdict["checks"]
    )


def _limit(drover: Scene, host: str, fields: dict[str, Any]) -> None:
    status, answer = drover.api("PATCH", f"hosts/{drover.host(host)['id']}/", fields, If_Match="*")
    if status != 200:
        raise RuntimeError(f"{status} {answer}")


def _tell_one(report: Report, name: str, emptying: Emptying) -> None:
    report.line(f"emptying.{name}.makespan_s", emptying.seconds)
    report.line(f"emptying.{name}.sent_mib", sum(emptying.moved_bytes.values()) / 2**20)
    report.line(f"emptying.{name}.most_at_once", emptying.most_at_once)
    if emptying.stayed:
        report.note(f"{name}: did not get across within {PATIENCE_S} s: {', '.join(emptying.stayed)}")


def _tell(report: Report, found: dict[str, Emptying]) -> None:
    ours = found["ours"]
    # What no schedule can do without: the least that each guest sent in any of the runs, over the card's payload.
    least = [min(one.moved_bytes.get(name, 1 << 62) for one in found.values()) for name in ours.moved_bytes]
    bound_s = sum(least) / (CARD_MBIT * 1e6 / 8 * PAYLOAD)
    report.line("emptying.lower_bound_s", bound_s)
    report.line("emptying.ours_by_lower_bound", ours.seconds / bound_s, 1.10)
    caps = [one.seconds for name, one in found.items() if name != "ours"]
    if caps:
        report.line("emptying.ours_by_best_cap", ours.seconds / min(caps), 0.75)
