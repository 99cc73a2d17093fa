"""The demo, as a newcomer or CI starts it."""

from __future__ import annotations

import subprocess

import pytest

from fleet.operate.places import Places


def test_own_hosts_that_cannot_be_read_are_refused_before_anything_starts(manage) -> None:
    done = manage("demo", "--hosts", "qemu+ssh://kvm1/system")
    assert done.returncode == 1
    assert "ssh://USER@ADDRESS" in done.stderr
    assert done.stdout == ""


def test_a_lab_does_not_come_into_an_installation_with_keys_of_its_own(places: Places, manage) -> None:
    (places.home / "pki").mkdir()
    done = manage("demo")
    assert done.returncode == 1
    assert "DROVER_HOME=var/demo make demo" in done.stderr
    assert done.stdout == ""


@pytest.mark.lab
def test_the_check_moves_a_guest_and_proves_it(manage) -> None:
    done = manage("demo", "--check", "--lab", "democheck", timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"single_copy": true' in done.stdout
    assert "exactly one copy of" in done.stdout
    assert "All good" in done.stdout
    labs = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert "democheck" not in labs
