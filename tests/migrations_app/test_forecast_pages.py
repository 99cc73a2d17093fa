"""How good the forecasts are, as people and programs see it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from fleet.models import Job
from fleet.states import Role
from migrations_app.models import ForecastError
from tests.cast import Cast, principal
from tests.fleet.api.conftest import *  # noqa: F403 - clients with roles


@pytest.fixture
def errors(cast: Cast) -> list[ForecastError]:
    """Three moves of web to beta and one of db to gamma."""
    made = []
    for guest, host, error in ((cast.web, cast.beta, 0.1), (cast.web, cast.beta, -0.5), (cast.db, cast.gamma, 0.2)):
        ended: dict[str, Any] = {"state": "succeeded", "finished_at": timezone.now()}
        job = Job.objects.create(
            kind="migration", guest=guest, host=host, origin=cast.alpha, subject_name=guest.name, title="x", **ended
        )
        made.append(
            ForecastError.objects.create(
                job=job,
                guest=guest,
                source=cast.alpha,
                destination=host,
                guest_name=guest.name,
                source_name="alpha",
                destination_name=host.name,
                mode="live",
                copied_disks=False,
                foreseen={"duration_s": 5.5, "downtime_ms": 80, "bytes": 100},
                duration_ms=5000,
                downtime_ms=64,
                duration_error=error,
                pause_error=0.25,
            )
        )
    return made


def test_the_page_shows_medians_pairs_and_the_last_moves(cast: Cast, errors: Any, client: Client) -> None:
    client.force_login(principal(Role.VIEWER).user)
    page = client.get("/forecasts/").content.decode()
    assert "the last 3 moves" in page
    assert "web from alpha to beta" in page
    assert "-50 %" in page
    assert "67 %" in page, "two of three durations were within 25 %"


def test_the_page_is_kind_to_those_who_have_moved_nothing(cast: Cast, client: Client) -> None:
    client.force_login(principal(Role.VIEWER).user)
    assert "No move has arrived yet" in client.get("/forecasts/").content.decode()


def test_programs_get_the_list_and_the_summary(cast: Cast, errors: Any, viewer: Any) -> None:
    listed = viewer.get("/api/v1/forecasts/?guest=web").json()
    assert listed["count"] == 2
    assert {row["duration_error"] for row in listed["results"]} == {0.1, -0.5}
    summary = viewer.get("/api/v1/forecasts/summary/").json()
    assert summary["moves"] == 3
    assert summary["duration"] == {"moves": 3, "median_error": 0.2, "within_25_percent": 0.6667}
    assert [pair["destination"] for pair in summary["pairs"]] == ["beta", "gamma"]


def test_a_page_of_many_moves_costs_no_more_queries(
    cast: Cast, errors: Any, client: Client, django_assert_max_num_queries: Any
) -> None:
    client.force_login(principal(Role.VIEWER).user)
    client.get("/forecasts/")
    with django_assert_max_num_queries(7):
        client.get("/forecasts/")


def test_a_guests_page_says_how_it_writes(cast: Cast, client: Client) -> None:
    client.force_login(principal(Role.VIEWER).user)
    assert "not measured yet" in client.get(f"/guests/{cast.web.pk}/").content.decode()
    cast.web.dirty_bytes_s, cast.web.dirty_set_bytes = 20 << 20, 30 << 20
    cast.web.dirty_measured_at = timezone.now()
    cast.web.save()
    assert "about 20 MiB/s of memory, 30 MiB within 8 s" in client.get(f"/guests/{cast.web.pk}/").content.decode()


def test_a_job_that_will_not_converge_offers_what_helps_and_is_allowed(cast: Cast, client: Client) -> None:
    outlook = {
        "text_code": "not_converging",
        "text": "Will not converge: the guest writes 30 MiB/s, 10 MiB/s are carried.",
        "converges": False,
        "needs_pause_ms": 1400,
        "remedies": ["downtime", "cancel"],
    }
    job = Job.objects.create(
        kind="migration",
        guest=cast.web,
        subject_name="web",
        title="Move web",
        state="running",
        started_at=timezone.now(),
        progress={"outlook": outlook},
    )
    client.force_login(principal(Role.OPERATOR).user)
    page = client.get(f"/jobs/{job.pk}/").content.decode()
    assert "Will not converge: the guest writes 30 MiB/s" in page
    assert 'data-remedy="bandwidth" data-once hidden' in page
