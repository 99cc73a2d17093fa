"""What a request costs the web process: milliseconds and database queries, with 3 and with 300 guests."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.numbers import Report

SIZES = (3, 300)
TIMES = 40
LISTS = ("guests", "hosts", "jobs", "migrations")


def run(report: Report, options: argparse.Namespace) -> None:
    """In a process of its own, because its settings are its own; lists must not ask more for more rows."""
    home = Path(tempfile.mkdtemp(prefix="drover-bench-"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DROVER_", "DJANGO_"))}
    environment |= {
        "DROVER_HOME": str(home),
        "DROVER_TRANSPORTS": "tls,fake",
        "DJANGO_SETTINGS_MODULE": "fleet.settings",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bench.requests"], env=environment, stdout=subprocess.PIPE, check=True
        )
    finally:
        shutil.rmtree(home, ignore_errors=True)
    found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    for name, sizes in found.items():
        for size, numbers in sizes.items():
            report.spread(f"requests.{name}.{size}_guests_ms", numbers["ms"])
            report.line(f"requests.{name}.{size}_guests_queries", numbers["queries"])
        few, many = (sizes[str(size)]["queries"] for size in SIZES)
        report.line(f"requests.{name}.more_queries_for_more_guests", many - few, 0)


def measure() -> None:
    """Print one JSON line: {name: {guests: {ms: [...], queries: N}}}."""
    import django  # noqa: PLC0415 - after the environment is set

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    from bench.crowd import Crowd  # noqa: PLC0415 - needs Django

    crowd = Crowd()
    found: dict[str, dict[str, Any]] = {}
    for size in SIZES:
        crowd.grow(size)
        for name in LISTS:
            found.setdefault(f"list_{name}", {})[str(size)] = _timed(
                crowd, lambda name=name: crowd.get(f"{name}/?limit=500")
            )
        found.setdefault("post_dry_run", {})[str(size)] = _timed(crowd, crowd.dry_run)
    print(json.dumps(found))


def _timed(crowd: Any, ask: Callable[[], None]) -> dict[str, Any]:
    ask()
    queries = crowd.queries_of(ask)
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        ask()
        took.append(1000 * (time.perf_counter() - began))
    return {"ms": took, "queries": queries}


if __name__ == "__main__":
    measure()
