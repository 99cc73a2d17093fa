"""A whole installation with its real processes, from the first start to nothing left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.operate import instance
from fleet.operate.places import Places
from tests.operate.conftest import ROOT, until

UP_S = 240


@pytest.fixture
def url() -> str:
    """An address that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def up(places: Places, environment: dict[str, str], url: str) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py up`, when it says that it is up."""
    with places.log("terminal").open("wb") as terminal:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--listen", url.removeprefix("http://")],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
    until(lambda: process.poll() is not None or "Drover is at" in said(places), UP_S)
    assert process.poll() is None, said(places)
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(60)


def said(places: Places) -> str:
    return places.log("terminal").read_text()


def running(places: Places) -> dict[int, str]:
    """Every process of this home, by what its environment says."""
    mark = f"DROVER_HOME={places.home}\0".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
    return found


def pid_of(places: Places, words: str) -> int:
    """The one process with these words in its command line."""
    [found] = [pid for pid, line in running(places).items() if words in line]
    return found


def test_it_answers_heals_itself_and_leaves_nothing(places: Places, url: str, up, manage) -> None:
    with urllib.request.urlopen(f"{url}/healthz", timeout=10) as answer:
        assert answer.status == 200
    until(lambda: manage("doctor", "--only", "worker").returncode == 0)

    # A second one is told where the first one is and changes nothing.
    second = manage("up")
    assert second.returncode == 1
    assert f"running already at {url}" in second.stderr

    # What dies comes back.
    worker = pid_of(places, " worker -P ")
    os.kill(worker, signal.SIGKILL)
    until(lambda: [pid for pid, line in running(places).items() if " worker -P " in line and pid != worker])
    until(lambda: manage("doctor", "--only", "worker").returncode == 0)

    # Nobody else can read what it wrote, and no secret stands in a command line.
    assert places.home.stat().st_mode & 0o077 == 0
    secret = (places.home / "secrets" / "secret_key").read_text().strip()
    assert secret not in " ".join(running(places).values())

    assert manage("down").stdout == "Ended.\n"
    assert up.wait(10) == 0
    assert running(places) == {}
    assert not places.redis_socket.exists()
    assert not instance.is_held(places)


def test_after_a_kill_nothing_is_left_that_disturbs_the_next_start(places: Places, url: str, up, manage) -> None:
    up.kill()
    up.wait()
    until(lambda: running(places) == {}, 60)
    assert manage("down").stdout == "Ended.\n"
    assert manage("down").stdout == "Nothing runs here.\n"
