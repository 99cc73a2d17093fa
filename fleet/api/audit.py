"""`audit/`: who changed what, and how it ended."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request

from fleet.api.endpoint import Listed
from fleet.api.schema import problems
from fleet.api.serializers import AuditSerializer
from fleet.documents.times import rfc3339
from fleet.models import AuditEvent


class AuditFilters(django_filters.FilterSet):
    """How the log is narrowed."""

    verb = django_filters.CharFilter()
    outcome = django_filters.CharFilter()
    user = django_filters.CharFilter(field_name="user_name")
    subject = django_filters.CharFilter(field_name="subject_id")
    subject_kind = django_filters.CharFilter()
    job = django_filters.UUIDFilter(field_name="job_id")
    request_id = django_filters.CharFilter()
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")


@extend_schema_view(
    list=extend_schema(responses={200: AuditSerializer(many=True), **problems()}),
    retrieve=extend_schema(responses={200: AuditSerializer, **problems(404)}),
)
class Audit(Listed):
    """The log of changes; for admins."""

    serializer_class = AuditSerializer
    filterset_class = AuditFilters
    lookup_value_converter = "int"
    search_fields = ("subject_name", "detail")
    ordering_fields = ("id",)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Admins only."""
        super().initial(request, *args, **kwargs)
        self.principal.require("audit.view")

    def get_queryset(self) -> QuerySet[AuditEvent]:
        """Newest first."""
        return AuditEvent.objects.order_by("-id")

    def document(self, row: AuditEvent) -> dict[str, Any]:
        """A row of the log."""
        return {
            "id": row.pk,
            "at": rfc3339(row.at),
            "user": row.user_name,
            "door": row.door,
            "address": row.address,
            "request_id": row.request_id,
            "verb": row.verb,
            "subject": {"kind": row.subject_kind, "id": row.subject_id, "name": row.subject_name},
            "before": row.before,
            "after": row.after,
            "outcome": row.outcome,
            "detail": row.detail,
            "job": reverse("api:job-detail", args=[row.job_id]) if row.job_id else None,
            "chain": row.chain,
        }
