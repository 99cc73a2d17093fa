"""The page that moves a guest's disks within its host."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from fleet.models import Job
from fleet.states import Role
from migrations_app.models import Migration
from tests.cast import Cast, principal


@pytest.fixture
def operator(client: Client, cast: Cast, messages: list[Any], rung: list[Any]) -> Client:
    client.force_login(principal(Role.OPERATOR).user)
    return client


def test_it_offers_the_pools_that_the_disks_are_not_in(operator: Client, cast: Cast) -> None:
    text = operator.get(reverse("move-disks", args=[cast.db.pk])).content.decode()
    assert 'value="shared"' in text
    assert 'value="local"' not in text
    assert "/srv/local/db.qcow2" in text


def test_the_press_starts_the_job(operator: Client, cast: Cast) -> None:
    answer = operator.post(reverse("move-disks", args=[cast.db.pk]), {"disk": "vda", "pool": "shared", "key": "k1"})
    job = Job.objects.get()
    assert answer["Location"] == reverse("job", args=[job.pk])
    assert job.title == "Move vda to pool shared for db on alpha"
    assert Migration.objects.get().way == "storage"


def test_a_refusal_is_shown_in_words_where_it_was_asked(operator: Client, cast: Cast) -> None:
    answer = operator.post(reverse("move-disks", args=[cast.db.pk]), {"disk": "vda", "pool": "local"})
    assert answer.status_code == 422
    assert "vda is in pool local already" in answer.content.decode()


def test_the_guests_page_leads_there_only_while_it_runs(operator: Client, cast: Cast) -> None:
    link = reverse("move-disks", args=[cast.db.pk])
    assert link in operator.get(reverse("guest", args=[cast.db.pk])).content.decode()
    type(cast.db).objects.filter(pk=cast.db.pk).update(state="shutoff")
    assert link not in operator.get(reverse("guest", args=[cast.db.pk])).content.decode()


def test_a_viewer_may_not_start_it(client: Client, cast: Cast) -> None:
    client.force_login(principal(Role.VIEWER).user)
    answer = client.post(reverse("move-disks", args=[cast.db.pk]), {"disk": "vda", "pool": "shared"})
    assert answer.status_code == 403
    assert not Job.objects.exists()


def test_the_route_is_a_choice_of_the_migrate_page(operator: Client, cast: Cast) -> None:
    assert 'name="route"' in operator.get(reverse("migrate", args=[cast.db.pk])).content.decode()
    wish = {"destination": str(cast.beta.pk), "route": "relay", "storage": "auto", "key": "k2"}
    operator.post(reverse("migrate", args=[cast.db.pk]), wish)
    migration = Migration.objects.get()
    assert (migration.way, migration.mode) == ("relay", "offline")
