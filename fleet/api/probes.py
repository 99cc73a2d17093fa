"""`/healthz`, `/readyz` and `/metrics`: for whoever watches Drover itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import redis
from django.conf import settings
from django.db import Error, connection
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from fleet.access import tokens
from fleet.access.principal import Principal
from fleet.models import Guest, Host, Job
from fleet.states import GuestState, HostState, JobState

#: A probe that waits is no probe.
_REDIS_TIMEOUT_S = 1


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process answers; asks nothing else."""
    return JsonResponse({"status": "ok", "version": settings.VERSION})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when database and Redis answer too, 503 naming the one that does not."""
    parts = {"database": _answers(_ask_database), "redis": _answers(_ask_redis)}
    ready = all(part == "ok" for part in parts.values())
    code = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return JsonResponse({"status": "ok" if ready else "not ready", **parts}, status=code)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Counts in Prometheus' text format; for a token or session that sees the whole fleet, or as METRICS_OPEN says."""
    if not settings.METRICS_OPEN and not _sees_everything(request):
        text = "Send a token of somebody with a role everywhere, or set DROVER_METRICS_OPEN=yes.\n"
        headers = {"WWW-Authenticate": 'Bearer realm="Drover"'}
        return HttpResponse(text, content_type="text/plain", status=HTTPStatus.UNAUTHORIZED, headers=headers)
    text = "".join(f"{line}\n" for line in _lines())
    return HttpResponse(text, content_type="text/plain; version=0.0.4; charset=utf-8")


def _answers(ask: Callable[[], Any]) -> str:
    try:
        ask()
    except (Error, redis.RedisError, OSError) as error:
        # The kind only: messages of drivers name addresses and users.
        return f"does not answer ({type(error).__name__})"
    return "ok"


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_redis() -> None:
    with redis.Redis.from_url(
        settings.REDIS_CONNECTION_URL, socket_timeout=_REDIS_TIMEOUT_S, socket_connect_timeout=_REDIS_TIMEOUT_S
    ) as client:
        client.ping()


def _sees_everything(request: HttpRequest) -> bool:
    text = tokens.bearer(request.headers.get("Authorization", ""))
    found = tokens.principal_of(text) if text else None
    principal: Principal | None = found[1] if found else getattr(request, "principal", None)
    return principal is not None and principal.allows("fleet.view")


def _lines() -> Iterator[str]:
    yield from _gauge("drover_info", "The version that runs.", {f'version="{settings.VERSION}"': 1})
    yield from _gauge("drover_hosts", "Hosts by state.", _hosts())
    yield from _gauge("drover_guests", "Guests by state.", _by_state(Guest, GuestState))
    twice = Guest.objects.running_twice().count()
    yield from _gauge("drover_guests_running_twice", "Guests that run on two hosts at once: alarm.", {"": twice})
    yield from _gauge("drover_jobs", "Jobs by state.", _by_state(Job, JobState))
    oldest = Job.objects.filter(state=JobState.QUEUED).aggregate(at=Min("created_at"))["at"]
    age = (timezone.now() - oldest).total_seconds() if oldest else 0
    yield from _gauge("drover_oldest_queued_job_seconds", "How long the oldest queued job waits.", {"": round(age, 3)})


def _hosts() -> dict[str, int]:
    counts = {f'state="{state.value}"': 0 for state in HostState}
    rows = Host.objects.order_by().values_list("contact", "maintenance").annotate(Count("pk"))
    for contact, maintenance, count in rows:
        counts[f'state="{Host(contact=contact, maintenance=maintenance).state.value}"'] += count
    return counts


def _by_state(model: Any, states: Any) -> dict[str, int]:
    counts = dict(model.objects.order_by().values_list("state").annotate(Count("pk")))
    return {f'state="{state.value}"': counts.get(state.value, 0) for state in states}


def _gauge(name: str, help_text: str, values: dict[str, Any]) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} gauge"
    for labels, value in values.items():
        yield f"{name}{{{labels}}} {value}" if labels else f"{name} {value}"
