"""One lab and one whole Drover for all tests with real hosts; every test begins with all guests at home."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator

import pytest

from lab import Lab
from tests.with_lab.installation import Installation, until

#: name:temperament:host:pool:memory. db1 proves that no write is lost; web1 has an agent.
GUESTS = [
    "web1:idle:alpha:shared:96:agent=1",
    "cache1:dirty:alpha:shared:96:rate=20",
    "db1:counter:alpha:shared:96",
    "db2:counter:alpha:local:96:data_mib=64",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs root and libvirt's own daemons."""
    for item in items:
        if "with_lab" in str(item.path):
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def real_lab() -> Iterator[Lab]:
    """Three hosts at two sites: alpha and beta at north, gamma at south."""
    if os.geteuid() != 0 or shutil.which("libvirtd") is None:
        pytest.skip("needs root and libvirtd")
    lab = Lab.up(name=f"test-{os.getpid()}", hosts=3, sites=2, guests=GUESTS)
    yield lab
    lab.down()


@pytest.fixture(scope="session")
def running_drover(real_lab: Lab) -> Iterator[Installation]:
    """The processes, over all tests of the session."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    installation = Installation(real_lab, port=port)
    try:
        installation.up()
        yield installation
    finally:
        installation.down()


@pytest.fixture
def drover(real_lab: Lab, running_drover: Installation) -> Installation:
    """Drover with every guest at home, every host up and no job open."""
    _settle(real_lab, running_drover)
    return running_drover


def _settle(lab: Lab, drover: Installation) -> None:
    for name, argv in (("redis", drover.start_redis), ("worker", lambda: drover.start_worker("worker"))):
        if drover.programs[name].poll() is not None:
            argv()
    lab.heal_hosts()
    until(lambda: all(host["state"] == "up" for host in drover.get("hosts/")["results"]), 40, "all hosts are up")
    for job in drover.get("jobs/?limit=50")["results"]:
        if not job["finished_at"]:
            drover.api("POST", f"jobs/{job['id']}/cancel/", {})
            drover.finished(job, 60)
    lab.reset()
    homes = {name: guest.host for name, guest in lab.guests.items()}
    until(lambda: all(drover.where(name) == home for name, home in homes.items()), 30, "every row says home")
    until(lambda: all(drover.guest(name)["state"] == "running" for name in homes), 30, "every row says running")
