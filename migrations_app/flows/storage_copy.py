"""The copies of a running guest's disks: begun, watched, made the disk, or given up without a trace."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from fleet.documents.times import rfc3339
from fleet.hypervisor import destination_xml, domain_xml
from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.facts import GuestFacts, JobSample
from fleet.hypervisor.interface import BlockJob
from fleet.jobs.progress import LeaseLost
from fleet.refusals import Refused
from fleet.states import GuestState, StepState
from migrations_app import measures, steps
from migrations_app.flows.before import Cancelled
from migrations_app.flows.errand import Errand
from migrations_app.flows.plain_steering import PlainSteering

LOOK_EVERY_S = 0.25
#: A copy whose numbers stand still this long is given up; the guest keeps its old disk.
STALLED_AFTER_S = 120
#: After the pivot was asked for, the description follows within moments.
PIVOT_PATIENCE_S = 30
_ACTIVE = frozenset({GuestState.RUNNING, GuestState.PAUSED, GuestState.SUSPENDED})


@dataclass(kw_only=True)
class DiskNote:
    """One disk's way, as stored."""

    target: str
    source: str
    path: str
    format: str
    total_bytes: int = 0
    done_bytes: int = 0
    #: The guest uses the copy, running and by its definition.
    moved: bool = False

    def document(self) -> dict[str, Any]:
        """As stored."""
        return dataclasses.asdict(self)


class Mirror:
    """One worker's part of the way."""

    def __init__(self, errand: Errand, disks: list[DiskNote]) -> None:
        self.errand, self.disks = errand, disks
        self.steering = PlainSteering(errand)
        #: The disk that is being copied now.
        self._target = ""
        self.began = time.monotonic()
        self._elapsed_before_ms = int(errand.pen.job.progress.get("elapsed_ms") or 0)
        self._marks: tuple[int, ...] = ()
        self._changed_at = self.began

    def move_all(self) -> None:
        """Every disk in turn; raises Cancelled, Refused or HypervisorError with the rest where they were."""
        for disk in self.disks:
            if not disk.moved:
                self._move(disk)

    def give_up(self) -> None:
        """End the copies that have not become disks."""
        for disk in self.disks:
            if not disk.moved:
                self._settle(disk)

    def sample(self) -> JobSample:
        """How far it is, in the words of a migration."""
        total, done = sum(disk.total_bytes for disk in self.disks), sum(disk.done_bytes for disk in self.disks)
        return JobSample(
            kind="unbounded",
            elapsed_ms=self._elapsed_before_ms + round((time.monotonic() - self.began) * 1000),
            disk_total_bytes=total,
            disk_processed_bytes=done,
            disk_remaining_bytes=max(total - done, 0),
        )

    # -- one disk -----------------------------------------------------------------------------------------------------

    def _move(self, disk: DiskNote) -> None:
        started, self._target = False, disk.target
        while True:
            guest = self._guest()
            if _live_source(guest, disk.target) == disk.path:
                break
            job = self.errand.source.block_job(self.errand.uuid, disk.target)
            if job is not None and job.path != disk.path:
                raise Refused(f"{disk.target} is being copied to {job.path} by somebody else.", code="disk_busy")
            if job is not None:
                self._watch(disk, job)
            elif started:
                text = f"QEMU broke the copy of {disk.target} off; the new pool may be full, or its disk broken."
                raise Refused(text, code="copy_broke_off", remedy="Look at the pool, then try again.")
            else:
                self._begin(disk)
                started = True
        self._follow(disk)

    def _begin(self, disk: DiskNote) -> None:
        self._step(steps.DISKS, f"{disk.target} goes to {disk.path}")
        if self.errand.source.volume(disk.path) is None:
            raise Refused(f"The new volume {disk.path} is gone.", code="volume_gone")
        self.errand.source.block_copy(
            self.errand.uuid,
            disk.target,
            path=disk.path,
            format=disk.format,
            bandwidth_mib_s=self.steering.bandwidth_mib_s,
        )
        self._tell()

    def _watch(self, disk: DiskNote, job: BlockJob) -> None:
        disk.total_bytes, disk.done_bytes = job.total_bytes, job.done_bytes
        if job.ready:
            self._tell()
            self._pivot(disk)
            return
        self._tell()
        self._give_up_if_hopeless(job)
        time.sleep(LOOK_EVERY_S)

    def _pivot(self, disk: DiskNote) -> None:
        """An error is no proof that it did not happen: the description says which file is the disk."""
        self._step(steps.SWITCH_OVER, f"{disk.path} becomes {disk.target}")
        trouble: HypervisorError | None = None
        try:
            self.errand.source.block_pivot(self.errand.uuid, disk.target)
        except HypervisorError as error:
            trouble = error
        deadline = time.monotonic() + PIVOT_PATIENCE_S
        while time.monotonic() < deadline:
            if _live_source(self._guest(), disk.target) == disk.path:
                return
            job = self.errand.source.block_job(self.errand.uuid, disk.target)
            if trouble is not None and job is not None and job.ready:
                raise trouble
            if job is None:
                return  # over, one way or the other: the caller looks
            self._tell()
            time.sleep(LOOK_EVERY_S)
        raise trouble or HypervisorError(f"{disk.target} did not switch within {PIVOT_PATIENCE_S} s")

    def _follow(self, disk: DiskNote) -> None:
        """The definition must name the new file too, or the next start would find the old one."""
        errand = self.errand
        definition = errand.source.definition_xml(errand.uuid)
        known = {one.target: one.source for one in domain_xml.guest_facts(definition).disks}
        if known.get(disk.target) not in {disk.path, None}:
            errand.source.define(destination_xml.rewrite(definition, disk_sources={disk.target: disk.path}))
        disk.moved, disk.done_bytes = True, disk.total_bytes
        errand.pen.say("disk.moved", f"{disk.target} is {disk.path} now; {disk.source} is used no more")
        self._keep()

    def _settle(self, disk: DiskNote) -> None:
        """Give its copy up; if it became the disk in that moment, it did move."""
        self.errand.source.block_abort(self.errand.uuid, disk.target)
        deadline = time.monotonic() + PIVOT_PATIENCE_S
        while self.errand.source.block_job(self.errand.uuid, disk.target) is not None:
            if time.monotonic() > deadline:
                raise HypervisorError(f"The copy of {disk.target} does not end")
            time.sleep(LOOK_EVERY_S)
        guest = self.errand.source.guest(self.errand.uuid)
        if guest is not None and _live_source(guest, disk.target) == disk.path:
            self._follow(disk)

    def _guest(self) -> GuestFacts:
        guest = self.errand.source.guest(self.errand.uuid)
        if guest is None or guest.state not in _ACTIVE:
            name = self.errand.name
            raise Refused(
                f"{name} was shut down while its disks were copied.",
                code="guest_off",
                remedy="It has its old disks; start it and move them again.",
            )
        return guest

    # -- telling ------------------------------------------------------------------------------------------------------

    def _step(self, name: str, detail: str) -> None:
        if self.errand.pen.step_state(name) is not StepState.RUNNING:
            self.errand.pen.start(name, detail)

    def _keep(self) -> None:
        with self.errand.pen.together():
            self._store()

    def _store(self) -> None:
        migration = self.errand.migration
        migration.relay = {"disks": [disk.document() for disk in self.disks]}
        type(migration).objects.filter(pk=migration.pk).update(relay=migration.relay)

    def _tell(self) -> None:
        if self.errand.lease.lost.is_set():
            raise LeaseLost(f"job {self.errand.migration.pk}: the lease could not be kept")
        pen = self.errand.pen
        with pen.together():
            self._store()
            told = measures.measure(self.sample(), before=pen.job.progress, heard_at=rfc3339(timezone.now()) or "")
            pen.job.progress = told | {"steering": self.steering.document()}
        for command in pen.wishes():
            if not self.steering.obey(command, self._limit):
                pen.settle(command, "the copy is given up, the guest keeps its disk")
                raise Cancelled

    def _limit(self, mib_s: int) -> None:
        """A disk that is not being copied just now gets it with its next copy."""
        if self.errand.source.block_job(self.errand.uuid, self._target) is not None:
            self.errand.source.set_block_bandwidth(self.errand.uuid, self._target, mib_s)

    def _give_up_if_hopeless(self, job: BlockJob) -> None:
        now = time.monotonic()
        if (marks := (job.done_bytes, job.total_bytes)) != self._marks:
            self._marks, self._changed_at = marks, now
        limit = self.errand.terms.max_duration_s
        if limit and now - self.began > limit:
            raise Refused(f"Not done within {limit} s, so it was given up.", code="timeout")
        if now - self._changed_at > STALLED_AFTER_S:
            raise Refused("No byte moved for two minutes, so it was given up.", code="stalled")


def _live_source(guest: GuestFacts, target: str) -> str:
    return next((disk.source for disk in guest.disks if disk.target == target), "")
