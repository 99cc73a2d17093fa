from __future__ import annotations

import threading
import time

import pytest
from django.db import connection
from django.utils import timezone

from fleet.api import parameters, waiting
from fleet.jobs import lifecycle
from fleet.models import Job, JobEvent
from fleet.states import JobState


def make_job(cast, state: str = "running") -> Job:
    end = timezone.now() if state in {"succeeded", "failed", "cancelled"} else None
    return Job.objects.create(
        kind="migration", state=state, finished_at=end, guest=cast.web, subject_name="web", title="Move web"
    )


def test_a_running_job_is_asked_to_stop_and_twice_is_one_wish(cast, operator):
    job = make_job(cast)
    for _ in range(2):
        answer = operator.post(f"/api/v1/jobs/{job.pk}/cancel/")
        assert (answer.status_code, answer.json()["state"]) == (202, "running")
    assert job.commands.count() == 1


def test_a_queued_job_is_cancelled_at_once(cast, operator):
    job = make_job(cast, "queued")
    assert operator.post(f"/api/v1/jobs/{job.pk}/cancel/").json()["state"] == "cancelled"


def test_a_finished_job_says_why_it_cannot_be_cancelled(cast, operator):
    job = make_job(cast, "succeeded")
    answer = operator.post(f"/api/v1/jobs/{job.pk}/cancel/")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_finished")


def test_a_log_is_read_on_from_a_number(cast, viewer):
    job = make_job(cast)
    for seq in range(1, 6):
        JobEvent.objects.create(job=job, seq=seq, code="step", message=f"{seq}")
    page = viewer.get(f"/api/v1/jobs/{job.pk}/events/?after=3").json()
    assert [(event["seq"], event["message"]) for event in page["results"]] == [(4, "4"), (5, "5")]
    everything = viewer.get("/api/v1/events/?limit=2").json()
    rest = viewer.get(f"/api/v1/events/?after={everything['results'][-1]['number']}").json()
    assert [event["seq"] for event in everything["results"] + rest["results"]] == [1, 2, 3, 4, 5]


def test_waiting_for_a_finished_job_answers_at_once(cast, viewer):
    job = make_job(cast, "failed")
    began = time.monotonic()
    assert viewer.get(f"/api/v1/jobs/{job.pk}/?wait=done&timeout=60").json()["state"] == "failed"
    assert time.monotonic() - began < 5


def test_waiting_ends_with_the_time_given(cast, viewer):
    job = make_job(cast)
    began = time.monotonic()
    assert viewer.get(f"/api/v1/jobs/{job.pk}/", headers={"Prefer": "wait=1"}).json()["state"] == "running"
    assert 0.9 < time.monotonic() - began < 10


def test_waiting_ends_with_the_job(committed_cast, caller):
    job = make_job(committed_cast)
    client = caller("viewer")
    answers = []

    def wait() -> None:
        answers.append(client.get(f"/api/v1/jobs/{job.pk}/?wait=done&timeout=30").json()["state"])
        connection.close()

    thread = threading.Thread(target=wait)
    thread.start()
    # A transaction held open by the waiting request would refuse this write on SQLite.
    assert lifecycle.advance(job.pk, JobState.SUCCEEDED, code="done", message="done")
    thread.join(20)
    assert answers == ["succeeded"]


def test_a_full_waiting_room_answers_at_once(cast, viewer, monkeypatch):
    monkeypatch.setattr(waiting, "_seats", threading.BoundedSemaphore(1))
    job = make_job(cast)
    with waiting._seats:
        began = time.monotonic()
        viewer.get(f"/api/v1/jobs/{job.pk}/?wait=done&timeout=60")
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("query", "pointer"), [("wait=change", "?wait"), ("wait=done&timeout=61", "?timeout"), ("timeout=x", "?timeout")]
)
def test_a_wait_that_makes_no_sense_is_named(cast, viewer, query, pointer):
    answer = viewer.get(f"/api/v1/jobs/{make_job(cast).pk}/?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=10", 10),
        ("respond-async, wait=7", 7),
        ('wait = "5"', 5),
        ("wait=3600", 60),
        ("", 0),
        ("wait=soon", 0),
        ("awaitwait=9", 0),
    ],
)
def test_the_prefer_header(rf, header, seconds):
    assert parameters.preferred_wait_s(rf.get("/", headers={"Prefer": header})) == seconds
