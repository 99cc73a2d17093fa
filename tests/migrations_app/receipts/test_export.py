"""A receipt is handed out as a file that can be checked, to people who may see the move."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from fleet.models import Job
from fleet.states import Role
from migrations_app.models import Migration
from migrations_app.receipts import seal
from tests.cast import Cast, principal
from tests.migrations_app.flows.conftest import moving

__all__ = ["moving"]
Moving = Callable[..., tuple[Job, threading.Thread]]


def caller(role: Role, **more: Any) -> APIClient:
    client = APIClient()
    client.force_login(principal(role, **more).user)
    return client


@pytest.fixture
def moved(committed_cast: Cast, moving: Moving) -> Job:
    job, thread = moving(committed_cast.web, committed_cast.beta)
    committed_cast.fleet.wait_for_migration(str(committed_cast.web.uuid)).succeed()
    thread.join(20)
    return Job.objects.get(pk=job.pk)


def test_a_downloaded_receipt_is_genuine(moved: Job) -> None:
    client = caller(Role.VIEWER)
    answer = client.get(f"/api/v1/migrations/{moved.pk}/receipt/")
    assert answer["Content-Disposition"] == f'attachment; filename="receipt-{moved.pk}.json"'
    pem = client.get("/api/v1/receipts/key/")
    verdict = seal.check(answer.json(), seal.read_pem(pem.content.decode()))
    assert verdict.genuine, verdict
    assert pem["X-Key-Id"] == answer.json()["signature"]["key_id"]
    assert answer.json()["receipt"] == moved.result


def test_a_receipt_changed_in_the_database_does_not_hold(moved: Job) -> None:
    row = Migration.objects.get(pk=moved.pk)
    Migration.objects.filter(pk=moved.pk).update(receipt=row.receipt | {"downtime_ms": 1})
    client = caller(Role.VIEWER)
    document = client.get(f"/api/v1/migrations/{moved.pk}/receipt/").json()
    assert not seal.check(document, seal.read_pem(client.get("/api/v1/receipts/key/").content.decode())).genuine


def test_people_of_other_sites_get_none(committed_cast: Cast, moved: Job) -> None:
    stranger = caller(Role.ADMIN, site=committed_cast.south, name="southerner")
    assert stranger.get(f"/api/v1/migrations/{moved.pk}/receipt/").status_code == 404


def test_a_move_that_has_not_arrived_has_none(moved: Job) -> None:
    Migration.objects.filter(pk=moved.pk).update(receipt_signature="")
    answer = caller(Role.VIEWER).get(f"/api/v1/migrations/{moved.pk}/receipt/")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_receipt")


def test_the_job_page_shows_the_evidence_and_the_file(moved: Job) -> None:
    client = caller(Role.VIEWER)
    html = client.get(f"/jobs/{moved.pk}/").content.decode()
    assert "Download receipt" in html
    assert "disks open once" in html
