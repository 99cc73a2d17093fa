"""One lab for all rows, and one Drover per database; every row begins with all guests at home and nothing broken."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator

import pytest

from lab import Lab
from tests.faults import seen
from tests.faults.database import Postgres
from tests.faults.installation import Installation
from tests.faults.matrix import ROWS, Row, quick
from tests.faults.scene import Scene
from tests.with_lab.installation import until

#: Both count their writes; db1's disk is shared between alpha and beta, db2's is copied. off1 is switched off.
GUESTS = [
    "off1:shutoff:alpha:local:96:disk_mib=128,data_mib=32",
    "db1:counter:alpha:shared:96",
    "db2:counter:alpha:local:96:disk_mib=128,data_mib=32",
]
#: libvirt gives a dead link up after 6 s instead of 30.
KEEPALIVE = "keepalive_interval = 2\nkeepalive_count = 3\n"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every row needs root and libvirt's own daemons; variants of other rows are left to long runs."""
    chosen = quick(ROWS)
    for item in items:
        if "scene_of" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.lab)
            item.add_marker(pytest.mark.faults)
            if item.callspec.params["row"].name not in chosen:
                item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def faulty_lab() -> Iterator[Lab]:
    """Three hosts at two sites, whose libvirtds notice a dead link soon."""
    if os.geteuid() != 0 or shutil.which("libvirtd") is None:
        pytest.skip("needs root and libvirtd")
    lab = Lab.up(name=f"faults-{os.getpid()}", hosts=3, sites=2, guests=GUESTS)
    try:
        for host in lab.hosts:
            lab.exec(host, "sh", "-c", f"printf '{KEEPALIVE}' >> /etc/libvirt/qemu.conf")
            lab.kill(host, daemon=True)
            lab.restart(host)
        yield lab
    finally:
        lab.down()


class Installations:
    """The Drover that runs now; asking for one on another database takes it down first."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.database = ""
        self.running: Installation | None = None
        self.postgres: Postgres | None = None

    def on(self, database: str) -> Installation:
        """A Drover on that database."""
        if self.running is None or self.database != database:
            self.down()
            self.postgres = Postgres() if database == "postgres" else None
            url = self.postgres.url if self.postgres else ""
            self.running, self.database = Installation(self.lab, port=free_port(), database_url=url), database
            self.running.up()
        return self.running

    def down(self) -> None:
        """End everything."""
        if self.running:
            self.running.down()
        if self.postgres:
            self.postgres.down()
        self.running = self.postgres = None


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="session")
def installations(faulty_lab: Lab) -> Iterator[Installations]:
    """Started at first use, over all rows."""
    kept = Installations(faulty_lab)
    try:
        yield kept
    finally:
        kept.down()


@pytest.fixture
def scene_of(faulty_lab: Lab, installations: Installations) -> Callable[[Row], Scene]:
    """Makes a row's scene: everything whole, everybody at home."""

    def make(row: Row) -> Scene:
        drover = installations.on(row.database)
        settle(faulty_lab, drover, installations.postgres)
        return Scene(faulty_lab, drover, guest=row.guest, wish=row.wish, postgres=installations.postgres)

    return make


def settle(lab: Lab, drover: Installation, postgres: Postgres | None) -> None:
    """Whatever the row before left: mended."""
    if postgres:
        postgres.revive()
    drover.revive()
    lab.heal_hosts()
    until(drover.answers, 30, "the web process answers")
    until(lambda: all(host["state"] == "up" for host in drover.get("hosts/")["results"]), 40, "all hosts are up")
    left = drover.unfinished()
    for job in left:
        drover.api("POST", f"jobs/{job['id']}/cancel/", {})
    # Before they are waited for: a guest that stands between two hosts is settled by being taken away.
    lab.reset(hard=bool(left))
    for job in left:
        drover.finished(job, 60)
    homes = {name: guest.host for name, guest in lab.guests.items()}
    until(lambda: all(drover.where(name) == home for name, home in homes.items()), 30, "every row says home")
    runs = [name for name, guest in lab.guests.items() if guest.runs]
    until(lambda: all(drover.guest(name)["state"] == "running" for name in runs), 30, "every row says running")


@pytest.fixture(scope="session")
def record() -> seen.Record:
    """What was seen, kept for docs/faults.md."""
    return seen.Record.load()
