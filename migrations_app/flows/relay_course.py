"""A move through the worker as people and its successor see it: notes stored, progress told, wishes heard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from fleet.documents.times import rfc3339
from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.facts import JobSample
from fleet.jobs.progress import LeaseLost
from fleet.refusals import Refused
from fleet.states import StepState
from migrations_app import measures
from migrations_app.flows import share
from migrations_app.flows.before import Cancelled
from migrations_app.flows.errand import Errand
from migrations_app.flows.plain_steering import PlainSteering
from migrations_app.models import Migration
from migrations_app.relay_notes import BEFORE_HAND_OVER, FileNote, Notes, Stage

#: How often the page is told: four a second is what it shows smoothly.
TELL_EVERY_S = 0.25
ALLOTMENT_EVERY_S = 1.0


class Course:
    """One worker's part of the way."""

    def __init__(self, errand: Errand, notes: Notes) -> None:
        self.errand, self.notes = errand, notes
        self.began = time.monotonic()
        self.steering = PlainSteering(errand)
        #: What the queue lets it take of the links, asked for about once a second.
        self._allotted_mib_s, self._asked_at = 0, 0.0
        self.elapsed_before_ms = int(errand.pen.job.progress.get("elapsed_ms") or 0)
        self._told_at, self._told_bytes, self._rate = 0.0, self._moved(), 0

    @property
    def limit_mib_s(self) -> int:
        """The narrower of the operator's limit and its part of the links; 0: none."""
        limits = [limit for limit in (self.steering.bandwidth_mib_s, self._allotted_mib_s) if limit]
        return min(limits, default=0)

    def enter(self, stage: Stage) -> None:
        """Write the stage down, before its first call is made."""
        self.notes.stage = stage
        self.keep()

    def keep(self) -> None:
        """Write the notes down; raises LeaseLost."""
        with self.errand.pen.together():
            self._store()

    def step(self, name: str, detail: str = "") -> None:
        """Show a step as running."""
        if self.errand.pen.step_state(name) is not StepState.RUNNING:
            self.errand.pen.start(name, detail)

    def tell(self, *, now: bool = False) -> None:
        """Notes and progress into the rows, at most four times a second; raises Cancelled, Refused or LeaseLost."""
        if self.errand.lease.lost.is_set():
            raise LeaseLost(f"job {self.errand.migration.pk}: the lease could not be kept")
        moment = time.monotonic()
        if not now and moment - self._told_at < TELL_EVERY_S:
            return
        self._measure_rate(moment)
        if moment - self._asked_at > ALLOTMENT_EVERY_S:
            self._allotted_mib_s, self._asked_at = share.allotted(self.errand), moment
        with self.errand.pen.together():
            self._store()
            handed = "" if self.notes.stage in BEFORE_HAND_OVER else "the guest is being handed over"
            self.errand.pen.job.progress = self._progress() | {"steering": self.steering.document(handed)}
        self.hear()

    def hear(self) -> None:
        """Obey what operators want; raises Cancelled while the guest can still be given back, Refused at the limit."""
        for command in self.errand.pen.wishes():
            if self.steering.obey(command):
                continue
            if self.notes.stage in BEFORE_HAND_OVER:
                self.errand.pen.settle(command, "the guest is given back to its host")
                raise Cancelled
            self.errand.pen.settle(command, "too late: the guest is being handed over")
        limit, started = self.errand.terms.max_duration_s, self.errand.pen.job.started_at
        since = self.notes.suspended_at_s or (started.timestamp() if started else 0)
        if limit and since and self.notes.stage in BEFORE_HAND_OVER and time.time() - since > limit:
            raise Refused(f"Not done within {limit} s, so it was given up.", code="timeout")

    def beside(self, call: Callable[[], None], *, stop: Callable[[], None] | None = None) -> None:
        """Make a long call in a thread and keep the job alive meanwhile; `stop` is called once on a cancel."""
        outcome: list[BaseException | None] = []
        done = threading.Event()

        def make() -> None:
            try:
                call()
                outcome.append(None)
            except BaseException as error:  # raised again in the worker's own thread
                outcome.append(error)
            finally:
                done.set()

        threading.Thread(target=make, name=f"relay-{self.errand.name}", daemon=True).start()
        cancelled: Cancelled | None = None
        while not done.wait(TELL_EVERY_S):
            try:
                self.tell()
            except Cancelled as wish:
                cancelled = wish
                if stop is not None:
                    stop()
        if isinstance(outcome[0], HypervisorError) and cancelled is not None:
            raise cancelled from outcome[0]
        if outcome[0] is not None:
            raise outcome[0]
        if cancelled is not None:
            raise cancelled

    def sample(self) -> JobSample:
        """How far it is, in the words of a migration."""
        memory, disks = self.notes.memory, self.notes.disks
        return JobSample(
            kind="unbounded",
            elapsed_ms=self.elapsed_before_ms + round((time.monotonic() - self.began) * 1000),
            downtime_ms=self.notes.pause_ms,
            memory_total_bytes=memory.length_bytes if memory else 0,
            memory_processed_bytes=memory.copied_bytes if memory else 0,
            memory_remaining_bytes=memory.length_bytes - memory.copied_bytes if memory else 0,
            memory_rate_bytes_s=self._rate,
            disk_total_bytes=sum(disk.length_bytes for disk in disks),
            disk_processed_bytes=sum(disk.copied_bytes for disk in disks),
            disk_remaining_bytes=sum(disk.length_bytes - disk.copied_bytes for disk in disks),
            disk_rate_bytes_s=self._rate,
            data_processed_bytes=sum(file.data_bytes for file in self.notes.files),
        )

    # -- inside -------------------------------------------------------------------------------------------------------

    def _store(self) -> None:
        self.errand.migration.relay = self.notes.document()
        Migration.objects.filter(pk=self.errand.migration.pk).update(relay=self.errand.migration.relay)

    def _progress(self) -> dict[str, Any]:
        """Sent counts half, read back the other half: a copy that nobody has compared is not done."""
        before = self.errand.pen.job.progress
        found = measures.measure(self.sample(), before=before, heard_at=rfc3339(timezone.now()) or "")
        total = sum(2 * file.length_bytes for file in self.notes.files)
        if not total or not all(file.changed_at for file in self.notes.files if file.target):
            return found | {"percent": before.get("percent")}
        done = sum(file.copied_bytes + file.verified_bytes for file in self.notes.files)
        low, high = measures.eta(total - done, self._rate, 0)
        percent = min(100 * done / total, measures.MOST_BEFORE_VERIFY)
        return found | {
            "percent": round(max(percent, before.get("percent") or 0.0), 1),
            "eta_s_low": low,
            "eta_s_high": high,
        }

    def _moved(self) -> int:
        return sum(file.copied_bytes + file.verified_bytes for file in self.notes.files)

    def _measure_rate(self, moment: float) -> None:
        moved, since = self._moved(), moment - self._told_at
        if self._told_at and since > 0 and moved >= self._told_bytes:
            rate = (moved - self._told_bytes) / since
            self._rate = round(0.7 * self._rate + 0.3 * rate) if self._rate else round(rate)
        self._told_at, self._told_bytes = moment, moved


def unproven(files: list[FileNote]) -> list[FileNote]:
    """Files that have not arrived and been compared, in order."""
    return [file for file in files if not file.proven]
