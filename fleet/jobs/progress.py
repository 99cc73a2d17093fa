"""The only writer of a job's progress, steps and heartbeat; the answer carries the operator's pending commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from fleet.documents import job_document
from fleet.jobs import lifecycle, live
from fleet.jobs.lease import Lease, from_now
from fleet.models import Job, JobCommand, JobEvent, JobSample, JobStep
from fleet.states import UNFINISHED, StepState

#: Points of the chart are kept this far apart.
SAMPLE_EVERY_MS = 1000


class LeaseLost(Exception):
    """Another worker owns the job now: stop at once and touch nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepPlan:
    """A step a job will go through."""

    name: str
    title: str


def plan_steps(job: Job, steps: list[StepPlan]) -> None:
    """Store a new job's steps, in order."""
    JobStep.objects.bulk_create(
        JobStep(job=job, ordinal=number, name=step.name, title=step.title) for number, step in enumerate(steps)
    )


def sample(progress: dict[str, Any]) -> dict[str, Any] | None:
    """A progress document as a point of the chart; None while nothing is counted yet."""
    elapsed_ms, total = progress.get("elapsed_ms"), progress.get("bytes_total")
    parts = [part["remaining"] for name in ("memory", "disks") if (part := progress.get(name))]
    if elapsed_ms is None or not total or not parts:
        return None
    passes = progress.get("iteration") or 0
    return {
        "elapsed_ms": elapsed_ms,
        "remaining_bytes": sum(parts),
        "rate_bytes_s": progress.get("rate_bytes_s") or None,
        "dirty_rate_bytes_s": progress.get("dirty_rate_bytes_s") if passes else None,
        "iteration": passes,
    }


def tell(job_id: UUID, progress: dict[str, Any]) -> None:
    """Store the progress of a job that no worker holds because it only follows others, and tell the pages."""
    if Job.objects.filter(pk=job_id, state__in=UNFINISHED).update(progress=progress, seq=F("seq") + 1):
        live.job_changed(job_id)


class Reporter:
    """A worker's pen for one leased job. It keeps the row in memory, so that a report costs three small statements."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.job = Job.objects.for_documents().get(pk=lease.job_id)
        self._steps = {step.name: step for step in self.job.steps.all()}
        self._sites = live.job_sites(self.job)
        self._kept_ms = 0
        #: Steps written since the last message, whose times the database set.
        self._changed: set[int] = set()
        self._together = False

    def report(self, progress: dict[str, Any] | None = None) -> list[JobCommand]:
        """Store progress and heartbeat, tell the pages, and return what operators want; raises LeaseLost."""
        if progress is not None:
            self.job.progress = progress
        self._write()
        return self.wishes()

    def wishes(self) -> list[JobCommand]:
        """What operators want and nobody has dealt with yet."""
        return list(JobCommand.objects.filter(job_id=self.job.pk, handled_at__isnull=True))

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is written in the block is one transaction and one message; raises LeaseLost at its end.

        Other rows the block changes are fenced by the lease that way too.
        """
        with transaction.atomic():
            self._together = True
            try:
                yield
            finally:
                self._together = False
            self._write()

    def reread(self) -> None:
        """After a quiet `advance` in the same transaction: what is told after it is how the job stands then."""
        columns = ("seq", "state", "error", "result", "started_at", "finished_at")
        for name, value in Job.objects.values(*columns).get(pk=self.job.pk).items():
            setattr(self.job, name, value)
        steps = {step.pk: step for step in self._steps.values()}
        for row in self.job.steps.order_by().values("pk", "state", "finished_at"):
            steps[row["pk"]].state, steps[row["pk"]].finished_at = row["state"], row["finished_at"]

    def start(self, name: str, detail: str = "") -> None:
        """Enter a step; the steps before it that still run are done."""
        with transaction.atomic():
            for step in self._steps.values():
                if step.name != name and step.state == StepState.RUNNING:
                    self._set(step, StepState.DONE, step.detail)
            self._set(self._steps[name], StepState.RUNNING, detail)
            self.job.stage = name
            self._write()

    def end(self, name: str, state: StepState, detail: str = "") -> None:
        """Leave a step as done, skipped or failed."""
        with transaction.atomic():
            self._set(self._steps[name], state, detail or self._steps[name].detail)
            self._write()

    def say(
        self, code: str, message: str, *, level: str = JobEvent.Level.INFO, data: dict[str, Any] | None = None
    ) -> None:
        """A line for the job's log; raises LeaseLost."""
        with transaction.atomic():
            self._prove()
            lifecycle.record(self.job.pk, code=code, message=message, level=level, data=data)

    def settle(self, command: JobCommand, outcome: str) -> None:
        """Mark a command as dealt with, and say how; raises LeaseLost."""
        with transaction.atomic():
            self._prove()
            done = JobCommand.objects.filter(pk=command.pk, handled_at__isnull=True)
            if done.update(handled_at=Now(), outcome=outcome):
                lifecycle.record(self.job.pk, code=f"{command.kind}.handled", message=outcome)

    def step_state(self, name: str) -> StepState:
        """How far a step is."""
        return StepState(self._steps[name].state)

    def _set(self, step: JobStep, state: StepState, detail: str) -> None:
        step.state, step.detail = state.value, detail
        now: dict[str, Any] = {"state": step.state, "detail": detail}
        if state is StepState.RUNNING and step.started_at is None:
            now["started_at"] = Now()
        if state in {StepState.DONE, StepState.FAILED, StepState.SKIPPED}:
            now["finished_at"] = Now()
        JobStep.objects.filter(pk=step.pk).update(**now)
        self._changed.add(step.pk)

    def _read_times(self) -> None:
        rows = JobStep.objects.filter(pk__in=self._changed).order_by()
        times = {
            pk: (started, finished) for pk, started, finished in rows.values_list("pk", "started_at", "finished_at")
        }
        for step in self._steps.values():
            if step.pk in times:
                step.started_at, step.finished_at = times[step.pk]
        self._changed.clear()

    def _keep_point(self) -> None:
        """A point for the chart, about once a second."""
        point = sample(self.job.progress)
        if point is None or point["elapsed_ms"] - self._kept_ms < SAMPLE_EVERY_MS:
            return
        self._kept_ms = point["elapsed_ms"]
        JobSample.objects.bulk_create([JobSample(job_id=self.job.pk, **point)], ignore_conflicts=True)

    def prove(self) -> None:
        """Raises LeaseLost unless the job is still ours: asked before anything goes that a successor may be using."""
        if not self.lease.rows().exists():
            raise LeaseLost(f"job {self.job.pk} belongs to another worker now")

    def _prove(self) -> None:
        # Locked, so that nobody takes the job over between the proof and what follows in this transaction.
        if not self.lease.rows().select_for_update(no_key=True).values_list("pk").first():
            raise LeaseLost(f"job {self.job.pk} belongs to another worker now")

    def _write(self) -> None:
        if self._together:
            return
        with transaction.atomic():
            if self._changed:
                self._read_times()
            self._keep_point()
            held = self.lease.rows().update(
                progress=self.job.progress,
                stage=self.job.stage,
                seq=F("seq") + 1,
                lease_expires_at=from_now(settings.LEASE_S),
            )
            if not held:
                raise LeaseLost(f"job {self.job.pk} belongs to another worker now")
            seen = Job.objects.values("seq", "state", "started_at").get(pk=self.job.pk)
            self.job.seq, self.job.state, self.job.started_at = seen["seq"], seen["state"], seen["started_at"]
            transaction.on_commit(self._tell)

    def _tell(self) -> None:
        live.send_document("job", job_document(self.job), self._sites)
