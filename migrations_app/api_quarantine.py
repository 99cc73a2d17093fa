"""`quarantine/`: disks that copied guests left at their sources, kept until they expire."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.api.endpoint import Listed
from fleet.api.filters import Filters
from fleet.api.schema import problems
from fleet.api.serializers import FormerReference
from fleet.documents.times import rfc3339
from migrations_app.flows import quarantine
from migrations_app.models import QuarantinedDisk


class QuarantinedDiskSerializer(serializers.Serializer[Any]):
    """A file that a guest left behind when its copy was proven elsewhere."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    host = FormerReference()
    pool = serializers.CharField(help_text="Empty for a file outside all pools, which libvirt cannot remove.")
    path = serializers.CharField()
    size_bytes = serializers.IntegerField(allow_null=True, help_text="What it takes; null until it was measured.")
    guest_uuid = serializers.UUIDField()
    guest_name = serializers.CharField()
    job = serializers.CharField(allow_null=True, help_text="The address of the move that left it.")
    since = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Null: kept until somebody deletes it.")
    state = serializers.ChoiceField(QuarantinedDisk.State.choices)
    ended_at = serializers.DateTimeField(allow_null=True)
    note = serializers.CharField(help_text="The note beside the file; empty until it is written.")
    wish = serializers.CharField(help_text="restore or delete while a worker is to do that; else empty.")
    trouble = serializers.CharField(help_text="Why it could not be dealt with the last time.")


class QuarantineFilters(Filters):
    """How the list is narrowed."""

    state = django_filters.MultipleChoiceFilter(choices=QuarantinedDisk.State.choices)
    host = django_filters.CharFilter(method="by_id_or_name")
    guest_uuid = django_filters.UUIDFilter()


@extend_schema_view(
    list=extend_schema(responses={200: QuarantinedDiskSerializer(many=True), **problems()}),
    retrieve=extend_schema(responses={200: QuarantinedDiskSerializer, **problems(404)}),
)
class Quarantine(Listed):
    """Disks left behind."""

    serializer_class = QuarantinedDiskSerializer
    filterset_class = QuarantineFilters
    search_fields = ("path", "guest_name", "host_name")
    ordering_fields = ("since", "expires_at", "size_bytes", "guest_name", "host_name")

    def get_queryset(self) -> QuerySet[QuarantinedDisk]:
        """Disks on hosts at the caller's sites, the newest first."""
        return quarantine.visible(self.principal)

    def document(self, row: QuarantinedDisk) -> dict[str, Any]:
        """A quarantined disk."""
        return {
            "id": str(row.pk),
            "url": reverse("api:quarantine-detail", args=[row.pk]),
            "host": {"id": str(row.host_id) if row.host_id else None, "name": row.host_name},
            "pool": row.pool,
            "path": row.path,
            "size_bytes": row.size_bytes,
            "guest_uuid": str(row.guest_uuid),
            "guest_name": row.guest_name,
            "job": reverse("api:job-detail", args=[row.job_id]) if row.job_id else None,
            "since": rfc3339(row.since),
            "expires_at": rfc3339(row.expires_at),
            "state": row.state,
            "ended_at": rfc3339(row.ended_at),
            "note": row.note,
            "wish": row.wish,
            "trouble": row.trouble,
        }

    @extend_schema(request=None, responses={202: QuarantinedDiskSerializer, **problems(404, 409)})
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: Any = None) -> Response:
        """Take it out of quarantine: the file stays as an ordinary volume. A worker does it; look again."""
        return self._ask("restore")

    @extend_schema(responses={202: QuarantinedDiskSerializer, **problems(404, 409)})
    def destroy(self, request: Request, pk: Any = None) -> Response:
        """Delete the file now, if nobody uses it. A worker does it; look again for `state` and `trouble`."""
        return self._ask("delete")

    def _ask(self, wish: str) -> Response:
        quarantine.ask_for(principal=self.principal, disk=self.get_object(), wish=wish)
        return Response(self.document(self.get_object()), status=HTTPStatus.ACCEPTED)
