"""Homes of their own for the processes that these tests start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleet.operate.places import Places

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def places() -> Iterator[Places]:
    """A short path, because sockets lie in it."""
    home = Path(tempfile.mkdtemp(prefix="drover-home-"))
    found = Places(home)
    found.make()
    yield found
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def environment(places: Places) -> dict[str, str]:
    """What a shell would have in which somebody works on that home, and nothing of the tests' own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DROVER_", "DJANGO_", "PYTEST_"))}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**kept, "DROVER_HOME": str(places.home), "PATH": path}


@pytest.fixture
def manage(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """manage.py, to its end."""

    def run(*words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


def until(condition: Callable[[], object], timeout_s: float = 60) -> None:
    """Poll a condition; a failed assertion after the deadline."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
