from __future__ import annotations

import logging
import uuid

import pytest
from django.db import OperationalError

from fleet.api import problems
from fleet.api.sites import Sites
from fleet.refusals import Busy, NotNow, Refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def raising(monkeypatch):
    def make(error: Exception) -> None:
        def fail(self, request):
            raise error

        monkeypatch.setattr(Sites, "list", fail)

    return make


def test_a_problem_has_the_members_of_the_standard(anonymous):
    answer = anonymous.get("/api/v1/hosts/")
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"] == 'Bearer realm="Drover"'
    problem = answer.json()
    assert problem == {
        "type": "urn:drover:problem:not_authenticated",
        "title": "Unauthorized",
        "status": 401,
        "code": "not_authenticated",
        "detail": "Authentication credentials were not provided.",
        "request_id": answer["X-Request-Id"],
    }


def test_a_refusal_says_why_what_helps_and_which_field(viewer, raising):
    check = {"code": "no_memory", "severity": "block", "subject": "beta", "message": "full", "remedy": "buy"}
    raising(Refused("beta is full.", code="full", remedy="Use gamma.", field="a/b", checks=[check], data={"mib": 3}))
    answer = viewer.get("/api/v1/sites/")
    assert answer.status_code == 422
    assert (
        answer.json()
        | {
            "code": "full",
            "detail": "beta is full.",
            "remedy": "Use gamma.",
            "errors": [{"pointer": "/a/b", "message": "beta is full."}],
            "checks": [check],
            "data": {"mib": 3},
        }
        == answer.json()
    )


def test_busy_names_the_job_that_is_in_the_way(viewer, raising):
    job = str(uuid.uuid4())
    raising(Busy("web is busy.", job_id=job))
    answer = viewer.get("/api/v1/sites/")
    assert (answer.status_code, answer.json()["job"]) == (409, f"/api/v1/jobs/{job}/")


def test_not_now_is_a_conflict(viewer, raising):
    raising(NotNow("too late", code="late"))
    answer = viewer.get("/api/v1/sites/")
    assert (answer.status_code, answer.json()["code"]) == (409, "late")


def test_a_fault_of_ours_shows_no_trace_and_leaves_one_in_the_log(viewer, raising, caplog):
    raising(ZeroDivisionError("secret detail"))
    with caplog.at_level(logging.ERROR, logger="fleet.api.problems"):
        answer = viewer.get("/api/v1/sites/")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert b"secret" not in answer.content
    assert "ZeroDivisionError: secret detail" in caplog.text


def test_a_database_that_does_not_answer_is_said_so(viewer, raising):
    raising(OperationalError("database is locked"))
    answer = viewer.get("/api/v1/sites/")
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "database_busy", "2")


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        ("{", "application/json", 400, "parse_error"),
        ('{"a": NaN}', "application/json", 400, "parse_error"),
        ("a=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        ("[]", "application/json", 400, "invalid"),
        ('"x"', "application/json", 400, "invalid"),
        ("{}", "application/json", 400, "invalid"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem(admin, body, kind, status, code):
    answer = admin.post("/api/v1/sites/", body, content_type=kind)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("method", ["put", "options"])
def test_a_method_that_is_not_there_is_a_problem(admin, method):
    answer = getattr(admin, method)("/api/v1/sites/")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("path", ["nothing/", "hosts/7/", "jobs/x/cancel/", ""])
def test_an_address_that_is_not_there_is_a_problem(anonymous, path):
    answer = anonymous.get(f"/api/v1/{path}")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_a_forgotten_slash_is_pointed_out(admin):
    answer = admin.post("/api/v1/migrations", {})
    assert answer.status_code == 404
    assert answer.json()["detail"].endswith("Addresses end with a slash: /api/v1/migrations/")


def test_pointers_lead_into_lists_and_objects():
    detail = {"items": [{}, {"guest": ["gone"]}], "a/b": ["odd"], "non_field_errors": ["both"]}
    assert list(problems._pointers(detail)) == [("/items/1/guest", "gone"), ("/a~1b", "odd"), ("", "both")]
