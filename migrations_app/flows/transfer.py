"""While libvirt moves the guest: watch the numbers, tell them, and carry out what operators want meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from fleet.documents.times import rfc3339
from fleet.hypervisor.errors import GuestNotFound, HypervisorError, JobBusy, NoJob
from fleet.hypervisor.facts import GuestEvent, JobSample
from fleet.hypervisor.interface import MigrationOrder
from fleet.jobs.progress import LeaseLost
from fleet.models import JobCommand, JobEvent
from fleet.states import StepState
from migrations_app import measures, steps
from migrations_app.flows import post_copy
from migrations_app.flows.errand import Errand
from migrations_app.flows.foresight import Foresight
from migrations_app.flows.share import Share
from migrations_app.flows.steering import Helm
from migrations_app.outcome import Outcome
from migrations_app.second_tries import weaker

logger = logging.getLogger(__name__)

#: How often the numbers are read and told: four a second is what a page shows smoothly.
LOOK_EVERY_S = 0.25
#: A migration whose numbers stand still this long is given up; the guest stays where it is.
STALLED_AFTER_S = 120
#: An adopted post-copy that stands still this long may be one that broke off.
POST_COPY_QUIET_S = 2
#: In post-copy nothing is given up; a stream that stands still this long is told.
POST_COPY_STALLED_AFTER_S = 20
#: libvirt may still clear up an aborted migration of a moment ago.
BUSY_PATIENCE_S = 15
#: An adopted migration's source may be silent this long before the job becomes unknown.
SILENCE_S = 20


@dataclass(kw_only=True)
class Course:
    """How a transfer went, as far as this worker saw it."""

    error: HypervisorError | None = None
    #: Why we aborted it: "cancel", "timeout", "stalled", "hopeless" or "", and the sentence that says so.
    gave_up: str = ""
    why: str = ""
    last: JobSample | None = None
    #: Orders that were tried after one libvirt refused, and what was left out; the watch puts it into the log.
    doubts: list[tuple[MigrationOrder, str]] = field(default_factory=list)
    #: Around libvirt's call; None for a migration that another worker began.
    entered_at: datetime | None = None
    returned_at: datetime | None = None


def carry(errand: Errand, order: MigrationOrder) -> Course:
    """Start the migration and stay with it until libvirt's call returns; raises LeaseLost."""
    course = Course()
    done, wake = threading.Event(), threading.Event()
    host = errand.source

    def call() -> None:
        try:
            _migrate_when_idle(errand, order, course)
        except HypervisorError as error:
            course.error = error
        except Exception as error:
            logger.exception("job %s: the migrate call broke", errand.migration.pk)
            course.error = HypervisorError(f"unexpected: {error}", host=errand.source_row.name)
        finally:
            course.returned_at = timezone.now()
            done.set()
            wake.set()
            share.let_go()

    share = Share(errand, given=order.bandwidth_mib_s)
    watch = _Watch(errand, course, share, copies_disks=bool(order.copy_disks), order=order)
    unsubscribe = host.subscribe(watch.listener(wake))
    forget = errand.destination.subscribe(share.listener()) if share.given else lambda: None
    try:
        threading.Thread(target=call, name=f"migrate-{errand.name}", daemon=True).start()
        watch.until(done.is_set, wake)
    finally:
        unsubscribe()
        forget()
    if watch.helm.in_post_copy:
        post_copy.see_through(errand, course, watch)
    return course


def accompany(errand: Errand) -> Course:
    """Stay with a migration that another worker began, until the source runs no job for the guest any more."""
    course = Course()
    watch = _Watch(errand, course, Share(errand), copies_disks=bool(errand.migration.artefacts))
    silent_since: float | None = None

    def over() -> bool:
        nonlocal silent_since
        try:
            job = errand.source.job(errand.uuid)
        except HypervisorError as error:
            silent_since = silent_since or time.monotonic()
            course.error = error
            return time.monotonic() - silent_since > SILENCE_S
        silent_since = None
        # libvirt shows a job as long as a post-copy that broke off can still be mended.
        still = watch.helm.in_post_copy and time.monotonic() - watch.moved > POST_COPY_QUIET_S
        return job is None or (still and errand.ask().outcome in {Outcome.RECOVERING, Outcome.STRANDED})

    watch.until(over, threading.Event())
    if watch.helm.in_post_copy:
        post_copy.see_through(errand, course, watch)
    return course


def _migrate_when_idle(errand: Errand, order: MigrationOrder, course: Course) -> None:
    deadline = time.monotonic() + BUSY_PATIENCE_S
    while True:
        try:
            course.entered_at = timezone.now()
            errand.source.migrate(errand.uuid, order)
            return
        except JobBusy:
            if time.monotonic() > deadline or errand.lease.lost.is_set():
                raise
            time.sleep(LOOK_EVERY_S)
        except HypervisorError as error:
            second = weaker(order, error, errand.terms.encryption) if course.last is None else None
            if second is None or errand.lease.lost.is_set():
                raise
            order, words = second
            course.doubts.append((order, words))


class _Watch:
    """The loop beside a running migration."""

    def __init__(
        self, errand: Errand, course: Course, share: Share, *, copies_disks: bool, order: MigrationOrder | None = None
    ) -> None:
        self.errand, self.course, self.copies_disks = errand, course, copies_disks
        self.share = share
        self.began = self.moved = self.told_stalled = time.monotonic()
        self.fingerprint: tuple[int, ...] = ()
        self.paused = threading.Event()
        self.next_pass = 2
        self.foresight = Foresight(errand)
        self.helm = Helm(errand, self._abort, began=self.began - _age_s(errand, order), order=order)
        if not copies_disks and errand.pen.step_state(steps.DISKS) is StepState.WAITING:
            errand.pen.end(steps.DISKS, StepState.SKIPPED, "The disks stay where they are.")

    def listener(self, wake: threading.Event) -> Callable[[GuestEvent], None]:
        """What the source's event thread calls: a new pass is looked at at once.

        Not so the pause and the end: a question to QEMU in just that moment would make the guest wait for the answer.
        """

        def on_event(event: GuestEvent) -> None:
            if event.uuid != self.errand.uuid:
                return
            if event.kind == "lifecycle" and event.detail == "suspended":
                self.paused.set()
            if event.kind == "iteration":
                wake.set()

        return on_event

    def until(self, over: Callable[[], bool], wake: threading.Event) -> None:
        """Look, tell and obey until `over`; `wake` brings the next look forward."""
        with self.share.kept():
            while not over():
                wake.wait(LOOK_EVERY_S)
                wake.clear()
                if over():
                    return
                self._look()

    def resume(self) -> None:
        """libvirt was called anew for the same migration."""
        self.course.returned_at, self.moved = None, time.monotonic()

    def _look(self) -> None:
        errand = self.errand
        if errand.lease.lost.is_set():
            raise LeaseLost(f"job {errand.migration.pk}: the lease could not be kept")
        try:
            sample = errand.source.job(errand.uuid)
        except HypervisorError:
            # The call itself will tell what became of it; the page shows how old the last number is.
            sample = None
        if self.course.returned_at is not None:
            return  # while we asked; what people wait for now is the end
        while self.course.doubts:
            order, words = self.course.doubts.pop(0)
            self.helm.began_weaker(order)
            errand.pen.say("start.weaker", words, level=JobEvent.Level.WARNING)
        progress = None
        if sample is not None and sample.operation in {"", "migration_out"}:
            progress = self._take(sample)
        for command in errand.pen.report(progress):
            self._obey(command)
        self.share.apply(self.helm.allotted)
        self._give_up_if_hopeless()

    def _take(self, sample: JobSample) -> dict[str, object]:
        self.course.last = sample
        if sample.memory_total_bytes:
            self.share.flows.set()
        if (mark := measures.fingerprint(sample)) != self.fingerprint:
            self.fingerprint, self.moved = mark, time.monotonic()
        stage = measures.stage_of(sample, copies_disks=self.copies_disks)
        stage = steps.shown(stage, mode=self.errand.migration.mode, paused=self.paused.is_set())
        if self.errand.pen.step_state(stage) is StepState.WAITING:
            self.errand.pen.start(stage)
        self._narrate(sample)
        if not self.course.gave_up and not self.share.gets_ready:
            self.helm.look(sample)
        progress = measures.measure(
            sample,
            before=self.errand.pen.job.progress,
            heard_at=rfc3339(timezone.now()) or "",
            expected_memory_bytes=0 if self.errand.cold else self.errand.migration.memory_mib << 20,
        )
        progress |= {"steering": self.helm.document()}
        stopped = stage == steps.SWITCH_OVER
        return progress | self.foresight.take(sample, progress, post_copy=self.helm.in_post_copy, stopped=stopped)

    def _narrate(self, sample: JobSample) -> None:
        """The log tells passes 2, 4, 8 ...: enough to follow, little to read."""
        if sample.iteration >= self.next_pass:
            self.next_pass = 2 * sample.iteration
            left, writes = _mib(sample.memory_remaining_bytes), _mib(sample.dirty_rate_bytes_s)
            text = f"Memory pass {sample.iteration}: {left} left, the guest writes {writes}/s"
            self.errand.pen.say("memory.pass", text, data={"iteration": sample.iteration})

    def _obey(self, command: JobCommand) -> None:
        if command.kind != JobCommand.Kind.CANCEL or self.helm.in_post_copy:
            self.helm.obey(command)
            if command.kind == JobCommand.Kind.BANDWIDTH:
                self.share.cap(int(command.arguments["mib_s"]))
        elif self._abort("cancel"):
            self.errand.pen.settle(command, "the migration was told to stop")

    def _give_up_if_hopeless(self) -> None:
        now = time.monotonic()
        if self.helm.in_post_copy:
            quiet_s = now - self.moved
            # Told ever more seldom: a link that is gone for days does not fill the log.
            again_s = max(POST_COPY_STALLED_AFTER_S, quiet_s / 3)
            if quiet_s > POST_COPY_STALLED_AFTER_S and now - self.told_stalled > again_s:
                self.told_stalled = now
                text = "No memory arrives any more; Drover waits for the link, and mends what does not go on by itself"
                self.errand.pen.say("post_copy.stalled", text, level=JobEvent.Level.WARNING)
            return
        limit = self.errand.terms.max_duration_s
        if limit and now - self.helm.began > limit and not self.course.gave_up:
            self._abort("timeout")
        elif now - self.moved > STALLED_AFTER_S and not self.course.gave_up:
            self._abort("stalled")

    def _abort(self, why: str, text: str = "") -> bool:
        """Ask libvirt to stop; True when it was told. A migration that is just ending may still succeed."""
        try:
            self.errand.source.abort(self.errand.uuid)
        except (NoJob, GuestNotFound):
            return False
        except HypervisorError as error:
            self.errand.pen.say("abort.refused", f"libvirt did not stop it: {error.text}", level=JobEvent.Level.WARNING)
            return False
        self.course.gave_up, self.course.why = why, text
        return True


def _age_s(errand: Errand, order: MigrationOrder | None) -> float:
    """How long an adopted migration has been under way, for its deadline; 0 for one that begins now."""
    entered = errand.migration.call_entered_at
    return 0.0 if order is not None or entered is None else max((timezone.now() - entered).total_seconds(), 0.0)


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.0f} MiB"
