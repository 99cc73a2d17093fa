"""The watcher's bench, in a process of its own: it needs settings of its own."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from bench.numbers import Report


def run(report: Report, options: argparse.Namespace) -> None:
    """Pass its lines on; it ends with 1 when a target was missed, so 1 without such a line is an error."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DROVER_", "DJANGO_"))}
    argv = [sys.executable, "-m", "bench.watcher"]
    missed = len(report.missed)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        for line in process.stdout:
            report.adopt(line.rstrip("\n"))
    if process.returncode and not (process.returncode == 1 and len(report.missed) > missed):
        raise RuntimeError(f"bench.watcher ended with {process.returncode}")
