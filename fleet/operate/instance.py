"""The one running instance of an installation: who holds it, where it listens, how to end it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import IO

from fleet.operate.places import Places
from fleet.refusals import NotNow

#: A lab and five processes have to end in this time.
END_S = 90


@dataclass(frozen=True, kw_only=True)
class Instance:
    """What runs. `url` is empty while it is starting; `lab` is empty when there is none."""

    pid: int
    kind: str
    url: str = ""
    lab: str = ""

    @classmethod
    def mine(cls, kind: str, lab: str = "") -> Instance:
        """Of this process, which is only starting."""
        return cls(pid=os.getpid(), kind=kind, lab=lab)


class AlreadyRunning(NotNow):
    """Another process holds this installation."""

    def __init__(self, instance: Instance | None) -> None:
        where = f" at {instance.url}" if instance and instance.url else ""
        super().__init__(f"Drover is running already{where}.", code="already_running", remedy="End it with: make down")
        self.instance = instance


@contextmanager
def held(places: Places, instance: Instance) -> Iterator[None]:
    """Hold the installation; the lock goes with the process, so a killed one leaves none. Raises AlreadyRunning."""
    places.make()
    with places.lock.open("a") as handle:
        if not _take(handle):
            raise AlreadyRunning(read(places))
        write(places, instance)
        yield


def forget(places: Places) -> None:
    """All of it has ended; without this the record tells `make down` what is still to be cleared away."""
    places.instance.unlink(missing_ok=True)


def is_held(places: Places) -> bool:
    """Whether somebody runs it now."""
    if not places.lock.exists():
        return False
    with places.lock.open("a") as handle:
        return not _take(handle)


def _take(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write(places: Places, instance: Instance) -> None:
    """Replace the record in one step."""
    fresh = places.instance.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(instance)))
    fresh.replace(places.instance)


def update(places: Places, **values: str) -> None:
    """Change some of the record."""
    found = read(places)
    if found is not None:
        write(places, replace(found, **values))  # type: ignore[arg-type]


def read(places: Places) -> Instance | None:
    """The record, which may be of an instance that was killed; None where there is none."""
    try:
        return Instance(**json.loads(places.instance.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def end(places: Places) -> Instance | None:
    """End what runs and wait for it; returns the record it left if it had been killed before, else None.

    NotNow when it does not end.
    """
    if is_held(places):
        found = read(places)
        if found is not None:
            os.kill(found.pid, signal.SIGTERM)
        deadline = time.monotonic() + END_S
        while is_held(places):
            if time.monotonic() > deadline:
                pid = found.pid if found else "?"
                raise NotNow(f"Process {pid} does not end.", code="does_not_end", remedy=f"Kill it: kill -9 {pid}")
            time.sleep(0.1)
    return read(places)
