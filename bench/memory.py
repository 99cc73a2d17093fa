"""Resident memory of each process where it is largest: after many requests, and with 20 migrations waiting."""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

from bench.numbers import Report
from bench.program import Program
from bench.scene import Scene, scene
from fleet.operate.visitor import Visitor
from tests.with_lab.installation import until

WAITING = 20
REQUESTS = 100
#: Progress is told all the while; memory that this takes is there after some seconds.
SETTLED_S = 10.0
HOSTS = ("alpha", "beta", "gamma", "delta")
#: They need not run for this: they are started paused, and each destination waits in its hook.
GUESTS = {f"g{number}": HOSTS[number % len(HOSTS)] for number in range(WAITING)}
LIMITS_MIB = {"web": 180, "worker": 150}
PAGES = ("/", "/hosts/", "/guests/", "/jobs/", "/sites/", "/tokens/", "/audit/")
DOCUMENTS = ("sites/", "hosts/", "guests/", "jobs/", "migrations/", "events/", "schema/?format=json")


def run(report: Report, options: argparse.Namespace) -> None:
    """Fresh, then after requests and with all guests on the move."""
    plans = [f"{name}:shutoff:{host}:shared:64" for name, host in GUESTS.items()]
    with scene("memory", hosts=len(HOSTS), guests=plans) as drover:
        _tell(report, drover, "fresh")
        _read(drover)
        for name, host in GUESTS.items():
            drover.lab.virsh(host, "start", name, "--paused")
        until(lambda: all(drover.guest(name)["state"] == "paused" for name in GUESTS), 60, "all rows say paused")
        for host in HOSTS:
            drover.lab.hold(host, at="prepare")
        jobs = [drover.move(name, _next(host)) for name, host in GUESTS.items()]
        until(lambda: _waiting(drover) == WAITING, 90, f"{WAITING} migrations wait in libvirt's call")
        time.sleep(SETTLED_S)
        _tell(report, drover, f"{WAITING}_waiting", LIMITS_MIB)
        _tell_load(report, drover)
        if _waiting(drover) != WAITING:
            raise RuntimeError("some migrations did not wait")
        for host in HOSTS:
            drover.lab.release(host)
        for job in jobs:
            if (end := drover.finished(job, 180))["state"] != "succeeded":
                raise RuntimeError(f"{end['title']}: {end['error']}")
        _tell(report, drover, "afterwards")


def _next(host: str) -> str:
    return HOSTS[(HOSTS.index(host) + 1) % len(HOSTS)]


def _read(drover: Scene) -> None:
    """Pages as a person, documents as a program, the API's description included."""
    person = Visitor(drover.url)
    person.press(drover.login_link())
    program = Program(drover)
    for number in range(REQUESTS // 2):
        person.page(PAGES[number % len(PAGES)])
        path = DOCUMENTS[number % len(DOCUMENTS)]
        status, answer = program.ask("GET", path)
        if status != 200:
            raise RuntimeError(f"{path}: {status} {answer}")


def _waiting(drover: Scene) -> int:
    _, found = Program(drover).ask("GET", "jobs/?state=running&limit=100")
    return sum(job["stage"] == "memory" for job in found["results"])


def _tell(report: Report, drover: Scene, when: str, limits: dict[str, int] | None = None) -> None:
    for name in ("web", "worker", "watcher", "clock"):
        numbers = _memory_mib(drover.pid(name))
        report.line(f"memory.{name}.{when}.rss_mib", numbers["Rss"], (limits or {}).get(name))
        report.line(f"memory.{name}.{when}.pss_mib", numbers["Pss"])


def _memory_mib(pid: int) -> dict[str, float]:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name: int(kib) / 1024 for name, kib in re.findall(r"^(Rss|Pss):\s+(\d+) kB", text, re.MULTILINE)}


def _tell_load(report: Report, drover: Scene) -> None:
    """What telling and watching cost while all wait."""
    before = {name: _cpu_s(drover.pid(name)) for name in ("web", "worker", "watcher")}
    time.sleep(10)
    for name, spent in before.items():
        report.line(f"memory.{name}.{WAITING}_waiting.cpu_percent", 10 * (_cpu_s(drover.pid(name)) - spent))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
