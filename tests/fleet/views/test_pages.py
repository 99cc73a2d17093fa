"""Every page answers, for every role that may see it, without a query per row and without inline scripts."""

from __future__ import annotations

import re
import uuid

import pytest
from django.test import Client

from fleet.hypervisor.facts import dump
from fleet.models import Guest, Host, Job, JobStep, Sighting
from fleet.states import Role
from tests.cast import Cast

LISTS = ["/", "/hosts/", "/guests/", "/jobs/", "/sites/", "/tokens/", "/audit/"]


def job_of(cast: Cast, **fields: object) -> Job:
    given = {"kind": "migration", "guest": cast.web, "host": cast.beta, "subject_name": "web", "title": "Move web"}
    job = Job.objects.create(**{**given, **fields})
    JobStep.objects.create(job=job, ordinal=0, name="memory", title="Copy memory", state="running")
    return job


def addresses(cast: Cast, job: Job) -> list[str]:
    return [
        *LISTS,
        "/hosts/add/",
        "/sites/add/",
        f"/hosts/{cast.alpha.pk}/",
        f"/hosts/{cast.alpha.pk}/edit/",
        f"/sites/{cast.north.pk}/",
        f"/guests/{cast.web.pk}/",
        f"/guests/{cast.web.pk}/migrate/",
        f"/jobs/{job.pk}/",
    ]


def test_every_page_opens_for_an_admin(cast, as_):
    client = as_(Role.ADMIN)
    for path in addresses(cast, job_of(cast)):
        assert client.get(path).status_code == 200, path


def test_no_page_holds_a_script_or_a_handler_of_its_own(cast, as_):
    client = as_(Role.ADMIN)
    for path in addresses(cast, job_of(cast)):
        html = client.get(path).content.decode()
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", html)), path
        assert not re.search(r"\son(click|change|submit|load|input)=", html), path
        assert "script-src 'self'" in client.get(path)["Content-Security-Policy"]


def test_a_stranger_is_sent_to_sign_in_and_comes_back_afterwards(cast):
    for path in addresses(cast, job_of(cast)):
        answer = Client().get(path)
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/sign-in/"), path


def test_a_strangers_htmx_request_loads_the_sign_in_page_whole(db):
    answer = Client().get("/guests/", headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == "/sign-in/?next=%2Fguests%2F"


@pytest.mark.parametrize("path", ["/hosts/add/", "/sites/add/", "/audit/"])
def test_a_viewer_who_opens_an_admins_page_is_told_which_role_it_needs(cast, as_, path):
    answer = as_(Role.VIEWER).get(path)
    assert answer.status_code == 403
    assert "needs the role admin" in answer.content.decode()


def test_what_is_at_another_site_is_not_there(cast, as_):
    client = as_(Role.OPERATOR, site=cast.south, name="southerner")
    for path in (f"/hosts/{cast.alpha.pk}/", f"/guests/{cast.web.pk}/", f"/jobs/{job_of(cast).pk}/"):
        assert client.get(path).status_code == 404, path
    assert "alpha" not in client.get("/hosts/").content.decode()


@pytest.mark.parametrize("path", LISTS)
def test_more_rows_take_no_more_queries(cast, as_, queries, path):
    client = as_(Role.ADMIN)
    job_of(cast)
    before = queries(client, path)
    grow(cast, 12)
    assert queries(client, path) == before


def test_the_pages_of_one_host_and_one_guest_take_a_bounded_number_of_queries(cast, as_, queries):
    client = as_(Role.ADMIN)
    host, guest = f"/hosts/{cast.alpha.pk}/", f"/guests/{cast.web.pk}/migrate/"
    before = queries(client, host), queries(client, guest)
    grow(cast, 12)
    assert (queries(client, host), queries(client, guest)) == before


def grow(cast: Cast, count: int) -> None:
    facts = cast.web.facts
    for number in range(count):
        host = Host.objects.create(
            name=f"h{number}", transport="fake", address=f"h{number}", site=cast.north, hardware_uuid=uuid.uuid4(),
            contact="up", facts=cast.beta.facts, pools=cast.beta.pools, memory_mib=16384, memory_used_mib=100,
        )  # fmt: skip
        guest = Guest.objects.create(
            uuid=uuid.uuid4(), name=f"g{number}", host=cast.alpha, state="running", facts=facts, memory_mib=512
        )
        Sighting.objects.create(host=cast.alpha, guest=guest, state="running")
        job_of(cast, guest=guest, host=host)


def test_home_says_what_to_do_when_there_is_nothing_yet(as_):
    assert "Add a host" in as_(Role.ADMIN).get("/").content.decode()
    assert "Ask an admin" in as_(Role.VIEWER).get("/").content.decode()


def test_home_offers_a_guest_that_can_move(cast, as_):
    assert re.search(
        r'href="/guests/[0-9a-f-]{36}/migrate/">.*Move a guest now', as_(Role.OPERATOR).get("/").content.decode()
    )
    assert "Move a guest now" not in as_(Role.VIEWER).get("/").content.decode()


def test_home_offers_no_move_while_there_is_nowhere_to_go(cast, as_):
    Host.objects.exclude(pk=cast.alpha.pk).update(contact="unreachable")
    assert "Move a guest now" not in as_(Role.ADMIN).get("/").content.decode()


def test_home_names_what_needs_a_person(cast, as_):
    Host.objects.filter(pk=cast.gamma.pk).update(contact="unreachable", contact_text="No answer within 6 s.")
    job_of(cast, state="unknown")
    html = as_(Role.ADMIN).get("/").content.decode()
    assert "No answer within 6 s." in html
    assert "A host cannot be asked" in html


def test_home_raises_the_alarm_when_two_hosts_run_one_guest(cast, as_):
    client = as_(Role.ADMIN)
    assert "runs twice" not in client.get("/").content.decode()
    Sighting.objects.create(host=cast.beta, guest=cast.web, state="running")
    assert "runs twice" in client.get("/").content.decode()


def test_two_running_sightings_during_a_migration_are_no_alarm(cast, as_):
    Sighting.objects.create(host=cast.beta, guest=cast.web, state="running")
    job_of(cast, state="running")
    assert "runs twice" not in as_(Role.ADMIN).get("/").content.decode()


def test_lists_filter_and_sort_by_their_address(cast, as_):
    client = as_(Role.VIEWER)
    Guest.objects.filter(pk=cast.db.pk).update(tags=["prod", "bücher"])
    for query, shown, hidden in (
        ("q=we", "web", "db"),
        ("q=pro", "db", "web"),
        ("tag=prod", "db", "web"),
        ("tag=pro", "", "db"),
        ("tag=b%C3%BCcher", "db", "web"),
        ("state=shutoff", "", "web"),
        ("host=alpha&q=db", "db", "web"),
        ("site=south", "", "web"),
    ):
        html = client.get(f"/guests/?{query}").content.decode()
        assert not shown or f">{shown}</a>" in html, query
        assert f">{hidden}</a>" not in html, query
    names = re.findall(r'class="name"[^>]*>(\w+)<', client.get("/hosts/?sort=-name").content.decode())
    assert names == ["gamma", "beta", "alpha"]


def test_a_nonsense_sort_or_page_shows_the_list_all_the_same(cast, as_):
    client = as_(Role.VIEWER)
    for query in ("sort=password", "sort=-", "page=99", "page=x", "state=nonsense", "tag=%22%25"):
        assert client.get(f"/guests/?{query}").status_code == 200, query
        assert client.get(f"/hosts/?{query}").status_code == 200, query


def test_htmx_gets_the_list_alone(cast, as_):
    html = as_(Role.VIEWER).get("/guests/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in html
    assert 'id="list"' in html


def test_names_from_hosts_are_shown_as_text(cast, as_):
    facts = dump(cast.web.guest_facts()) | {"title": "<script>alert(1)</script>"}
    Guest.objects.filter(pk=cast.web.pk).update(name="<img src=x>", facts=facts)
    client = as_(Role.VIEWER)
    for path in ("/guests/", f"/guests/{cast.web.pk}/", f"/hosts/{cast.alpha.pk}/", f"/guests/{cast.web.pk}/migrate/"):
        html = client.get(path).content.decode()
        assert "<img src=x>" not in html, path
        assert "<script>alert" not in html, path


def test_a_job_is_never_complete_before_it_has_succeeded(cast, as_):
    job = job_of(cast, state="running", progress={"percent": 100})
    html = as_(Role.VIEWER).get(f"/jobs/{job.pk}/").content.decode()
    assert "99 %" in html
    assert "100 %" not in html


def test_a_job_of_which_nothing_is_known_shows_a_bar_that_says_so(cast, as_):
    job = job_of(cast, state="running")
    assert "how far is not known" in as_(Role.VIEWER).get(f"/jobs/{job.pk}/").content.decode()


def test_a_viewer_sees_the_cancel_button_off_with_the_reason(cast, as_):
    job = job_of(cast, state="running")
    html = as_(Role.VIEWER).get(f"/jobs/{job.pk}/").content.decode()
    assert re.search(r"<button[^>]*disabled[^>]*needs the operator role[^>]*>", html)
    assert f'action="/jobs/{job.pk}/cancel/"' not in html


def test_a_missing_page_and_a_broken_one_show_no_trace(cast, as_, monkeypatch):
    client = as_(Role.ADMIN)
    answer = client.get("/nothing/here/")
    assert answer.status_code == 404
    assert "Nothing here" in answer.content.decode()
    monkeypatch.setattr("fleet.views.home._totals", lambda hosts: 1 / 0)
    client.raise_request_exception = False
    answer = client.get("/")
    assert answer.status_code == 500
    assert "ZeroDivision" not in answer.content.decode()
    assert "Something broke" in answer.content.decode()
