"""A fleet in memory for transport "fake": the Protocol with every fault at the tester's fingertips.

lab = fake.fleet()                       # one per process; `fake.reset()` gives a new, empty one
alpha = lab.add_host("alpha")            # HostAddress(transport="fake", address="alpha")
lab.add_pool("shared", on=("alpha", "beta"))
web = alpha.add_guest("web", memory_mib=512)
lab.hold_migrations()                    # otherwise a migration succeeds at once
run = lab.wait_for_migration(web.uuid)   # a `FakeMigration`, driven step by step
"""

from __future__ import annotations

import threading
import uuid as uuids
from collections.abc import Sequence
from dataclasses import dataclass, field

from fleet.hypervisor.errors import HostUnreachable
from fleet.hypervisor.facts import GuestFacts, HostAddress, VolumeFacts
from fleet.hypervisor.fake_host import FakeHost
from fleet.hypervisor.fake_migration import FakeMigration
from fleet.hypervisor.interface import AgentWord, MigrationOrder

#: Names in here become the same UUIDs in every run.
SEED = uuids.UUID("d40e0000-0000-4000-8000-000000000000")


@dataclass(kw_only=True)
class FakeFolder:
    """Where a pool's volumes lie; a shared pool is one folder that several hosts see."""

    path: str
    capacity_bytes: int
    volumes: dict[str, VolumeFacts] = field(default_factory=dict)
    #: What the volumes hold, of those whose content matters.
    data: dict[str, bytearray] = field(default_factory=dict)
    markers: set[str] = field(default_factory=set)
    #: Texts of the notes among the volumes, by name.
    notes: dict[str, str] = field(default_factory=dict)
    #: Makes the next volume or copy fail with NoSpace.
    full: bool = False


class FakeFleet:
    """All fake hosts of this process; `lock` guards everything in them and wakes whoever waits."""

    def __init__(self) -> None:
        self.lock = threading.Condition(threading.RLock())
        self.hosts: dict[str, FakeHost] = {}
        self.migrations: list[FakeMigration] = []
        #: Saved guests by what their image holds.
        self.images: dict[bytes, GuestFacts] = {}
        self.held = False
        #: What guests' agents say and which addresses their neighbours know, by guest UUID.
        self.agents: dict[str, AgentWord] = {}
        self.neighbours: dict[str, tuple[str, ...]] = {}
        #: How long a call that was told to hang really waits before it is given up.
        self.deadline_s = 0.2

    def add_host(self, name: str, *, cpus: int = 8, memory_mib: int = 16_384, **facts: object) -> FakeHost:
        """A host that answers at once; `facts` replace fields of its `HostFacts`."""
        host = FakeHost(
            fleet=self, name=name, cpus=cpus, memory_mib=memory_mib, uuid=stable_uuid(f"host {name}"), **facts
        )
        with self.lock:
            self.hosts[name] = host
        return host

    def add_pool(
        self, name: str, *, on: Sequence[str], path: str = "", capacity_bytes: int = 100 << 30, kind: str = "dir"
    ) -> FakeFolder:
        """One folder seen by all hosts in `on`; several calls make several folders, even of one name."""
        folder = FakeFolder(path=path or f"/var/lib/libvirt/{name}", capacity_bytes=capacity_bytes)
        with self.lock:
            for host in on:
                self.hosts[host].pool_folders[name] = (folder, kind)
        return folder

    def get(self, address: HostAddress) -> FakeHost:
        """The host at this address; one that was never added is simply not there."""
        with self.lock:
            if address.address not in self.hosts:
                raise HostUnreachable(f"{address.name}: no such fake host", host=address.name)
            return self.hosts[address.address]

    def hold_migrations(self) -> None:
        """From now on each migration waits for the test to drive it."""
        self.held = True

    def begin_migration(self, source: FakeHost, uuid: str, order: MigrationOrder) -> FakeMigration:
        """A migration under way without any caller, as a killed worker leaves it."""
        with self.lock:
            run = FakeMigration(fleet=self, source=source, uuid=uuid, order=order)
            run.start()
            self.migrations.append(run)
            self.lock.notify_all()
        return run

    def running_migration(self, uuid: str) -> FakeMigration | None:
        """The unfinished migration of this guest, if there is one."""
        with self.lock:
            return next((run for run in self.migrations if run.uuid == uuid and not run.finished), None)

    def wait_for_migration(self, uuid: str, *, timeout_s: float = 20) -> FakeMigration:
        """Block until somebody has started a migration of this guest."""
        with self.lock:
            if not self.lock.wait_for(lambda: self.running_migration(uuid) is not None, timeout_s):
                raise AssertionError(f"nobody started a migration of {uuid} within {timeout_s} s")
            run = self.running_migration(uuid)
            if run is None:
                raise AssertionError(f"the migration of {uuid} was over before it could be looked at")
            return run

    def where(self, uuid: str) -> dict[str, str]:
        """Host name -> state of every copy of this guest: what an auditor would find."""
        with self.lock:
            return {name: host.guest_rows[uuid].state for name, host in self.hosts.items() if uuid in host.guest_rows}


_lock = threading.Lock()
_fleet = FakeFleet()


def fleet() -> FakeFleet:
    """The fake fleet of this process."""
    return _fleet


def reset() -> FakeFleet:
    """Forget everything and begin with an empty fleet."""
    global _fleet  # noqa: PLW0603 - one per process is the point
    with _lock:
        _fleet = FakeFleet()
        return _fleet


def stable_uuid(name: str) -> str:
    """The same UUID for the same name in every run."""
    return str(uuids.uuid5(SEED, name))
