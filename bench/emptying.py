"""Twelve guests that write leave a host over two limited links: Drover's queue against fixed numbers at once."""

from __future__ import annotations

import argparse
import contextlib
import math
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from bench.moves import by_virsh
from bench.numbers import Report
from bench.program import FINISHED, Program, epoch_s
from bench.scene import Scene, scene
from lab import Lab, network
from lab.processes import LabError
from tests.with_lab.installation import until

SOURCE, DESTINATIONS = "alpha", ("beta", "gamma")
#: Megabits that go into each destination (its payload comes to whole MiB/s), and what of them is QEMU's, not headers.
LINK_MBIT = 108
PAYLOAD = 1448 / 1514
#: MiB/s that guests write; the last is more than half of a link carries.
RATES = (3, 5, 7)
SET_MIB = 32
GUESTS = 12
#: They are asked for in an order that knows nothing of links.
ORDER_SEED = 2026
#: The numbers of moves at once that Nova, oVirt and vSphere (at 10 Gbit/s) use.
CAPS = (1, 2, 8)
MOST = 1000
EMPTY_S = 900
ABORTED_S = 30
#: A cap that takes so many times as long as Drover is stopped, and one that takes longer than a cap before it.
LATE = 4


@dataclass(kw_only=True)
class Emptying:
    """One host emptied once."""

    seconds: float
    most_at_once: int
    #: What crossed the links, and how long it stood still, by guest.
    sent_bytes: dict[str, float] = field(default_factory=dict)
    pauses_ms: dict[str, float] = field(default_factory=dict)
    #: Drover's jobs, where Drover did it.
    jobs: list[dict[str, Any]] = field(default_factory=list)


def run(report: Report, options: argparse.Namespace) -> None:
    """Ours, then each cap, with the same guests."""
    contest(report)


def contest(report: Report, size: int = GUESTS, caps: Sequence[int] = CAPS) -> dict[str, Emptying]:
    """The caps are bare virsh on the source, so many at once and no Drover in the way: the best they can be."""
    ways = {f"vm{number}": DESTINATIONS[number // len(RATES) % 2] for number in range(size)}
    guests = [
        f"{name}:dirty:{SOURCE}:shared:96:rate={RATES[number % len(RATES)]},set_mib={SET_MIB}"
        for number, name in enumerate(ways)
    ]
    order = random.Random(ORDER_SEED).sample(list(ways), len(ways))
    with scene("emptying", hosts=3, guests=guests, site_mbit=LINK_MBIT) as drover:
        # The way home is not measured.
        network.traffic_control(drover.lab.name, network.class_lines(f"h-{SOURCE}", 2, network.UNLIMITED_MBIT))
        program = Program(drover)
        _know(drover, program, ways)
        found = {"ours": _by_drover(drover, program, ways, order)}
        _tell_one(report, "ours", found["ours"])
        at_most_s = LATE * found["ours"].seconds
        for cap in caps:
            _home(drover, program, ways)
            found[f"cap_{cap}"] = _by_virsh(drover.lab, ways, order, cap, at_most_s)
            at_most_s = min(at_most_s, found[f"cap_{cap}"].seconds)
            _tell_one(report, f"cap_{cap}", found[f"cap_{cap}"])
    _tell(report, ways, found)
    return found


def _know(drover: Scene, program: Program, ways: dict[str, str]) -> None:
    """What an operator tells Drover: how fast the links are, and that only they limit."""
    _limit(drover, SOURCE, {"max_moves_out": MOST, "max_moves_in": None})
    for host in DESTINATIONS:
        _limit(drover, host, {"max_moves_in": MOST, "migration_bandwidth_mbps": LINK_MBIT})
    for name, destination in ways.items():
        until(lambda: _shares(drover, program, name, destination), 60, "the hosts are known to share the folder")  # noqa: B023


def _limit(drover: Scene, host: str, fields: dict[str, Any]) -> None:
    status, answer = drover.api("PATCH", f"hosts/{drover.host(host)['id']}/", fields, If_Match="*")
    if status != 200:
        raise RuntimeError(f"{status} {answer}")


def _shares(drover: Scene, program: Program, name: str, destination: str) -> bool:
    """Whether no disk would be copied: such copies cannot be slowed down, so they do not get ready beside others."""
    wish = {"guest": drover.guest(name)["id"], "destination": drover.host(destination)["id"]}
    _, verdict = program.ask("POST", "migrations/?dry_run=true", wish)
    unsettled = any(check["code"] == "folder_unsettled" for check in verdict["checks"])
    return verdict.get("storage") == "none" and not unsettled


def _by_drover(drover: Scene, program: Program, ways: dict[str, str], order: Sequence[str]) -> Emptying:
    hosts = {name: drover.host(name)["id"] for name in DESTINATIONS}
    items = [{"guest": drover.guest(name)["id"], "destination": hosts[ways[name]]} for name in order]
    program.warm()
    status, answer = program.ask("POST", "migrations/", {"items": items})
    if status != 202:
        raise RuntimeError(f"{status} {answer}")
    jobs, most = _ended(program, [job["id"] for job in answer["jobs"]])
    began = min(epoch_s(job["created_at"]) for job in jobs)
    return Emptying(
        seconds=max(epoch_s(job["finished_at"]) for job in jobs) - began,
        most_at_once=most,
        sent_bytes={job["subject"]["name"]: job["result"]["memory_bytes"] for job in jobs},
        pauses_ms={job["subject"]["name"]: job["result"]["downtime_ms"] for job in jobs},
        jobs=jobs,
    )


def _ended(program: Program, ids: Sequence[str]) -> tuple[list[dict[str, Any]], int]:
    """The jobs at their ends, and how many ran at once at most."""
    most, deadline = 0, time.monotonic() + EMPTY_S
    while time.monotonic() < deadline:
        _, page = program.ask("GET", "jobs/?kind=migration&limit=1000&ordering=-created_at")
        jobs = {job["id"]: job for job in page["results"] if job["id"] in set(ids)}
        most = max(most, sum(job["state"] == "running" for job in jobs.values()))
        if all(job["state"] in FINISHED for job in jobs.values()):
            if stayed := [job["error"] for job in jobs.values() if job["state"] != "succeeded"]:
                raise RuntimeError(f"not everybody got across: {stayed}")
            return [jobs[one] for one in ids], most
        time.sleep(0.5)
    raise TimeoutError("the host is not empty")


def _by_virsh(lab: Lab, ways: dict[str, str], order: Sequence[str], cap: int, at_most_s: float) -> Emptying:
    found = Emptying(seconds=math.inf, most_at_once=cap)

    def go(name: str) -> None:
        move = by_virsh(lab, name, SOURCE, ways[name], inside=True, more=("--unsafe",))
        found.sent_bytes[name], found.pauses_ms[name] = move.sent_bytes, move.downtime_ms

    began = time.monotonic()
    pool = ThreadPoolExecutor(max_workers=cap)
    try:
        moves = [pool.submit(go, name) for name in order]
        if not wait(moves, timeout=at_most_s).not_done:
            found.seconds = time.monotonic() - began
            for move in moves:
                move.result()
    finally:
        # Whoever ends the bench must not wait for moves that never end.
        pool.shutdown(wait=False, cancel_futures=True)
        if math.isinf(found.seconds):
            with contextlib.suppress(LabError):
                lab.virsh(SOURCE, "; ".join(f"domjobabort {name}" for name in order), check=False)
            wait(moves, timeout=ABORTED_S)
    return found


def _home(drover: Scene, program: Program, ways: dict[str, str]) -> None:
    """Everybody back, over ways without a limit."""
    for host in DESTINATIONS:
        _limit(drover, host, {"migration_bandwidth_mbps": None})
    whereabouts = {name: drover.lab.whereabouts(name) for name in ways}
    until(
        lambda: all(drover.where(name) == whereabouts[name] for name in ways), 60, "every row says where its guest is"
    )
    source = drover.host(SOURCE)["id"]
    away = [name for name in ways if whereabouts[name] != SOURCE]
    items = [{"guest": drover.guest(name)["id"], "destination": source} for name in away]
    program.warm()
    status, answer = program.ask("POST", "migrations/", {"items": items})
    if status != 202:
        raise RuntimeError(f"{status} {answer}")
    _ended(program, [job["id"] for job in answer["jobs"]])


def _tell_one(report: Report, name: str, emptying: Emptying) -> None:
    if math.isinf(emptying.seconds):
        report.note(f"emptying.{name}: stopped, {len(emptying.sent_bytes)} of the guests had arrived")
        return
    report.line(f"emptying.{name}.makespan_s", emptying.seconds)
    report.line(f"emptying.{name}.sent_mib", sum(emptying.sent_bytes.values()) / 2**20)
    report.line(f"emptying.{name}.most_at_once", emptying.most_at_once)
    report.spread(f"emptying.{name}.pause_ms", list(emptying.pauses_ms.values()))


def _tell(report: Report, ways: dict[str, str], found: dict[str, Emptying]) -> None:
    ours = found["ours"]
    bound_s = _bound_s(ways, ours.sent_bytes)
    report.line("emptying.lower_bound_s", bound_s)
    report.line("emptying.ours_by_lower_bound", ours.seconds / bound_s, 1.10)
    # The same for the least that each guest sent in any of the runs, whatever its pause was there.
    least = {name: min(one.sent_bytes[name] for one in found.values() if name in one.sent_bytes) for name in ways}
    report.line("emptying.ours_by_leanest_bytes", ours.seconds / _bound_s(ways, least))
    caps = [one.seconds for name, one in found.items() if name != "ours"]
    if caps:
        report.line("emptying.ours_by_best_cap", ours.seconds / min(caps), 0.75)


def _bound_s(ways: dict[str, str], sent_bytes: dict[str, float]) -> float:
    """What no schedule can do without: the bytes of the fuller link, over what it carries."""
    by_link = [sum(sent_bytes[name] for name in ways if ways[name] == link) for link in DESTINATIONS]
    return max(by_link) / (LINK_MBIT * 1e6 / 8 * PAYLOAD)
