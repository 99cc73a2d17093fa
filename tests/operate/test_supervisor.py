"""The supervisor with programs that are easy to watch."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from fleet.operate.places import Places
from fleet.operate.programs import Program
from fleet.operate.supervisor import Supervisor, configuration
from fleet.refusals import Refused
from tests.operate.conftest import is_running, until

SAY_PID = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


def sleeper(name: str, rank: int = 1) -> Program:
    return Program(name=name, argv=(sys.executable, "-c", SAY_PID), rank=rank)


@pytest.fixture
def supervisor(places: Places):
    found = Supervisor(places)
    yield found
    found.end()


def pids(places: Places, name: str) -> list[int]:
    return [int(line) for line in places.log(name).read_text().split()]


def test_what_dies_is_started_again(places: Places, supervisor: Supervisor) -> None:
    supervisor.start([sleeper("web"), sleeper("worker")], {})
    supervisor.wait_until_up(["web", "worker"])
    [first] = pids(places, "web")
    os.kill(first, signal.SIGKILL)
    until(lambda: len(pids(places, "web")) == 2)
    assert is_running(pids(places, "web")[1])
    assert len(pids(places, "worker")) == 1


def test_the_end_leaves_nothing(places: Places, supervisor: Supervisor) -> None:
    supervisor.start([sleeper("web"), sleeper("worker")], {})
    supervisor.wait_until_up(["web", "worker"])
    running = pids(places, "web") + pids(places, "worker")
    supervisor.end()
    assert not any(is_running(pid) for pid in running)
    assert not places.control_socket.exists()


def test_a_killed_supervisor_leaves_nothing_either(places: Places, supervisor: Supervisor) -> None:
    supervisor.start([sleeper("web")], {})
    supervisor.wait_until_up(["web"])
    [running] = pids(places, "web")
    assert supervisor.process is not None
    supervisor.process.kill()
    until(lambda: not is_running(running), 10)


def test_a_program_that_keeps_dying_is_named_with_its_last_words(places: Places, supervisor: Supervisor) -> None:
    broken = Program(name="web", argv=(sys.executable, "-c", "raise SystemExit('no such thing')"), rank=1)
    supervisor.start([broken], {})
    with pytest.raises(Refused, match=r"'web' does not come up(.|\n)*no such thing"):
        supervisor.wait_until_up(["web"], timeout_s=20)


def test_percent_signs_reach_the_program(places: Places) -> None:
    text = configuration(places, [Program(name="worker", argv=("celery", "-n", "worker@%h"), rank=1)])
    assert "worker@%%h" in text
