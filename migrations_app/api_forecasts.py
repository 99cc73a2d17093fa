"""`forecasts/`: what was foreseen of moves that arrived, what happened, and how close that was."""

from __future__ import annotations

from dataclasses import asdict
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
from fleet.api.serializers import FormerReference, OutlookAt30Serializer, shape_of
from fleet.documents.times import rfc3339
from migrations_app import accuracy
from migrations_app.accuracy import Accuracy
from migrations_app.flows import forecasts
from migrations_app.models import ForecastError

AccuracySerializer = shape_of(Accuracy)
_ERROR = "(forecast - actual) / actual: -0.2 is a fifth too little."


class ForecastErrorSerializer(serializers.Serializer[Any]):
    """A move that arrived, against its forecasts."""

    job = serializers.CharField(help_text="The address of its job.")
    guest = FormerReference()
    source = FormerReference()  # type: ignore[assignment]
    destination = FormerReference()
    mode = serializers.CharField()
    copied_disks = serializers.BooleanField()
    at = serializers.DateTimeField()
    foreseen = serializers.DictField(help_text="Before the start.")
    foreseen_at_30 = OutlookAt30Serializer(allow_null=True)
    duration_ms = serializers.IntegerField()
    sent_bytes = serializers.IntegerField(allow_null=True)
    downtime_ms = serializers.IntegerField(allow_null=True)
    duration_error = serializers.FloatField(allow_null=True, help_text=_ERROR)
    bytes_error = serializers.FloatField(allow_null=True, help_text=_ERROR)
    pause_error = serializers.FloatField(allow_null=True, help_text=_ERROR)
    duration_error_at_30 = serializers.FloatField(allow_null=True, help_text=_ERROR)
    pause_error_at_30 = serializers.FloatField(allow_null=True, help_text=_ERROR)


class PairAccuracySerializer(serializers.Serializer[Any]):
    """How close the durations between two hosts were foreseen."""

    source = serializers.CharField()  # type: ignore[assignment]
    destination = serializers.CharField()
    duration = AccuracySerializer()


class ForecastSummarySerializer(serializers.Serializer[Any]):
    """How close the forecasts were; errors are sizes without their sign."""

    moves = serializers.IntegerField()
    duration = AccuracySerializer()
    bytes = AccuracySerializer()
    pause = AccuracySerializer()
    duration_at_30 = AccuracySerializer()
    pause_at_30 = AccuracySerializer()
    pairs = PairAccuracySerializer(many=True)


class ForecastFilters(Filters):
    """How the list is narrowed."""

    guest = django_filters.CharFilter(method="by_id_or_name")
    source = django_filters.CharFilter(method="by_id_or_name")
    destination = django_filters.CharFilter(method="by_id_or_name")
    copied_disks = django_filters.BooleanFilter()


@extend_schema_view(
    list=extend_schema(responses={200: ForecastErrorSerializer(many=True), **problems()}),
    retrieve=extend_schema(responses={200: ForecastErrorSerializer, **problems(404)}),
)
class Forecasts(Listed):
    """Forecasts against outcomes."""

    serializer_class = ForecastErrorSerializer
    filterset_class = ForecastFilters
    search_fields = ("guest_name", "source_name", "destination_name")
    ordering_fields = ("at", "duration_error", "duration_ms")

    def get_queryset(self) -> QuerySet[ForecastError]:
        """Of moves that the caller may see, the newest first."""
        return forecasts.visible(self.principal)

    def document(self, row: ForecastError) -> dict[str, Any]:
        """One move."""
        return {
            "job": reverse("api:job-detail", args=[row.pk]),
            "guest": _former(row.guest_id, row.guest_name),
            "source": _former(row.source_id, row.source_name),
            "destination": _former(row.destination_id, row.destination_name),
            "mode": row.mode,
            "copied_disks": row.copied_disks,
            "at": rfc3339(row.at),
            "foreseen": row.foreseen,
            "foreseen_at_30": row.foreseen_at_30,
            "duration_ms": row.duration_ms,
            "sent_bytes": row.sent_bytes,
            "downtime_ms": row.downtime_ms,
            "duration_error": row.duration_error,
            "bytes_error": row.bytes_error,
            "pause_error": row.pause_error,
            "duration_error_at_30": row.duration_error_at_30,
            "pause_error_at_30": row.pause_error_at_30,
        }

    @extend_schema(responses={200: ForecastSummarySerializer, **problems()}, filters=False)
    @action(detail=False, methods=["get"])
    def summary(self, request: Request) -> Response:
        """How close they were, over the newest moves and by pairs of hosts."""
        moves = forecasts.errors(self.get_queryset())
        found = {name: asdict(value) for name, value in accuracy.by_kind(moves).items()}
        pairs = [pair | {"duration": asdict(pair["duration"])} for pair in accuracy.by_pair(moves)]
        return Response({"moves": len(moves), **found, "pairs": pairs})


def _former(identifier: Any, name: str) -> dict[str, Any]:
    return {"id": str(identifier) if identifier else None, "name": name}
