"""`python -m bench [NAME ...]`: every bench in turn, or those named; ends with a summary of what was met."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import traceback
from datetime import UTC, datetime

from bench import copying, emptying, forecasts, live, memory, migration, policies, requests, watching
from bench.numbers import Report

BENCHES = {
    "migration": migration.run,
    "policies": policies.run,
    "copying": copying.run,
    "live": live.run,
    "memory": memory.run,
    "requests": requests.run,
    "watcher": watching.run,
    "emptying": emptying.run,
    "forecasts": forecasts.run,
}


def main() -> int:
    """0 unless something broke; a missed target is told, not an error."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; all where none is named")
    parser.add_argument("--pairs", type=int, default=20, help="pairs of migrations for each comparison")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHES):
        parser.error(f"there is no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    report = Report(write=lambda text: print(text, flush=True))
    # Whoever ends us early still gets lab and processes taken down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    report.note(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, Linux {platform.release()}")
    broken = [name for name in options.names or BENCHES if not _ran(name, report, options)]
    report.close()
    if broken:
        report.note(f"broken: {', '.join(broken)}")
    return 1 if broken else 0


def _ran(name: str, report: Report, options: argparse.Namespace) -> bool:
    report.note(f"---- {name} (load {os.getloadavg()[0]:.1f}) ----")
    try:
        BENCHES[name](report, options)
    except Exception:
        traceback.print_exc()
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
