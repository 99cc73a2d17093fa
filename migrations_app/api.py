"""`migrations/` and `guests/ID/destinations/`: asking where a guest may go, and sending it there."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.api import lookups, parameters, waiting
from fleet.api.endpoint import Endpoint, Listed
from fleet.api.filters import Filters
from fleet.api.jobs import read_job
from fleet.api.problems import Problem
from fleet.api.schema import DRY_RUN, PREFER, problems
from fleet.api.serializers import JobSerializer
from fleet.documents.times import rfc3339
from fleet.jobs.visibility import visible_jobs
from fleet.models import Guest, Host, Job
from fleet.refusals import Refused
from fleet.states import FINISHED, JobState, choices
from migrations_app import xml_difference
from migrations_app.api_bodies import (
    DestinationSerializer,
    DryRunSerializer,
    JobsSerializer,
    ManyBody,
    MigrationBody,
    MigrationSerializer,
)
from migrations_app.flows.bulk import items_of, submit_together
from migrations_app.flows.destinations import Destination, destinations
from migrations_app.flows.submit import submit
from migrations_app.flows.wishes import Submission, Wish
from migrations_app.models import Migration
from migrations_app.modes import MODES, STORAGES

#: Printable ASCII, short enough for the number that a list of moves adds.
_KEY = re.compile(r"[\x21-\x7e]{1,190}")
_IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Sending the same key and body again gives the same job, with `Idempotent-Replayed: true`.",
)
_MODE = OpenApiParameter("mode", str, enum=MODES, description="How it would be moved.")
_STORAGE = OpenApiParameter("storage", str, enum=STORAGES, description="What would be done with its disks.")


class MigrationFilters(Filters):
    """How the list of migrations is narrowed."""

    guest = django_filters.CharFilter(method="by_id_or_name")
    source = django_filters.CharFilter(method="by_id_or_name")
    destination = django_filters.CharFilter(method="by_id_or_name")
    state = django_filters.MultipleChoiceFilter(field_name="job__state", choices=choices(JobState))
    mode = django_filters.ChoiceFilter(choices=Migration.Mode.choices)
    storage = django_filters.ChoiceFilter(choices=Migration.Storage.choices)


@extend_schema_view(
    list=extend_schema(responses={200: MigrationSerializer(many=True), **problems()}),
    retrieve=extend_schema(responses={200: MigrationSerializer, **problems(404)}),
)
class Migrations(Listed):
    """Guests on the move, and those that moved."""

    serializer_class = MigrationSerializer
    filterset_class = MigrationFilters
    search_fields = ("job__subject_name", "source_name", "destination_name")
    ordering_fields = ("job__created_at", "job__finished_at")
    parameters = {"create": frozenset({"dry_run"})}

    def get_queryset(self) -> QuerySet[Migration]:
        """Migrations whose job the caller may see, newest first."""
        rows = Migration.objects.select_related("job", "guest").order_by("-job__created_at", "pk")
        if self.principal.everywhere is not None:
            return rows
        return rows.filter(job__in=visible_jobs(self.principal).values("pk"))

    def document(self, row: Migration) -> dict[str, Any]:
        """A migration; its job tells how it is going."""
        return {
            "id": str(row.pk),
            "url": reverse("api:migration-detail", args=[row.pk]),
            "job": reverse("api:job-detail", args=[row.pk]),
            "state": row.job.state,
            "guest": {"id": str(row.guest_id) if row.guest_id else None, "name": row.job.subject_name},
            "uuid": str(row.guest_uuid),
            "source": {"id": str(row.source_id) if row.source_id else None, "name": row.source_name},
            "destination": {
                "id": str(row.destination_id) if row.destination_id else None,
                "name": row.destination_name,
            },
            "mode": row.mode,
            "storage": row.storage,
            "map": row.map_rules.get("name", ""),
            "options": row.options,
            "receipt": row.receipt,
            "created_at": rfc3339(row.job.created_at),
            "finished_at": rfc3339(row.job.finished_at),
        }

    @extend_schema(
        request=PolymorphicProxySerializer("Migration", [MigrationBody, ManyBody], None),
        parameters=[DRY_RUN, PREFER, _IDEMPOTENCY],
        responses={
            202: PolymorphicProxySerializer("MigrationAccepted", [JobSerializer, JobsSerializer], None),
            200: PolymorphicProxySerializer("MigrationDone", [DryRunSerializer, JobSerializer], None),
            **problems(404, 409, 422),
        },
    )
    def create(self, request: Request) -> Response:
        """Move a guest, or several with `items`: all are accepted or none."""
        # Before the body is looked at: who may move nothing need not learn what is there to move.
        if not self.principal.allows_somewhere("migration.submit"):
            self.principal.require("migration.submit")
        dry_run = parameters.flag(request, "dry_run")
        key = _key(request)
        if isinstance(request.data, dict) and "items" in request.data:
            return self._many(self.body(ManyBody)["items"], key=key, dry_run=dry_run)
        wish = self.body(MigrationBody)
        if dry_run:
            return Response(self._verdict(wish))
        submission = self._submit(wish, key=key)
        assert submission.job is not None  # noqa: S101 - only dry runs have none
        return self._accepted(request, submission, submission.job)

    def _verdict(self, wish: dict[str, Any], *, at: str = "") -> dict[str, Any]:
        """What the very same checks say; a move that they block is an answer here, not an error."""
        try:
            found = self._submit(wish, dry_run=True, at=at)
        except Refused as refusal:
            if not refusal.checks:
                raise
            return self._blocked(wish, refusal)
        return _verdict(found, found.destination, found.xml_difference)

    def _blocked(self, wish: dict[str, Any], refusal: Refused) -> dict[str, Any]:
        if not wish.get("destination") or wish["mode"] == Migration.Mode.STORAGE:
            nothing: dict[str, Any] = {
                "destination": None,
                "storage": None,
                "map": "",
                "forecast": None,
                "xml_difference": [],
            }
            return {"allowed": False, "checks": refusal.checks, **nothing}
        guest, host = lookups.guest(self.principal, wish["guest"]), lookups.host(self.principal, wish["destination"])
        found = destinations(guest=guest, mode=wish["mode"], storage=wish["storage"], options=wish.get("options"))
        one = next(one for one in found if one.host == host)
        return _verdict(one, host, xml_difference.planned(guest.guest_facts().xml, one.findings))

    def _submit(self, wish: dict[str, Any], *, key: str = "", dry_run: bool = False, at: str = "") -> Submission:
        guest, words = self._wished(wish, at=at)
        return submit(principal=self.principal, guest=guest, wish=Wish.of(words), idempotency_key=key, dry_run=dry_run)

    def _wished(self, wish: dict[str, Any], *, at: str = "") -> tuple[Guest, dict[str, Any]]:
        """The guest, and the words for `Wish`, with rows for names."""
        named = wish.get("destination")
        words = {name: wish.get(name) for name in ("mode", "storage", "options", "not_before")}
        words["destination"] = lookups.host(self.principal, named, field=f"{at}destination") if named else None
        return lookups.guest(self.principal, wish["guest"], field=f"{at}guest"), words

    def _accepted(self, request: Request, submission: Submission, job: Job) -> Response:
        wait_s = parameters.preferred_wait_s(request)
        waiting.for_end(job.pk, seconds=wait_s)
        document = read_job(job.pk, self.principal)
        headers = {"Location": document["url"], "Retry-After": "2"}
        if submission.replayed:
            headers["Idempotent-Replayed"] = "true"
        if wait_s:
            headers["Preference-Applied"] = f"wait={wait_s}"
        ended = bool(wait_s) and document["state"] in FINISHED
        return Response(document, status=HTTPStatus.OK if ended else HTTPStatus.ACCEPTED, headers=headers)

    def _many(self, items: list[dict[str, Any]], *, key: str, dry_run: bool) -> Response:
        """All or none: one transaction, so that a refusal of one takes the others back."""
        if dry_run:
            return Response({"items": [self._verdict(item, at=f"items/{at}/") for at, item in enumerate(items)]})
        rows = [self._wished(item, at=f"items/{number}/") for number, item in enumerate(items)]
        done = submit_together(principal=self.principal, items=items_of(rows), idempotency_key=key)
        jobs = [read_job(job.pk, self.principal) for job in done.jobs]
        parent = read_job(done.parent.pk, self.principal)
        headers = {"Location": parent["url"]} | ({"Idempotent-Replayed": "true"} if done.replayed else {})
        return Response({"parent": parent, "jobs": jobs}, status=HTTPStatus.ACCEPTED, headers=headers)


class Destinations(Endpoint):
    """Where a guest may go."""

    serializer_class = DestinationSerializer
    parameters = {"read": frozenset({"mode", "storage", "limit", "offset"})}

    @extend_schema(
        operation_id="guests_destinations",
        parameters=[_MODE, _STORAGE],
        responses={200: DestinationSerializer(many=True), **problems(404, 422)},
    )
    def read(self, request: Request, pk: Any = None) -> Response:
        """Every other host, the best first: allowed or not and why, and what the move would cost."""
        guests = self.principal.restrict(Guest.objects.select_related("host__site"), "host__site")
        guest = guests.filter(pk=pk).first()
        if guest is None:
            raise NotFound
        words = {"mode": MODES, "storage": STORAGES}
        mode, storage = (parameters.word(request, name, known) for name, known in words.items())
        found = destinations(guest=guest, mode=mode, storage=storage)
        return self.page_of([one for one in found if self.principal.sees_site(one.host.site_id)])

    def document(self, row: Destination) -> dict[str, Any]:
        """A candidate."""
        return row.document()


def _key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "").strip()
    if key and not _KEY.fullmatch(key):
        text = "An Idempotency-Key has 1 to 190 printable ASCII characters without blanks."
        raise Problem(HTTPStatus.BAD_REQUEST, "bad_idempotency_key", text)
    return key


def _verdict(found: Submission | Destination, host: Host, difference: list[str]) -> dict[str, Any]:
    return {
        "allowed": found.allowed if isinstance(found, Destination) else True,
        "destination": {"id": str(host.pk), "name": host.name},
        "storage": found.storage,
        "map": found.rules.name if isinstance(found, Destination) else found.map,
        "checks": found.checks,
        "forecast": found.forecast.document() if found.forecast else None,
        "xml_difference": difference,
    }
