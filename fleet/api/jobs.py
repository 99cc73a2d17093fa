"""`jobs/` and `events/`: what is being done, and what happened on the way."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.access.principal import Principal
from fleet.api import parameters, waiting
from fleet.api.endpoint import Endpoint, Listed
from fleet.api.filters import Filters
from fleet.api.schema import PREFER, problems
from fleet.api.serializers import EventSerializer, JobSerializer, NumberedEventSerializer
from fleet.api.strict import Body
from fleet.documents import event_document, job_document
from fleet.jobs import commands, retries
from fleet.jobs.live import job_sites
from fleet.jobs.snapshots import narrowed
from fleet.jobs.visibility import visible_jobs
from fleet.models import Job, JobEvent
from fleet.states import UNFINISHED, JobState, choices

_AFTER = OpenApiParameter("after", int, description="Only events with a greater number than this.")
_WAIT = OpenApiParameter("wait", str, enum=["done"], description="Answer when the job has ended ...")
_TIMEOUT = OpenApiParameter("timeout", int, description="... or after this many seconds (60, which is also the most).")
_MAX_SEQ = 2**62


class BandwidthBody(Body):
    """How fast a running move may copy."""

    mib_s = serializers.IntegerField(min_value=0, max_value=1_000_000, help_text="0: as fast as the link allows.")


class DowntimeBody(Body):
    """How long a running move may pause its guest."""

    ms = serializers.IntegerField(min_value=1, max_value=2_000_000)


def shown_job(job: Job, principal: Principal) -> dict[str, Any]:
    """A job with those actions that this person may take."""
    return narrowed(job_document(job), principal, job_sites(job))


def read_job(job_id: UUID, principal: Principal) -> dict[str, Any]:
    """The job as it stands now."""
    rows = Job.objects.for_documents().select_related("guest__host", "host")
    return shown_job(rows.get(pk=job_id), principal)


class JobFilters(Filters):
    """How the list of jobs is narrowed."""

    kind = django_filters.ChoiceFilter(choices=Job.Kind.choices)
    state = django_filters.MultipleChoiceFilter(choices=choices(JobState))
    finished = django_filters.BooleanFilter(method="by_end")
    guest = django_filters.CharFilter(method="by_id_or_name")
    host = django_filters.CharFilter(method="by_id_or_name")
    parent = django_filters.UUIDFilter(field_name="parent_id")
    requested_by = django_filters.CharFilter(field_name="requested_by__username")

    def by_end(self, queryset: QuerySet[Job], name: str, value: bool) -> QuerySet[Job]:
        """Jobs that have ended, or those that have not."""
        return queryset.exclude(state__in=UNFINISHED) if value else queryset.filter(state__in=UNFINISHED)


@extend_schema_view(list=extend_schema(responses={200: JobSerializer(many=True), **problems()}))
class Jobs(Listed):
    """Long work."""

    serializer_class = JobSerializer
    filterset_class = JobFilters
    search_fields = ("title", "subject_name")
    ordering_fields = ("created_at", "started_at", "finished_at", "state", "kind")
    parameters = {"retrieve": frozenset({"wait", "timeout"}), "events": frozenset({"after"})}

    def get_queryset(self) -> QuerySet[Job]:
        """Jobs at the caller's sites."""
        return visible_jobs(self.principal).for_documents().select_related("guest__host", "host")

    def document(self, row: Job) -> dict[str, Any]:
        """A job."""
        return shown_job(row, self.principal)

    @extend_schema(parameters=[_WAIT, _TIMEOUT, PREFER], responses={200: JobSerializer, **problems(404)})
    def retrieve(self, request: Request, pk: Any = None) -> Response:
        """One job; with `wait=done` its end is waited for."""
        seconds = self._wait_s(request)
        row: Job = self.get_object()
        if seconds and not row.is_finished:
            waiting.for_end(row.pk, seconds=seconds)
            row = self.get_object()
        return Response(self.document(row))

    @extend_schema(request=None, responses={202: JobSerializer, **problems(404, 409)})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: Any = None) -> Response:
        """Ask the job to stop; 409 says why it cannot any more."""
        return self._wish("cancel")

    @extend_schema(request=BandwidthBody, responses={202: JobSerializer, **problems(404, 409, 422)})
    @action(detail=True, methods=["post"])
    def bandwidth(self, request: Request, pk: Any = None) -> Response:
        """Limit how fast the running move copies, from now on; 0 takes the limit back."""
        return self._wish("bandwidth", BandwidthBody)

    @extend_schema(request=DowntimeBody, responses={202: JobSerializer, **problems(404, 409, 422)})
    @action(detail=True, methods=["post"])
    def downtime(self, request: Request, pk: Any = None) -> Response:
        """Allow the guest another longest pause, from now on."""
        return self._wish("downtime", DowntimeBody)

    @extend_schema(request=None, responses={202: JobSerializer, **problems(404, 409)})
    @action(detail=True, methods=["post"], url_path="post-copy", url_name="postcopy")
    def post_copy(self, request: Request, pk: Any = None) -> Response:
        """Let the guest go on at the destination now and fetch the rest; there is no way back."""
        return self._wish("post-copy")

    @extend_schema(request=None, responses={202: JobSerializer, **problems(404, 409)})
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: Any = None) -> Response:
        """Stop the guest until the rest of its memory is there; it goes on by itself."""
        return self._wish("pause")

    @extend_schema(request=None, responses={202: JobSerializer, **problems(404, 409, 422)})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: Any = None) -> Response:
        """The same wish again, as a new job; for one that failed or was cancelled."""
        new = read_job(retries.again(principal=self.principal, job=self.get_object()).pk, self.principal)
        return Response(new, status=status.HTTP_202_ACCEPTED, headers={"Location": new["url"]})

    @extend_schema(parameters=[_AFTER], responses={200: EventSerializer(many=True), **problems(404)}, filters=False)
    @action(detail=True, methods=["get"])
    def events(self, request: Request, pk: Any = None) -> Response:
        """The job's log, oldest first."""
        after = parameters.number(request, "after", default=0, high=_MAX_SEQ)
        rows = JobEvent.objects.filter(job=self.get_object(), seq__gt=after).order_by("seq")
        return self.page_of(rows, event_document)

    def _wish(self, kind: str, body: type[Body] | None = None) -> Response:
        row: Job = self.get_object()
        # Before the body is looked at: who may not steer need not learn how.
        commands.require(self.principal, kind, row)
        arguments = self.body(body) if body else None
        commands.request(principal=self.principal, job=row, kind=kind, arguments=arguments)
        return Response(self.document(self.get_object()), status=status.HTTP_202_ACCEPTED)

    def _wait_s(self, request: Request) -> int:
        wait = request.query_params.get("wait")
        timeout = parameters.number(request, "timeout", default=parameters.MAX_WAIT_S, high=parameters.MAX_WAIT_S)
        if wait not in {None, "done"}:
            raise parameters.bad_parameter("wait", f"wait is '{wait}'; the only word here is done.")
        return timeout if wait else parameters.preferred_wait_s(request)


class Events(Endpoint):
    """What happened on the way, over all jobs."""

    serializer_class = NumberedEventSerializer
    parameters = {"list": frozenset({"after"})}

    def get_queryset(self) -> QuerySet[JobEvent]:
        """Events of the jobs that the caller may see."""
        rows = JobEvent.objects.order_by("id")
        if self.principal.everywhere is not None:
            return rows
        return rows.filter(job__in=visible_jobs(self.principal).values("pk"))

    def document(self, row: JobEvent) -> dict[str, Any]:
        """An event with its number among all."""
        return {"number": row.pk, **event_document(row)}

    @extend_schema(parameters=[_AFTER], responses={200: NumberedEventSerializer(many=True), **problems()})
    def list(self, request: Request) -> Response:
        """The log of all jobs, oldest first."""
        after = parameters.number(request, "after", default=0, high=_MAX_SEQ)
        return self.page_of(self.get_queryset().filter(pk__gt=after))
