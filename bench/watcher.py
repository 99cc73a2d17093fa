"""How fast one watcher looks at hosts, how soon an event is in the database, and what hung hosts cost the others.

Hosts are of libvirt's test driver behind real libvirtd daemons, so every look is a real round trip. Needs root.

    python -m bench.watcher [--hosts 1000] [--guests 20] [--seconds 15]
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
from django.core.management import call_command


def main(arguments: list[str] | None = None) -> int:
    """Print `name value target ok|MISSED` lines; 0 when every target was met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--guests", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=15, help="length of each measurement")
    options = parser.parse_args(arguments)
    # Whoever ends us early still gets the daemons taken down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    home = Path(tempfile.mkdtemp(prefix="drover-bench-"))
    try:
        with _installation(home):
            from bench.watcher_measures import measure  # noqa: PLC0415 - needs Django, which needs the environment

            return measure(home, options)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _installation(home: Path) -> Iterator[None]:
    """A Drover of its own: SQLite, private Redis, the test transport allowed."""
    os.environ |= {
        "DROVER_HOME": str(home),
        "DROVER_TRANSPORTS": "test",
        "DROVER_LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "fleet.settings",
    }
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536), most))
    redis = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(home / "redis.sock"), "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    try:
        django.setup()
        call_command("migrate", verbosity=0)
        yield
    finally:
        redis.terminate()
        redis.wait()


if __name__ == "__main__":
    sys.exit(main())
