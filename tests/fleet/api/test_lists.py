from __future__ import annotations

import uuid

import pytest
from django.utils import timezone

from fleet.models import Guest, Host, Job, JobEvent, JobStep, Site, SiteLink

LISTS = ["sites", "site-links", "hosts", "guests", "jobs", "events", "migrations", "audit", "tokens"]


def many(count: int) -> None:
    """`count` more of everything."""
    from django.contrib.auth.models import User

    from fleet.access import audit, tokens
    from fleet.access.principal import Principal
    from fleet.states import Role
    from migrations_app.models import Migration

    admin = User.objects.get(username="admin")
    for _ in range(count):
        mark = uuid.uuid4().hex[:8]
        site = Site.objects.create(slug=mark, name=mark)
        SiteLink.objects.create(source=site, target=Site.objects.get(slug="north"), bandwidth_mbps=100)
        host = Host.objects.create(name=mark, address=mark, transport="fake", site=site, hardware_uuid=uuid.uuid4())
        guest = Guest.objects.create(uuid=uuid.uuid4(), name=mark, host=host)
        job = Job.objects.create(
            kind="migration", guest=guest, host=host, subject_name=mark, title=mark, requested_by=admin
        )
        Job.objects.create(
            kind="migration",
            state="failed",
            finished_at=timezone.now(),
            parent=job,
            guest=guest,
            subject_name=mark,
            title=mark,
        )
        JobStep.objects.create(job=job, ordinal=1, name="check", title="Check")
        JobEvent.objects.create(job=job, seq=1, code="submitted", message="asked")
        Migration.objects.create(
            job=job,
            guest=guest,
            source=host,
            guest_uuid=guest.uuid,
            source_name=mark,
            destination_name="beta",
            mode="live",
            storage="none",
            memory_mib=64,
        )
        audit.record(principal=Principal.system(), verb="host.add", subject=host, outcome="done", job=job)
        tokens.make(user=admin, role=Role.VIEWER, site=site)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_costs_the_same_for_3_rows_and_for_30(
    cast, admin, name, django_assert_max_num_queries, django_assert_num_queries
):
    many(3)
    url = f"/api/v1/{name}/"
    admin.get(url)
    with django_assert_max_num_queries(7) as few:
        assert admin.get(url).json()["count"] >= 3
    many(27)
    with django_assert_num_queries(len(few)):
        page = admin.get(url).json()
    assert page["count"] >= 30
    assert len(page["results"]) == min(50, page["count"])


def test_who_asks_costs_at_most_two_queries(cast, viewer, django_assert_num_queries):
    viewer.get("/api/v1/sites/")
    # One for the token with its owner and roles, one to count, one for the page.
    with django_assert_num_queries(3):
        viewer.get("/api/v1/sites/")


def test_no_cache_keeps_an_answer(cast, viewer):
    assert viewer.get("/api/v1/hosts/")["Cache-Control"] == "no-store"


def test_pages_never_overlap(cast, viewer):
    first = viewer.get("/api/v1/hosts/?limit=2&ordering=-memory_mib").json()
    assert (first["count"], len(first["results"]), first["previous"]) == (3, 2, None)
    second = viewer.get(first["next"]).json()
    assert second["next"] is None
    assert {host["name"] for host in first["results"] + second["results"]} == {"alpha", "beta", "gamma"}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["alpha", "beta", "gamma"]),
        ("ordering=-name", ["gamma", "beta", "alpha"]),
        ("q=ET", ["beta"]),
        ("name=alpha", ["alpha"]),
        ("site=north", ["alpha", "beta"]),
        ("state=up", ["alpha", "beta"]),
        ("state=maintenance", ["gamma"]),
        ("state=unreachable", []),
        ("maintenance=true", ["gamma"]),
        ("tag=fast", ["alpha", "beta"]),
        ("tag=fast&tag=old", ["beta"]),
        ("tag=fas", []),
        ("tag=%25", []),
        ("tag=f%C3%BCr%20alle", ["gamma"]),
        ("transport=tls", []),
    ],
)
def test_hosts_are_narrowed_and_ordered(cast, viewer, query, names):
    Host.objects.filter(name="alpha").update(tags=["fast"])
    Host.objects.filter(name="beta").update(tags=["fast", "old"])
    Host.objects.filter(name="gamma").update(maintenance=True, tags=["für alle"])
    assert [host["name"] for host in viewer.get(f"/api/v1/hosts/?{query}").json()["results"]] == names


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["db", "web"]),
        ("host=alpha", ["db", "web"]),
        ("host=beta", []),
        ("site=south", []),
        ("pinned=true", ["db"]),
        ("state=running", ["db", "web"]),
        ("ordering=-name", ["web", "db"]),
        ("tag=prod&pinned=false", ["web"]),
    ],
)
def test_guests_are_narrowed_and_ordered(cast, viewer, query, names):
    Guest.objects.filter(name="db").update(pinned=True)
    Guest.objects.update(tags=["prod"])
    assert [guest["name"] for guest in viewer.get(f"/api/v1/guests/?{query}").json()["results"]] == names
    by_id = viewer.get(f"/api/v1/guests/?host={cast.alpha.pk}&uuid={cast.web.uuid}").json()["results"]
    assert [guest["name"] for guest in by_id] == ["web"]


def test_jobs_are_narrowed_by_several_states_and_by_end(cast, viewer):
    for state in ("queued", "failed", "succeeded"):
        end = None if state == "queued" else timezone.now()
        Job.objects.create(
            kind="migration", state=state, finished_at=end, guest=cast.web, subject_name="web", title=state
        )

    def titles(query: str) -> set[str]:
        return {job["title"] for job in viewer.get(f"/api/v1/jobs/?{query}").json()["results"]}

    assert titles("state=failed&state=queued") == {"failed", "queued"}
    assert titles("finished=true") == {"failed", "succeeded"}
    assert titles("finished=false&guest=web") == {"queued"}
    assert titles("guest=db") == set()


@pytest.mark.parametrize(
    ("address", "pointer", "word"),
    [
        ("hosts/?colour=red", "?colour", "Known:"),
        ("hosts/?ordering=colour", "?ordering", "Known: name"),
        ("hosts/?ordering=address", "?ordering", "Known: name"),
        ("hosts/?state=asleep", "?state", "asleep"),
        ("hosts/?limit=0", "?limit", "1 to 1000"),
        ("hosts/?limit=1001", "?limit", "1 to 1000"),
        ("hosts/?limit=x", "?limit", "1 to 1000"),
        ("hosts/?offset=-1", "?offset", "from 0"),
        ("hosts/?offset=99999999999999999999999", "?offset", "from 0"),
        ("guests/?uuid=web", "?uuid", "UUID"),
        ("jobs/?parent=x", "?parent", "UUID"),
        ("jobs/?wait=done", "?wait", "no parameter 'wait'"),
        ("events/?after=x", "?after", "whole number"),
        ("audit/?since=yesterday", "?since", "date"),
    ],
)
def test_what_a_list_does_not_know_is_named(cast, admin, address, pointer, word):
    answer = admin.get(f"/api/v1/{address}")
    assert answer.status_code == 400
    problem = answer.json()
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert word in problem["errors"][0]["message"]


def test_a_detail_knows_no_parameters(cast, viewer):
    answer = viewer.get(f"/api/v1/hosts/{cast.alpha.pk}/?fields=name")
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")


def test_an_offset_past_the_end_is_an_empty_page(cast, viewer):
    assert viewer.get("/api/v1/hosts/?offset=100").json()["results"] == []
