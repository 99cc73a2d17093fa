"""The watcher's bench, in a process of its own: it needs settings of its own."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from bench.numbers import Report


def run(report: Report, options: argparse.Namespace) -> None:
    """Pass its lines on; a missed target is told by its exit code too, so only a code above 1 is an error."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DROVER_", "DJANGO_"))}
    argv = [sys.executable, "-m", "bench.watcher"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        for line in process.stdout:
            report.adopt(line.rstrip("\n"))
    if process.returncode not in {0, 1}:
        raise RuntimeError(f"bench.watcher ended with {process.returncode}")
