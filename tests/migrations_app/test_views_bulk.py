"""Moving several guests from their list: one parent with its page, or nothing and a word about why."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from fleet.models import Host, Job
from fleet.states import JobState, Role
from migrations_app.flows import admit
from tests.cast import Cast, principal

pytestmark = pytest.mark.usefixtures("messages", "rung")


def client(role: Role = Role.OPERATOR) -> Client:
    browser = Client()
    browser.force_login(principal(role).user)
    return browser


def move(browser: Client, *guests: Any, destination: Any = "", key: str = "") -> Any:
    words = {"guest": [str(guest.pk) for guest in guests], "destination": str(destination), "key": key}
    return browser.post("/guests/move/", words, follow=True)


def test_the_selected_guests_move_as_one_job_with_a_page_of_its_own(cast: Cast) -> None:
    page = move(client(), cast.web, cast.db, destination=cast.beta.pk).content.decode()
    parent = Job.objects.get(kind="moves")
    assert parent.children.count() == 2
    assert "Move 2 guests from alpha to beta" in page
    assert "Move db from alpha to beta" in page
    assert "Move web from alpha to beta" in page


def test_each_goes_to_its_best_host_where_none_is_chosen(cast: Cast) -> None:
    move(client(), cast.web)
    assert Job.objects.get(kind="migration").host == cast.beta


def test_one_that_cannot_move_keeps_all_and_is_named(cast: Cast) -> None:
    Host.objects.filter(pk=cast.beta.pk).update(maintenance=True)
    page = move(client(), cast.web, cast.db, destination=cast.beta.pk).content.decode()
    assert "beta is in maintenance" in page
    assert "No guest was moved." in page
    assert not Job.objects.exists()


def test_sending_the_form_twice_makes_one_job(cast: Cast) -> None:
    browser = client()
    for _ in range(2):
        move(browser, cast.web, destination=cast.beta.pk, key="once")
    assert Job.objects.filter(kind="moves").count() == 1


def test_nothing_selected_is_said(cast: Cast) -> None:
    assert "No guests were selected." in move(client()).content.decode()


def test_a_viewer_finds_no_boxes_and_may_not(cast: Cast) -> None:
    browser = client(Role.VIEWER)
    assert "Move selected" not in browser.get("/guests/").content.decode()
    assert move(browser, cast.web).status_code == 403
    assert "Move selected" in client().get("/guests/").content.decode()


def test_who_waits_is_told_for_what_on_the_job_page_and_in_the_list(cast: Cast) -> None:
    Host.objects.filter(pk=cast.beta.pk).update(max_moves_in=0)
    move(client(), cast.web, destination=cast.beta.pk)
    admit.tidy()
    job = Job.objects.get(kind="migration")
    assert job.waiting is not None
    for path in (f"/jobs/{job.pk}/", "/jobs/", f"/jobs/{job.parent_id}/"):
        assert "beta takes no moves at once" in client().get(path).content.decode(), path


def test_a_failed_move_is_tried_again_at_a_press(cast: Cast) -> None:
    move(client(), cast.web, destination=cast.beta.pk)
    job = Job.objects.get(kind="migration")
    Job.objects.filter(pk=job.pk).update(state=JobState.FAILED, finished_at=job.created_at)
    assert 'data-action="retry">' in client().get(f"/jobs/{job.pk}/").content.decode()
    answer = client().post(f"/jobs/{job.pk}/retry/")
    again = Job.objects.get(retry_of=job)
    assert answer["Location"] == f"/jobs/{again.pk}/"
    Job.objects.filter(pk=again.pk).update(state=JobState.SUCCEEDED, finished_at=job.created_at)
    page = client().post(f"/jobs/{again.pk}/retry/", follow=True).content.decode()
    assert "The job is succeeded." in page
