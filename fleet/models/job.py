"""Jobs: the row is the truth and the result; Celery only rings the bell."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from fleet.models.guest import Guest
from fleet.models.host import Host
from fleet.states import FINISHED, UNFINISHED, JobState, StepState, choices


class JobQuerySet(models.QuerySet["Job"]):
    """Jobs as lists and documents need them."""

    def for_documents(self) -> JobQuerySet:
        """With everything a document shows, in a constant number of queries."""
        children = Job.objects.only("id", "parent_id").order_by("created_at", "id")
        return self.select_related("requested_by", "guest__host", "host", "origin").prefetch_related(
            "steps", models.Prefetch("children", children)
        )

    def unfinished(self) -> JobQuerySet:
        """Queued, running or unknown."""
        return self.filter(state__in=UNFINISHED)


class Job(models.Model):
    """One piece of long work; only `jobs.lifecycle.advance` writes `state`, only `jobs.progress` writes progress."""

    class Kind(models.TextChoices):
        MIGRATION = "migration"
        #: A parent of migrations that were asked for together.
        MOVES = "moves"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=choices(JobState), default=JobState.QUEUED.value)
    #: The running step's name.
    stage = models.CharField(max_length=40, blank=True)
    guest = models.ForeignKey(Guest, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs")
    #: The host it mainly concerns; for a migration the destination.
    host = models.ForeignKey(Host, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs")
    #: Where its guest came from; people of that site still see the job when the guest has left.
    origin = models.ForeignKey(Host, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    #: Names as they were at the start; a job stays readable when its guest is gone.
    subject_name = models.CharField(max_length=255)
    title = models.CharField(max_length=300)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="children")
    #: The job that this one does once more.
    retry_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="retries")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    #: What a queued job waits for: {"for", "detail", "place"}; null when it waits for nothing but a worker.
    waiting = models.JSONField(null=True, blank=True)
    #: A document as `jobs.progress` describes it.
    progress = models.JSONField(default=dict)
    error = models.JSONField(null=True, blank=True)
    result = models.JSONField(default=dict)
    #: Counts every change; live messages carry it.
    seq = models.PositiveBigIntegerField(default=0)

    #: The worker that holds the job, and the fencing number that every write of it must match.
    lease_owner = models.CharField(max_length=100, blank=True)
    lease_number = models.PositiveIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    idempotency_key = models.CharField(max_length=200, blank=True)
    request_digest = models.CharField(max_length=64, blank=True)

    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                name="one_unfinished_job_per_guest",
                fields=["guest"],
                condition=Q(state__in=sorted(UNFINISHED)),
            ),
            models.UniqueConstraint(
                name="one_job_per_idempotency_key",
                fields=["requested_by", "idempotency_key"],
                condition=~Q(idempotency_key=""),
            ),
            models.CheckConstraint(name="job_state_is_known", condition=Q(state__in=sorted(JobState))),
            models.CheckConstraint(
                name="only_finished_jobs_have_an_end",
                condition=Q(state__in=sorted(FINISHED), finished_at__isnull=False)
                | Q(state__in=sorted(UNFINISHED), finished_at__isnull=True),
            ),
        ]
        indexes = [
            # The sweep and the task drawer look at unfinished jobs only.
            models.Index(
                name="unfinished_jobs", fields=["lease_expires_at"], condition=Q(state__in=sorted(UNFINISHED))
            ),
            models.Index(name="newest_jobs", fields=["-created_at", "id"]),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_finished(self) -> bool:
        """Whether nothing will change any more."""
        return JobState(self.state) in FINISHED


class JobStep(models.Model):
    """A stage of a job, shown as the stepper."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="steps")
    ordinal = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=40)
    title = models.CharField(max_length=100)
    state = models.CharField(max_length=8, choices=choices(StepState), default=StepState.WAITING.value)
    detail = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["ordinal"]
        constraints = [models.UniqueConstraint(name="one_step_of_a_name_per_job", fields=["job", "name"])]

    def __str__(self) -> str:
        return self.title


class JobSample(models.Model):
    """A point of a job's chart, kept about once a second so that a page opened later shows the whole course."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="samples")
    elapsed_ms = models.PositiveBigIntegerField()
    remaining_bytes = models.PositiveBigIntegerField()
    #: Null where libvirt tells none, as while disks are copied.
    rate_bytes_s = models.PositiveBigIntegerField(null=True)
    dirty_rate_bytes_s = models.PositiveBigIntegerField(null=True)
    iteration = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["job", "elapsed_ms"]
        constraints = [models.UniqueConstraint(name="one_sample_per_moment", fields=["job", "elapsed_ms"])]

    def __str__(self) -> str:
        return f"{self.job_id} after {self.elapsed_ms} ms"


class JobEvent(models.Model):
    """A line of a job's log that a person can follow; never changed."""

    class Level(models.TextChoices):
        INFO = "info"
        WARNING = "warning"
        ERROR = "error"

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveBigIntegerField()
    at = models.DateTimeField(auto_now_add=True)
    level = models.CharField(max_length=7, choices=Level.choices, default=Level.INFO)
    code = models.CharField(max_length=60)
    message = models.TextField()
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["job", "seq"]
        constraints = [models.UniqueConstraint(name="one_event_per_number", fields=["job", "seq"])]

    def __str__(self) -> str:
        return self.message


class JobCommand(models.Model):
    """An operator's wish for a running job, delivered with the answer to the worker's next report."""

    class Kind(models.TextChoices):
        CANCEL = "cancel"
        BANDWIDTH = "bandwidth"
        DOWNTIME = "downtime"
        POST_COPY = "post-copy"
        PAUSE = "pause"

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="commands")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    arguments = models.JSONField(default=dict)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    handled_at = models.DateTimeField(null=True, blank=True)
    outcome = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            # Pressing cancel twice is one wish.
            models.UniqueConstraint(
                name="one_pending_command_of_a_kind", fields=["job", "kind"], condition=Q(handled_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.job_id}"
