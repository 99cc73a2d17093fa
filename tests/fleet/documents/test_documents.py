"""Rows as documents: what programs may rely on, and what it costs to load many."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone as clock

from fleet.documents import event_document, guest_document, host_document, job_document
from fleet.documents.addresses import guest_url, host_url, job_url
from fleet.documents.times import rfc3339
from fleet.jobs import lifecycle
from fleet.models import Guest, Host, Job
from tests.cast import Cast
from tests.fleet.jobs.conftest import make_job

JOB = {
    *("id", "url", "kind", "state", "stage", "title", "subject", "progress", "steps", "error", "result", "seq"),
    *("requested_by", "created_at", "started_at", "finished_at", "parent", "children", "permitted_actions"),
    *("waiting", "retry_of"),
}


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, None),
        (datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC), "2026-03-01T12:00:00.123Z"),
        (datetime(2026, 3, 1, 12, 0, tzinfo=timezone(timedelta(hours=2))), "2026-03-01T10:00:00.000Z"),
    ],
)
def test_times_are_utc_with_milliseconds(moment: datetime | None, text: str | None) -> None:
    assert rfc3339(moment) == text


def test_addresses_are_those_that_the_api_answers_at(cast: Cast, messages: Any) -> None:
    job = make_job(cast.web)
    assert job_url(job.pk) == reverse("api:job-detail", args=[job.pk])
    assert host_url(cast.alpha.pk) == reverse("api:host-detail", args=[cast.alpha.pk])
    assert guest_url(cast.web.pk) == reverse("api:guest-detail", args=[cast.web.pk])


def test_a_job_document_has_every_field_of_the_contract(cast: Cast, messages: Any) -> None:
    document = job_document(make_job(cast.web))
    assert set(document) == JOB
    assert document["subject"] == {
        "kind": "guest",
        "id": str(cast.web.pk),
        "name": "web",
        "url": guest_url(cast.web.pk),
    }
    assert [step["state"] for step in document["steps"]] == ["waiting"] * 3
    assert json.loads(json.dumps(document)) == document, "it is plain JSON"


def test_a_job_of_a_guest_that_is_gone_stays_readable(cast: Cast, messages: Any) -> None:
    job = make_job(cast.web, state="failed", finished_at=clock.now())
    Guest.objects.filter(pk=cast.web.pk).delete()
    Host.objects.filter(pk=cast.alpha.pk).delete()
    job.refresh_from_db()
    assert job_document(job)["subject"] == {"kind": "", "id": None, "name": "web", "url": None}


@pytest.mark.parametrize(
    ("state", "actions"),
    [
        *(("queued", ["cancel"]), ("running", ["cancel"]), ("unknown", ["cancel"])),
        *(("failed", ["retry"]), ("cancelled", ["retry"]), ("succeeded", [])),
    ],
)
def test_what_runs_can_be_cancelled_and_what_failed_be_tried_again(
    cast: Cast, messages: Any, state: str, actions: list[str]
) -> None:
    finished_at = clock.now() if state in {"failed", "cancelled", "succeeded"} else None
    assert job_document(make_job(cast.web, state=state, finished_at=finished_at))["permitted_actions"] == actions


def test_a_guest_names_its_unfinished_job_only(cast: Cast, messages: Any) -> None:
    make_job(cast.web, state="failed", finished_at=clock.now())
    assert guest_document(Guest.objects.for_documents().get(pk=cast.web.pk))["current_job"] is None
    job = make_job(cast.web)
    for guest in (Guest.objects.for_documents().get(pk=cast.web.pk), Guest.objects.get(pk=cast.web.pk)):
        assert guest_document(guest)["current_job"] == job_url(job.pk)


def test_a_guest_that_no_host_knows_has_no_place(cast: Cast) -> None:
    Guest.objects.filter(pk=cast.web.pk).update(host=None)
    document = guest_document(Guest.objects.for_documents().get(pk=cast.web.pk))
    assert (document["host"], document["site"]) == (None, None)


@pytest.mark.parametrize(
    ("contact", "maintenance", "state"),
    [("up", False, "up"), ("up", True, "maintenance"), ("unreachable", True, "unreachable")],
)
def test_maintenance_shows_only_on_a_host_that_answers(cast: Cast, contact: str, maintenance: bool, state: str) -> None:
    Host.objects.filter(pk=cast.beta.pk).update(contact=contact, maintenance=maintenance)
    assert host_document(Host.objects.for_documents().get(pk=cast.beta.pk))["state"] == state


def test_a_host_counts_its_guests_and_never_shows_its_key(cast: Cast) -> None:
    Host.objects.filter(pk=cast.alpha.pk).update(ssh_host_key="ssh-ed25519 AAAA")
    document = host_document(Host.objects.for_documents().get(pk=cast.alpha.pk))
    assert document["guests_count"] == 2
    assert "AAAA" not in json.dumps(document)


def test_a_line_of_the_log_names_its_job_and_its_number(cast: Cast, messages: Any) -> None:
    job = make_job(cast.web)
    event = lifecycle.record(job.pk, code="x", message="words", data={"a": 1})
    document = event_document(event)
    assert (document["job"], document["seq"], document["message"], document["data"]) == (
        str(job.pk),
        1,
        "words",
        {"a": 1},
    )


def test_many_documents_cost_as_many_queries_as_one(
    cast: Cast, messages: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        guest = Guest.objects.create(uuid=f"00000000-0000-4000-8000-{number:012}", name=f"g{number}", host=cast.beta)
        make_job(guest)
    with django_assert_max_num_queries(3):
        assert len([job_document(job) for job in Job.objects.for_documents()]) == 20
    with django_assert_max_num_queries(2):
        assert len([guest_document(guest) for guest in Guest.objects.for_documents()]) == 22
    with django_assert_max_num_queries(1):
        assert len([host_document(host) for host in Host.objects.for_documents()]) == 3
