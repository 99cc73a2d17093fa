"""The forecasts that were held against outcomes, as far as somebody may see them."""

from __future__ import annotations

from django.db.models import QuerySet

from fleet.access.principal import Principal
from fleet.jobs.visibility import visible_jobs
from migrations_app.accuracy import Errors
from migrations_app.models import ForecastError

#: Moves that a summary looks back on.
LOOKS_BACK = 500


def visible(principal: Principal) -> QuerySet[ForecastError]:
    """Of moves whose job the principal may see, the newest first."""
    rows = ForecastError.objects.order_by("-at", "pk")
    if principal.everywhere is not None:
        return rows
    return rows.filter(job__in=visible_jobs(principal).values("pk"))


def errors(rows: QuerySet[ForecastError]) -> list[Errors]:
    """The newest of these as plain values; one query."""
    columns = ("source_name", "destination_name", "duration_error", "bytes_error", "pause_error")
    at_30 = ("duration_error_at_30", "pause_error_at_30")
    names = ("source", "destination", "duration", "bytes", "pause", "duration_at_30", "pause_at_30")
    found = rows.values_list(*columns, *at_30)[:LOOKS_BACK]
    return [Errors(**dict(zip(names, row, strict=True))) for row in found]
