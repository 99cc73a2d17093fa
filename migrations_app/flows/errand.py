"""One worker's hold on one migration: its rows, its pen and both hosts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from django.utils import timezone

from fleet.hypervisor import connect
from fleet.hypervisor.errors import HostUnreachable, HypervisorError
from fleet.hypervisor.interface import Hypervisor
from fleet.jobs.lease import Lease
from fleet.jobs.progress import Reporter
from fleet.models import Host
from migrations_app import outcome, terms
from migrations_app.models import Migration
from migrations_app.options import Options
from migrations_app.options import parse as parse_options
from migrations_app.outcome import Outcome, Side
from migrations_app.terms import Terms

if TYPE_CHECKING:
    from migrations_app.flows.outage import Watch


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What both hosts said, and what it means."""

    source: Side
    destination: Side
    #: Why a silent host was silent, in words.
    silence: str = ""
    #: The guest was off before the move.
    cold: bool = False

    @property
    def outcome(self) -> Outcome:
        """The meaning of both."""
        return outcome.decide(self.source, self.destination, cold=self.cold)


class Errand:
    """Everything the flows of one running migration share."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        rows = Migration.objects.select_related("job", "source__site", "destination__site", "guest")
        self.migration = rows.get(pk=lease.job_id)
        self.options: Options = parse_options(self.migration.options)
        self.terms: Terms = terms.load(self.migration.terms)
        self.uuid = str(self.migration.guest_uuid)
        self.began_at = timezone.now()
        self.adopted = False
        #: What listens to the guest from outside while it moves; None where nothing does.
        self.outage: Watch | None = None

    @cached_property
    def pen(self) -> Reporter:
        """The rows of the job; loaded at first use, by the thread that writes, so that hosts can be asked before."""
        return Reporter(self.lease)

    @property
    def source_row(self) -> Host:
        """The source's row; a host cannot be removed while its guest moves."""
        return _present(self.migration.source, self.migration.source_name)

    @property
    def destination_row(self) -> Host:
        """The destination's row."""
        return _present(self.migration.destination, self.migration.destination_name)

    @property
    def source(self) -> Hypervisor:
        """The warm connection to the source."""
        return connect.get(self.source_row.where())

    @property
    def destination(self) -> Hypervisor:
        """The warm connection to the destination."""
        return connect.get(self.destination_row.where())

    @property
    def cold(self) -> bool:
        """Whether the guest was off before the move and shall be off after it."""
        return self.migration.mode == Migration.Mode.COLD

    @property
    def name(self) -> str:
        """The guest's name, as the job began."""
        return self.migration.job.subject_name

    def ask(self) -> Answers:
        """Ask both hosts for the guest; a host that does not answer is silent, not absent."""
        answers = self._ask()
        # A guest that switches over between the two questions seems to run on both: only twice in a row is twice.
        return self._ask() if answers.outcome is Outcome.DOUBLE else answers

    def _ask(self) -> Answers:
        here, why_here = _look(self.source, self.uuid)
        there, why_there = _look(self.destination, self.uuid)
        return Answers(source=here, destination=there, silence=why_here or why_there, cold=self.cold)

    def ask_until_settled(self, *, patience_s: float, pause_s: float = 0.1) -> Answers:
        """Ask again while the two answers are half-way, at most `patience_s` seconds."""
        deadline = time.monotonic() + patience_s
        answers = self.ask()
        while answers.outcome is Outcome.MOVING and time.monotonic() < deadline and not self.lease.lost.is_set():
            time.sleep(pause_s)
            answers = self.ask()
        return answers


def _look(host: Hypervisor, uuid: str) -> tuple[Side, str]:
    try:
        return outcome.side(host.glimpse(uuid)), ""
    except HostUnreachable as error:
        return Side.SILENT, error.text
    except HypervisorError as error:
        # An answer that is no answer about the guest (access withdrawn, odd error) proves nothing either.
        return Side.SILENT, error.text


def _present(host: Host | None, name: str) -> Host:
    if host is None:
        raise HostUnreachable(f"{name} is not a host of this fleet any more", host=name)
    return host
