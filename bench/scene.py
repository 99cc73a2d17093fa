"""Where a bench plays: a lab of its own and a whole Drover beside it, started as the product starts itself."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lab import Lab
from tests.with_lab.installation import Installation, until

#: The product's own figures, not those of the tests.
LEASE_S = 15
WORKER_THREADS = 32
KNOWN_S = 120


class Scene(Installation):
    """The processes with exactly the command lines and settings of an installation."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, port=_free_port())
        self.environment |= {"DROVER_LEASE_S": str(LEASE_S), "DROVER_WORKER_THREADS": str(WORKER_THREADS)}
        os.environ |= {name: self.environment[name] for name in self.environment if name.startswith(("DROVER_", "DJ"))}

    def start(self, name: str, *argv: str) -> None:
        """The product's own command line where it has one for this name."""
        from fleet.operate import programs  # noqa: PLC0415 - reads the settings, which read the environment

        known = {
            "web": lambda: programs.web("127.0.0.1", self.port),
            "worker": programs.worker,
            "watcher": programs.watcher,
        }
        super().start(name, *(known[name]() if name in known else argv))

    @property
    def url(self) -> str:
        """Where people go."""
        return f"http://127.0.0.1:{self.port}"

    def login_link(self) -> str:
        """Signs the admin in, once."""
        return self.manage("login_link", "--user", "admin", "--address", self.url).strip()

    def tell_logs(self) -> None:
        """What the programs said last, before their folder goes."""
        for name in self.programs:
            print(f"# {name}: {self.log(name)[-1500:]}", file=sys.stderr)

    def pid(self, name: str) -> int:
        """A program's process."""
        return self.programs[name].pid


@contextmanager
def scene(name: str, *, hosts: int, guests: Sequence[str], **lab_words: int) -> Iterator[Scene]:
    """A lab at one site and its Drover, with every guest known; both are gone afterwards, whatever happens."""
    lab = Lab.up(name=f"bench-{name}-{os.getpid()}", hosts=hosts, sites=1, guests=list(guests), **lab_words)
    try:
        drover = Scene(lab)
        try:
            drover.up()
            homes = {name: guest.host for name, guest in lab.guests.items()}
            until(lambda: all(drover.where(name) == home for name, home in homes.items()), KNOWN_S, "guests are known")
            yield drover
        except BaseException:
            drover.tell_logs()
            raise
        finally:
            drover.down()
    finally:
        lab.down()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
