"""Boundary. Where a lab's files are, its lock and its state file."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.plan import GuestPlan, HostPlan, LabPlan, SitePlan


def labs_home() -> Path:
    """The folder of all labs of this machine."""
    return Path(os.environ.get("DROVER_LAB_HOME", "/var/lib/drover-lab"))


def cache_home() -> Path:
    """What every lab can use again: the guests' kernel, initramfs and QEMU's probed capabilities."""
    return Path(os.environ.get("DROVER_LAB_CACHE", "/var/cache/drover-lab"))


@dataclass(frozen=True)
class Places:
    """The folder of one lab."""

    name: str

    @property
    def home(self) -> Path:
        """Everything of this lab."""
        return labs_home() / self.name

    @property
    def state(self) -> Path:
        """The recorded plan; without it there is no lab."""
        return self.home / "state.json"

    @property
    def mark(self) -> Path:
        """Where each of the lab's mount namespaces carries its mark (see processes.py)."""
        return self.home / "mark"

    @property
    def pki(self) -> Path:
        """The certificate authority; the manager's folder is `client` in it."""
        return self.home / "pki"

    @property
    def ssh(self) -> Path:
        """The manager's key pair and known_hosts."""
        return self.home / "ssh"

    def host(self, name: str) -> Path:
        """The private folders of a host."""
        return self.home / "hosts" / name

    def shared(self, site: str) -> Path:
        """What the hosts of a site see as /srv/shared."""
        return self.home / "sites" / site / "shared"

    def locks(self, site: str) -> Path:
        """Where the virtlockd of a site's hosts exclude each other, seen by them as /srv/locks."""
        return self.home / "sites" / site / "locks"

    def serial(self, guest: str) -> Path:
        """The guest's console log: the same path on every host, so it goes on after a migration."""
        return self.home / "serial" / f"{guest}.log"


def known_labs() -> list[str]:
    """Names of the labs that have a state file, in order."""
    return sorted(path.parent.name for path in labs_home().glob("*/state.json"))


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock; it goes with the process, so a killed run leaves none behind."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if is_at(handle.fileno(), path):  # else `down` removed it while we waited
                yield
                return


def is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def lock_file(name: str) -> Path:
    """Beside the lab's folder, because it is held while that comes and goes."""
    return labs_home() / f".{name}.lock"


def lab_lock(name: str) -> contextlib.AbstractContextManager[None]:
    """One `up`, `down` or `reset` of a lab at a time."""
    return locked(lock_file(name))


def subnets_lock() -> contextlib.AbstractContextManager[None]:
    """One choice of a subnet at a time."""
    return locked(labs_home() / ".subnets.lock")


def forget_labs_home(name: str) -> None:
    """Remove a lab's lock, held by the caller, and the folder of all labs with the last one."""
    lock_file(name).unlink(missing_ok=True)
    if any(path.name != ".subnets.lock" for path in labs_home().iterdir()):
        return
    with subnets_lock():
        if not known_labs():
            (labs_home() / ".subnets.lock").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        labs_home().rmdir()


def write_state(places: Places, state: dict[str, Any]) -> None:
    """Replace the state file in one step."""
    places.home.mkdir(parents=True, exist_ok=True, mode=0o755)
    fresh = places.state.with_suffix(".new")
    fresh.write_text(json.dumps(state, indent=1))
    fresh.replace(places.state)


def read_state(places: Places) -> dict[str, Any] | None:
    """None where no such lab is recorded."""
    try:
        found: dict[str, Any] = json.loads(places.state.read_text())
    except FileNotFoundError:
        return None
    return found


def plan_to_json(plan: LabPlan) -> dict[str, Any]:
    """A plan as plain values."""
    return asdict(plan)


def plan_from_json(value: dict[str, Any]) -> LabPlan:
    """The plan a state file holds."""
    return LabPlan(
        **{
            **value,
            "sites": tuple(SitePlan(**site) for site in value["sites"]),
            "hosts": tuple(HostPlan(**host) for host in value["hosts"]),
            "guests": tuple(GuestPlan(**guest) for guest in value["guests"]),
        }
    )
