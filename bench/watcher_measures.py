"""What bench/watcher.py measures, once a Drover of its own is set up."""

from __future__ import annotations

import argparse
import resource
import signal
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import libvirt
from django.db import connection
from django.utils import timezone

from bench.private_libvirtd import PrivateLibvirtd, write_node
from fleet.inventory import rounds
from fleet.inventory.watch import Watcher
from fleet.models import Guest, Host

#: Part of the hosts behind the daemon that is made to hang.
HUNG = 0.05
EVENTS = 100
PAIRS = 3
ROUNDS = 200
#: Hosts in the measurement of memory, so that ROUNDS rounds take seconds.
FEW = 60


def measure(home: Path, options: argparse.Namespace) -> int:

    hung = max(round(options.hosts * HUNG), 1)
    daemons: list[PrivateLibvirtd] = []
    results: list[bool] = []
    try:
        well, ill = PrivateLibvirtd(home / "well"), PrivateLibvirtd(home / "ill")
        daemons += [well, ill]
        _add_hosts(home, well, options.hosts - hung, options.guests, "well")
        _add_hosts(home, ill, hung, options.guests, "ill")
        _add_default(well)
        report = _report(results)
        # Calm while a thousand unknown hosts are read for the first time; then as fast as it can.
        with _watcher(beat_s=10.0) as watcher:
            _all_rounds(watcher, options.hosts, options.seconds, ill, report)
            rounds.LOOK_EVERY_S = 1.0
            _events(watcher, well, report)
        _leave_few(FEW)
        with _watcher() as watcher:
            _memory(watcher, report)
    finally:
        for daemon in daemons:
            daemon.stop()
    return 0 if all(results) else 1


def _report(results: list[bool]) -> Callable[..., None]:
    def line(name: str, value: float, target: float, *, least: bool = False) -> None:
        ok = value >= target if least else value <= target
        results.append(ok)
        print(f"{name} {value:.4g} {'>=' if least else '<='}{target:g} {'ok' if ok else 'MISSED'}", flush=True)

    return line


def _add_hosts(home: Path, daemon: Any, hosts: int, guests: int, name: str) -> None:

    rows = []
    for number in range(hosts):
        path = home / f"{name}{number}.xml"
        write_node(path, guests)
        rows.append(_row(f"{name}{number}", str(path), daemon.port))
    Host.objects.bulk_create(rows)


def _add_default(daemon: Any) -> None:
    """The one test host whose state all connections of a daemon share: another client can change its guest."""
    _row("shared", "default", daemon.port).save()


def _row(name: str, address: str, port: int) -> Any:

    return Host(name=name, address=address, transport="test", port=port, hardware_uuid=uuid.uuid4(), memory_mib=16_384)


@contextmanager
def _watcher(beat_s: float = 0.0) -> Iterator[Any]:
    """A running watcher that looks at a host again after `beat_s`; 0 is as often as it can."""

    rounds.LOOK_EVERY_S, rounds.BEGIN_PER_S = beat_s, 200
    watcher, stop = Watcher("bench"), threading.Event()
    thread = threading.Thread(target=watcher.run, args=[stop])
    thread.start()
    try:
        yield watcher
    finally:
        stop.set()
        thread.join()
        connection.close()


def _all_rounds(watcher: Any, hosts: int, seconds: float, ill: Any, report: Callable[..., None]) -> None:
    began = time.monotonic()
    _until(lambda: len(watcher.hosts) > hosts and all(one.inventories for one in list(watcher.hosts.values())), 600)
    print(f"# {hosts} hosts known and inventoried after {time.monotonic() - began:.1f} s", flush=True)
    _until(lambda: not Guest.objects.filter(memory_mib=0).exists(), 600)
    watcher.ledger.settle(wait_s=60)
    print(f"# {Guest.objects.count()} guests described after {time.monotonic() - began:.1f} s", flush=True)
    rounds.LOOK_EVERY_S = 0.0
    others = [one for one in watcher.hosts.values() if not one.address.name.startswith("ill")]
    written, looks = watcher.ledger.written, _looks(watcher.hosts.values())
    all_rate, _ = _rates(list(watcher.hosts.values()), others, seconds)
    watcher.ledger.settle(wait_s=60)
    looks = _looks(watcher.hosts.values()) - looks
    report("watcher.hosts_per_second", all_rate, 300, least=True)
    # Samples of load are written when they moved; a test host's load is made up, so it stands still.
    report("watcher.writes_per_100_quiet_looks", 100 * (watcher.ledger.written - written) / max(looks, 1), 5)
    # In pairs, close together, as the machine has other things to do as well.
    pairs = [_pair(watcher, others, seconds, ill) for _ in range(PAIRS)]
    report("watcher.slower_with_hung_hosts_percent", statistics.median(slower for slower, _ in pairs), 5)
    report("watcher.hosts_back_after_seconds", max(back_s for _, back_s in pairs), 20)


def _pair(watcher: Any, others: list[Any], seconds: float, ill: Any) -> tuple[float, float]:
    """By how many percent the others' looks got fewer while some hosts hung, and how soon those were back."""
    _, before = _rates(others, others, seconds)
    ill.signal(signal.SIGSTOP)
    _, after = _rates(others, others, seconds)
    _until(lambda: _unreachable() >= len(watcher.hosts) - len(others), 30)
    ill.signal(signal.SIGCONT)
    began = time.monotonic()
    _until(lambda: _unreachable() == 0, 60)
    return 100 * (1 - after / before), time.monotonic() - began


def _rates(every: list[Any], others: list[Any], seconds: float) -> tuple[float, float]:
    """Looks per second at all, and at the others."""
    began, all_before, before = time.monotonic(), _looks(every), _looks(others)
    time.sleep(seconds)
    passed = time.monotonic() - began
    return (_looks(every) - all_before) / passed, (_looks(others) - before) / passed


def _looks(hosts: Any) -> int:
    return sum(one.looks for one in list(hosts))


def _unreachable() -> int:

    return Host.objects.filter(contact=Host.Contact.UNREACHABLE).count()


def _events(watcher: Any, daemon: Any, report: Callable[..., None]) -> None:
    """Pause and resume a guest as another client; the row says when it followed."""

    _until(lambda: Guest.objects.filter(host__name="shared", state="running").exists(), 60)
    watcher.ledger.settle(wait_s=60)
    connection = libvirt.open(f"test+tcp://127.0.0.1:{daemon.port}/default")
    domain = connection.listAllDomains()[0]
    latencies = []
    for number in range(EVENTS):
        wanted, act = ("paused", domain.suspend) if number % 2 == 0 else ("running", domain.resume)
        row = Guest.objects.filter(uuid=domain.UUIDString(), state=wanted)
        began = timezone.now()
        act()
        _until(row.exists, 10, every_s=0.01)
        latencies.append(1000 * (row.get().updated_at - began).total_seconds())
        time.sleep(0.05)
    connection.close()
    report("watcher.event_to_row_ms_median", statistics.median(latencies), 100)
    report("watcher.event_to_row_ms_99_percent", statistics.quantiles(latencies, n=100)[98], 500)


def _leave_few(count: int) -> None:

    keep = list(Host.objects.order_by("name").values_list("pk", flat=True)[:count])
    Host.objects.exclude(pk__in=keep).delete()


def _memory(watcher: Any, report: Callable[..., None]) -> None:
    _until(lambda: watcher.hosts and all(one.inventories for one in list(watcher.hosts.values())), 120)
    start, before = min(one.looks for one in watcher.hosts.values()), _resident_mib()
    _until(lambda: min(one.looks for one in watcher.hosts.values()) >= start + ROUNDS, 300)
    report(f"watcher.memory_growth_mib_over_{ROUNDS}_rounds", _resident_mib() - before, 2)
    print(f"# resident now {_resident_mib():.0f} MiB")


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _until(condition: Callable[[], Any], within_s: float, *, every_s: float = 0.1) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            print("it did not come about in time", file=sys.stderr)
            raise SystemExit(2)
        time.sleep(every_s)
