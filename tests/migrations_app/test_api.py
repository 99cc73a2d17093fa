from __future__ import annotations

import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils.timezone import now
from rest_framework.test import APIClient

from fleet.access import tokens
from fleet.models import AuditEvent, Grant, Guest, Job, Site
from fleet.states import Role
from migrations_app.models import Migration
from tests.fleet.api.test_schema import check

URL = "/api/v1/migrations/"


def client_of(role: str, site: Site | None = None) -> APIClient:
    user, _ = User.objects.get_or_create(username=f"{role}-{site.slug}" if site else role)
    Grant.objects.get_or_create(user=user, site=site, defaults={"role": role})
    return APIClient(headers={"Authorization": f"Bearer {tokens.make(user=user, role=Role.ADMIN)[1]}"})


@pytest.fixture
def operator(cast) -> APIClient:
    return client_of("operator")


def errors(answer: Any) -> dict[str, str]:
    return {error["pointer"]: error["message"] for error in answer.json()["errors"]}


def test_a_wish_becomes_a_job(cast, operator):
    answer = operator.post(URL, {"guest": str(cast.web.pk), "destination": "beta"})
    assert answer.status_code == 202, answer.content
    job = answer.json()
    assert answer["Location"] == job["url"] == f"/api/v1/jobs/{job['id']}/"
    assert (job["state"], job["kind"], job["subject"]["name"]) == ("queued", "migration", "web")
    assert job["steps"][0]["name"] == "check"
    assert job["permitted_actions"] == ["cancel"]
    check(job, "Job")
    event = AuditEvent.objects.get(verb="migration.submit")
    assert (event.outcome, str(event.job_id)) == ("accepted", job["id"])
    guest = operator.get(f"/api/v1/guests/{cast.web.pk}/").json()
    assert guest["current_job"] == job["url"]
    migration = operator.get(f"{URL}{job['id']}/").json()
    check(migration, "Migration")
    assert (migration["source"]["name"], migration["destination"]["name"]) == ("alpha", "beta")


@pytest.mark.parametrize("by", ["pk", "uuid", "name"])
def test_the_guest_is_named_by_id_uuid_or_name(cast, operator, by):
    assert (
        operator.post(URL, {"guest": str(getattr(cast.web, by)), "destination": str(cast.beta.pk)}).status_code == 202
    )


def test_a_name_that_two_guests_have_is_not_enough(cast, operator):
    Guest.objects.filter(pk=cast.db.pk).update(name="web")
    assert errors(operator.post(URL, {"guest": "web"})) == {"/guest": "Several have the name 'web'; give the id."}


@pytest.mark.parametrize(
    ("change", "pointer", "words"),
    [
        ({"guest": "nobody"}, "/guest", "There is no guest 'nobody'."),
        ({"destination": "mars"}, "/destination", "There is no host 'mars'."),
        ({"mode": "telepathic"}, "/mode", "telepathic"),
        ({"storage": "tape"}, "/storage", "tape"),
        ({"not_before": "soon"}, "/not_before", "wrong format"),
        ({"window": "night"}, "/window", "Known fields: guest, destination, mode, storage, options, not_before."),
        ({"options": {"bandwith_mib_s": 1}}, "/options/bandwith_mib_s", "Known: auto_converge, bandwidth_mib_s,"),
        ({"options": {"bandwidth_mib_s": "1"}}, "/options/bandwidth_mib_s", "whole number"),
        ({"options": {"bandwidth_mib_s": -1}}, "/options/bandwidth_mib_s", "between 0 and"),
        ({"options": []}, "/options", "dictionary"),
    ],
)
def test_what_is_wrong_with_a_wish_is_named(cast, operator, change, pointer, words):
    answer = operator.post(URL, {"guest": "web", "destination": "beta", **change})
    assert answer.status_code == 400
    assert list(errors(answer)) == [pointer]
    assert words in errors(answer)[pointer]
    assert not Job.objects.exists()


def test_a_mode_that_does_not_fit_the_guests_state_is_refused_in_words(cast, operator):
    answer = operator.post(URL, {"guest": "web", "destination": "beta", "mode": "cold"})
    assert (answer.status_code, answer.json()["code"]) == (422, "checks_failed")
    assert "web is running; a cold move needs it shut off." in answer.json()["detail"]


def test_destinations_can_be_asked_for_another_mode(cast, operator):
    found = operator.get(f"/api/v1/guests/{cast.web.pk}/destinations/?mode=offline").json()["results"]
    assert {one["mode"] for one in found} == {"offline"}
    # 256 MiB over an assumed Gbit/s link, and the handshake: it stands still all that time.
    assert all(one["forecast"]["downtime_ms"] > 1000 for one in found)
    assert operator.get(f"/api/v1/guests/{cast.web.pk}/destinations/?mode=warm").status_code == 400


def test_a_second_job_on_a_busy_guest_names_the_first(cast, operator):
    first = operator.post(URL, {"guest": "web", "destination": "beta"}).json()
    second = operator.post(URL, {"guest": "web", "destination": "beta"})
    assert (second.status_code, second.json()["job"]) == (409, first["url"])


def test_a_destination_equal_to_the_source_is_refused(cast, operator):
    answer = operator.post(URL, {"guest": "web", "destination": "alpha"})
    assert (answer.status_code, answer.json()["code"]) == (422, "same_host")


def test_a_blocked_move_is_refused_with_its_checks(cast, operator):
    cast.beta.maintenance = True
    cast.beta.save()
    answer = operator.post(URL, {"guest": "web", "destination": "beta"})
    assert answer.status_code == 422
    assert "block" in {check["severity"] for check in answer.json()["checks"]}
    check(answer.json(), "Problem")


def test_the_same_key_and_body_give_the_same_job(cast, operator):
    body, headers = {"guest": "web", "destination": "beta"}, {"Idempotency-Key": "deploy-17"}
    first, again = operator.post(URL, body, headers=headers), operator.post(URL, body, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    other = operator.post(URL, {**body, "storage": "copy"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert Job.objects.count() == 1


def test_a_key_belongs_to_its_user(cast, operator):
    headers = {"Idempotency-Key": "deploy-17"}
    operator.post(URL, {"guest": "web", "destination": "beta"}, headers=headers)
    other = client_of("admin").post(URL, {"guest": "web", "destination": "beta"}, headers=headers)
    assert other.status_code == 409


@pytest.mark.parametrize("key", ["a b", "ä", "x" * 191])
def test_a_key_that_cannot_be_kept_is_refused(cast, operator, key):
    answer = operator.post(URL, {"guest": "web"}, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")


def test_a_dry_run_answers_and_stores_nothing(cast, operator):
    answer = operator.post(f"{URL}?dry_run=true", {"guest": "web", "destination": "beta"})
    assert answer.status_code == 200
    verdict = answer.json()
    check(verdict, "DryRun")
    assert (verdict["allowed"], verdict["destination"]["name"], verdict["storage"]) == (True, "beta", "none")
    assert verdict["forecast"]["duration_s"] > 0
    assert not Job.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_dry_run_of_a_blocked_move_says_so(cast, operator):
    cast.beta.maintenance = True
    cast.beta.save()
    verdict = operator.post(f"{URL}?dry_run=true", {"guest": "web", "destination": "beta"}).json()
    check(verdict, "DryRun")
    assert verdict["allowed"] is False
    assert "block" in {check["severity"] for check in verdict["checks"]}


def test_several_moves_are_accepted_together(cast, operator):
    body = {"items": [{"guest": "web", "destination": "beta"}, {"guest": "db", "destination": "beta"}]}
    answer = operator.post(URL, body, headers={"Idempotency-Key": "batch"})
    assert answer.status_code == 202, answer.content
    check(answer.json(), "Jobs")
    assert [job["subject"]["name"] for job in answer.json()["jobs"]] == ["web", "db"]
    again = operator.post(URL, body, headers={"Idempotency-Key": "batch"})
    assert (again["Idempotent-Replayed"], again.json()["jobs"][1]["id"]) == ("true", answer.json()["jobs"][1]["id"])
    fewer = operator.post(URL, {"items": body["items"][:1]}, headers={"Idempotency-Key": "batch"})
    assert (fewer.status_code, fewer.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("second", "status", "pointer"),
    [
        ({"guest": "db", "destination": "alpha"}, 422, "/items/1/destination"),
        ({"guest": "nobody"}, 400, "/items/1/guest"),
        ({"guest": "db", "speed": 1}, 400, "/items/1/speed"),
        ({"guest": "db", "options": {"x": 1}}, 400, "/items/1/options/x"),
    ],
)
def test_one_refused_move_takes_the_others_back(cast, operator, second, status, pointer):
    answer = operator.post(URL, {"items": [{"guest": "web", "destination": "beta"}, second]})
    assert (answer.status_code, list(errors(answer))) == (status, [pointer])
    assert not Job.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    "body", [{"items": []}, {"items": [{}] * 101}, {"items": "web"}, {"items": [], "guest": "web"}]
)
def test_a_list_of_moves_that_is_none_is_refused(cast, operator, body):
    assert operator.post(URL, body).status_code == 400


def test_both_ends_must_be_the_callers(cast):
    north = client_of("operator", cast.north)
    assert north.post(URL, {"guest": "web", "destination": "gamma"}).status_code == 400
    Grant.objects.create(user=User.objects.get(username="operator-north"), role="viewer", site=cast.south)
    refused = north.post(URL, {"guest": "web", "destination": "gamma"})
    assert (refused.status_code, refused.json()["data"]["role_needed"]) == (403, "operator")
    assert north.post(URL, {"guest": "web", "destination": "beta"}).status_code == 202


def test_destinations_tell_why(cast, operator):
    page = operator.get(f"/api/v1/guests/{cast.web.pk}/destinations/").json()
    check(page, "PaginatedDestinationList")
    assert {one["host"]["name"] for one in page["results"]} == {"beta", "gamma"}
    assert page["results"][0]["allowed"]
    seen = client_of("viewer", cast.north).get(f"/api/v1/guests/{cast.web.pk}/destinations/").json()
    assert [one["host"]["name"] for one in seen["results"]] == ["beta"]
    assert operator.get(f"/api/v1/guests/{cast.web.pk}/destinations/?storage=tape").status_code == 400


def test_destinations_cost_the_same_for_many_hosts(cast, operator, django_assert_max_num_queries):
    url = f"/api/v1/guests/{cast.web.pk}/destinations/"
    operator.get(url)
    with django_assert_max_num_queries(9):
        operator.get(url)


def test_waiting_for_a_wish_ends_with_the_time_given(cast, operator):
    began = time.monotonic()
    answer = operator.post(URL, {"guest": "web", "destination": "beta"}, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer["Preference-Applied"]) == (202, "wait=1")
    assert 0.9 < time.monotonic() - began < 10


def test_a_wish_is_answered_quickly(cast, operator):
    """The aim is 50 ms (bench/ measures it); here only a gross slip shows, the machine may be busy."""
    operator.post(f"{URL}?dry_run=true", {"guest": "web", "destination": "beta"})
    began = time.perf_counter()
    assert operator.post(URL, {"guest": "web", "destination": "beta"}).status_code == 202
    assert time.perf_counter() - began < 1


def test_migrations_are_narrowed(cast, operator):
    operator.post(URL, {"guest": "web", "destination": "beta"})
    assert operator.get(f"{URL}?guest=web&state=queued&destination=beta").json()["count"] == 1
    assert operator.get(f"{URL}?state=succeeded").json()["count"] == 0
    assert Migration.objects.count() == 1


def test_a_failed_job_is_tried_again_and_a_running_one_is_not(cast, operator):
    job = operator.post(URL, {"guest": "web", "destination": "beta"}).json()
    early = operator.post(f"{job['url']}retry/")
    assert (early.status_code, early.json()["code"]) == (409, "not_retriable")
    Job.objects.filter(pk=job["id"]).update(state="failed", finished_at=now())
    answer = operator.post(f"{job['url']}retry/")
    assert (answer.status_code, answer.json()["retry_of"]) == (202, job["id"])
    check(answer.json(), "Job")
    assert answer["Location"] == answer.json()["url"]


def test_several_moves_have_a_parent(cast, operator):
    body = {"items": [{"guest": "web", "destination": "beta"}, {"guest": "db", "destination": "beta"}]}
    answer = operator.post(URL, body)
    parent = answer.json()["parent"]
    assert (parent["kind"], parent["title"]) == ("moves", "Move 2 guests from alpha to beta")
    assert parent["children"] == [job["id"] for job in answer.json()["jobs"]]
    assert answer["Location"] == parent["url"]
    assert {job["parent"] for job in answer.json()["jobs"]} == {parent["id"]}


def test_a_move_for_later_is_stored(cast, operator):
    answer = operator.post(URL, {"guest": "web", "destination": "beta", "not_before": "2031-01-01T00:00:00Z"})
    assert answer.status_code == 202
    assert Migration.objects.get().not_before.year == 2031
