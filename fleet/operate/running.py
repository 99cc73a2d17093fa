"""Bring an installation up in the foreground, and end it in order."""

from __future__ import annotations

import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from django.conf import settings
from django.core.management import call_command

from fleet.operate import following, listening, programs
from fleet.operate.lines import Lines
from fleet.operate.places import Places
from fleet.operate.supervisor import Supervisor
from fleet.refusals import Refused

WEB_READY_S = 120


class Ended(Exception):
    """Ctrl-C, a closed terminal, or `make down` from another shell."""


@contextmanager
def until_ended() -> Iterator[None]:
    """Turns the signals that mean "end" into Ended, once; further ones change nothing, the end is under way."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        for each in ENDING:
            signal.signal(each, signal.SIG_IGN)
        raise Ended

    before = {each: signal.signal(each, on_signal) for each in ENDING}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def prepare_database(places: Places, lines: Lines) -> None:
    """Bring the tables to this version."""
    began = time.monotonic()
    with places.log("database").open("w") as log:
        call_command("migrate", interactive=False, verbosity=1, stdout=log, stderr=log)
    lines.step("database", f"is ready ({time.monotonic() - began:.1f} s)")


class Processes:
    """The processes of this installation, under their supervisor."""

    def __init__(self, places: Places, *, address: str, port: int) -> None:
        self.address, self.port = address, port
        self.programs = programs.of_installation(address=address, port=port)
        self.supervisor = Supervisor(places)
        self.places = places

    @property
    def url(self) -> str:
        """Where people go."""
        return listening.url(self.address, self.port)

    @property
    def names(self) -> list[str]:
        """In the order they start."""
        return [program.name for program in self.programs]

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start them, without waiting."""
        # WhiteNoise warns of a missing folder at every start; without one it serves what the finders find.
        settings.STATIC_ROOT.mkdir(exist_ok=True)
        self.supervisor.start(self.programs, environment or {})

    def wait(self) -> None:
        """Until all run and the web process answers."""
        self.supervisor.wait_until_up(self.names)
        deadline = time.monotonic() + WEB_READY_S
        while not self._answers():
            if time.monotonic() > deadline or not self.supervisor.is_alive():
                raise self.supervisor.refusal("web", "The web process does not answer.")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:  # noqa: S310 - our own address
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def follow(self, lines: Lines) -> None:
        """Show the joint log from now on, until the supervisor ends; Ended comes through."""
        following.follow(
            self.places,
            [*self.names, "supervisor"],
            write=lines.text,
            go_on=self.supervisor.is_alive,
            colour=lines.stream.isatty(),
            from_now=True,
        )
        raise Refused("The supervisor has ended.", code="process_failed", remedy="Start again.")

    def end(self) -> None:
        """In the opposite order."""
        self.supervisor.end()


def network_environment(address: str) -> dict[str, str]:
    """Host names the web process answers to when it listens to more than this machine."""

    if listening.is_loopback(address) or os.environ.get("DROVER_ALLOWED_HOSTS"):
        return {}
    own = {address, socket.gethostname(), socket.getfqdn()} - {"0.0.0.0", "::"}  # noqa: S104
    return {"DROVER_ALLOWED_HOSTS": ",".join(["localhost", "127.0.0.1", "[::1]", *sorted(own)])}
