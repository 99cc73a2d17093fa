"""The page that says how good the forecasts are."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from fleet.views.doors import Request, page, person
from migrations_app import accuracy
from migrations_app.flows import forecasts as flow

#: Moves listed one by one, and pairs of hosts.
NEWEST, PAIRS = 50, 20
TITLES = {
    "duration": "Duration, before the start",
    "bytes": "Bytes sent, before the start",
    "pause": "Pause, before the start",
    "duration_at_30": "Duration, with 30 % done",
    "pause_at_30": "Pause, with 30 % done",
}


@page
@require_safe
def forecasts(request: Request) -> HttpResponse:
    """Medians, pairs of hosts and the last moves: foreseen against what happened."""
    rows = flow.visible(person(request))
    moves = flow.errors(rows)
    found = accuracy.by_kind(moves)
    context: dict[str, Any] = {
        "kinds": [(title, found[name]) for name, title in TITLES.items()],
        "pairs": accuracy.by_pair(moves)[:PAIRS],
        "rows": rows[:NEWEST],
        "total": len(moves),
    }
    return render(request, "migrations/forecasts.html", context)
