from __future__ import annotations

import pytest
from django.test import Client

from fleet.models import Host, Job

pytestmark = pytest.mark.django_db


def test_health_asks_nobody(client: Client, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_ready_when_database_and_redis_answer(client: Client, redis):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "database": "ok", "redis": "ok"})


def test_not_ready_without_redis(client: Client, settings):
    settings.REDIS_CONNECTION_URL = "unix:///nowhere/redis.sock?db=0"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["redis"] == "does not answer (ConnectionError)"
    assert answer.json()["database"] == "ok"


def test_metrics_count_the_fleet(cast, viewer, django_assert_max_num_queries):
    Host.objects.filter(name="gamma").update(maintenance=True)
    Job.objects.create(kind="migration", guest=cast.web, subject_name="web", title="Move web")
    viewer.get("/api/v1/sites/")
    with django_assert_max_num_queries(6):
        text = viewer.get("/metrics").content.decode()
    lines = text.splitlines()
    assert 'drover_hosts{state="up"} 2' in lines
    assert 'drover_hosts{state="maintenance"} 1' in lines
    assert 'drover_guests{state="running"} 2' in lines
    assert 'drover_jobs{state="queued"} 1' in lines
    assert "drover_guests_running_twice 0" in lines
    assert any(line.startswith("drover_oldest_queued_job_seconds ") for line in lines)
    assert text.endswith("\n")


def test_metrics_are_for_those_who_see_everything(cast, client: Client, caller, settings):
    assert client.get("/metrics").status_code == 401
    assert caller("admin", site=cast.north).get("/metrics").status_code == 401
    settings.METRICS_OPEN = True
    assert client.get("/metrics").status_code == 200
