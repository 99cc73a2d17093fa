"""The alarm of alarms reaches every page, program and mailbox, and ends when one copy is left."""

from __future__ import annotations

import importlib
import logging
from typing import Any

import pytest
from django.apps import apps
from django.core import mail
from django.test import Client
from rest_framework.test import APIClient

from fleet.inventory import alarm
from fleet.models import Guest, Host, Sighting
from fleet.refusals import Refused
from fleet.states import Role
from migrations_app.flows.submit import submit
from tests.cast import Cast, principal
from tests.conftest import wait_until


@pytest.fixture
def doubled(cast: Cast, messages: list[Any], django_capture_on_commit_callbacks: Any) -> Cast:
    with django_capture_on_commit_callbacks(execute=True):
        alarm.sound(cast.web.pk, ("beta", "alpha"))
    cast.web.refresh_from_db()
    return cast


def browser(role: Role = Role.VIEWER, **site: Any) -> Client:
    client = Client()
    client.force_login(principal(role, **site).user)
    return client


@pytest.mark.parametrize("path", ["/", "/hosts/", "/jobs/", "/tokens/"])
def test_the_banner_is_on_every_page(doubled: Cast, path: str) -> None:
    html = browser().get(path).content.decode()
    assert "RUNS TWICE, on" in html
    assert "alpha and beta" in html


def test_only_people_of_a_site_with_a_copy_see_it(doubled: Cast) -> None:
    html = browser(Role.OPERATOR, site=doubled.south, name="southerner").get("/").content.decode()
    assert "alpha and beta" not in html


def test_open_pages_are_told_at_once(doubled: Cast, messages: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    ((_, message),) = [one for one in messages if one[0] == "alarms"]
    assert (message["type"], message["document"]["runs_twice_on"]) == ("update", ["alpha", "beta"])
    assert message["sites"] == [str(doubled.north.pk)]


def test_the_same_alarm_is_logged_again_and_stored_once(doubled: Cast, caplog: pytest.LogCaptureFixture) -> None:
    since = doubled.web.runs_twice_since
    alarm.sound(doubled.web.pk, ("alpha", "beta"))
    doubled.web.refresh_from_db()
    assert doubled.web.runs_twice_since == since
    assert any(record.levelno == logging.CRITICAL for record in caplog.records)


def test_it_ends_when_one_copy_is_left(
    doubled: Cast, messages: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        alarm.silence([doubled.web.pk])
    assert ("alarms", {"type": "gone", "topic": "alarms", "id": str(doubled.web.pk)}) in messages
    assert "RUNS TWICE, on <span data-alarm-hosts>alpha" not in browser().get("/").content.decode()


def test_a_guest_that_runs_twice_is_moved_nowhere(doubled: Cast) -> None:
    with pytest.raises(Refused) as refused:
        submit(principal=principal(Role.OPERATOR), guest=doubled.web, destination=doubled.beta)
    assert refused.value.code == "runs_twice"


def test_programs_can_ask_for_it(doubled: Cast) -> None:
    client = APIClient()
    client.force_login(principal(Role.VIEWER).user)
    found = client.get("/api/v1/guests/?runs_twice=true").json()["results"]
    assert [guest["runs_twice_on"] for guest in found] == [["alpha", "beta"]]
    assert len(client.get("/api/v1/guests/?runs_twice=false").json()["results"]) == 1


def test_rows_that_say_so_are_found_without_any_event(cast: Cast) -> None:
    assert alarm.suspects() == []
    Sighting.objects.create(guest=cast.web, host=cast.beta, state="running")
    assert alarm.suspects() == [(cast.web.pk, (cast.alpha.pk, cast.beta.pk))] or alarm.suspects() == [
        (cast.web.pk, (cast.beta.pk, cast.alpha.pk))
    ]
    Host.objects.filter(pk=cast.beta.pk).update(contact=Host.Contact.UNREACHABLE)
    assert alarm.suspects() == [], "a host that is silent says nothing new"


def test_it_is_mailed_where_addresses_are_set(
    cast: Cast, messages: list[Any], settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settings.ALARM_EMAIL = ["on-call@example.org"]
    with django_capture_on_commit_callbacks(execute=True):
        alarm.sound(cast.web.pk, ("alpha", "beta"))
    wait_until(lambda: mail.outbox, 5, "the mail is sent")
    assert mail.outbox[0].subject == "Drover: web RUNS TWICE, on alpha and beta"


def test_alarms_of_the_release_before_move_into_the_field_and_back(cast: Cast) -> None:
    move = importlib.import_module("fleet.migrations.0005_double_runs_out_of_facts")
    Guest.objects.filter(pk=cast.web.pk).update(facts=cast.web.facts | {"double_run": ["alpha", "beta"]})
    move.into_field(apps, None)
    cast.web.refresh_from_db()
    assert cast.web.runs_twice_on == ["alpha", "beta"]
    assert cast.web.runs_twice_since is not None
    assert "double_run" not in cast.web.facts
    move.into_facts(apps, None)
    cast.web.refresh_from_db()
    assert cast.web.facts["double_run"] == ["alpha", "beta"]
