"""One instance per installation."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from fleet.operate import instance
from fleet.operate.instance import AlreadyRunning, Instance
from fleet.operate.places import Places
from tests.operate.conftest import ROOT, until

HOLD = """
import sys, time
from pathlib import Path
from fleet.operate import instance
from fleet.operate.places import Places
with instance.held(Places(Path(sys.argv[1])), instance.Instance.mine("up", "some-lab")):
    time.sleep(60)
"""


@pytest.fixture
def holder(places: Places):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(places.home)], cwd=ROOT)
    until(lambda: (found := instance.read(places)) and found.pid == process.pid)
    yield process
    process.kill()
    process.wait()


def test_a_second_one_is_told_where_the_first_one_is(places: Places, holder) -> None:
    instance.update(places, url="http://127.0.0.1:8000")
    with (
        pytest.raises(AlreadyRunning, match=r"at http://127\.0\.0\.1:8000") as refusal,
        instance.held(places, Instance.mine("up")),
    ):
        pass
    assert refusal.value.instance is not None
    assert refusal.value.instance.pid == holder.pid


def test_a_killed_one_leaves_no_lock_but_the_record_of_its_lab(places: Places, holder) -> None:
    holder.kill()
    holder.wait()
    assert not instance.is_held(places)
    left = instance.end(places)
    assert left is not None
    assert left.lab == "some-lab"
    with instance.held(places, Instance.mine("up")):
        assert instance.read(places) == Instance(pid=os.getpid(), kind="up")


def test_ending_waits_until_it_has_ended(places: Places, holder) -> None:
    instance.end(places)
    assert not instance.is_held(places)
    assert holder.wait(5) == -signal.SIGTERM


def test_ending_nothing_is_no_error(places: Places) -> None:
    assert instance.end(places) is None
