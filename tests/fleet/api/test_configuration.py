"""Sites, links, hosts and what people say about guests: written, guarded against lost updates, and recorded."""

from __future__ import annotations

import pytest

from fleet.models import AuditEvent, Guest, Host, Site, SiteLink

GAMMA = {"name": "delta", "address": "delta", "transport": "fake", "site": "north", "tags": ["new"]}


@pytest.fixture
def delta(cast):
    """A fake host that no row knows yet, with one guest."""
    host = cast.fleet.add_host("delta")
    host.add_guest("mail")
    return host


def recorded(verb: str) -> AuditEvent:
    return AuditEvent.objects.get(verb=verb)


def test_adding_a_host_connects_and_takes_its_guests_in(cast, delta, admin):
    answer = admin.post("/api/v1/hosts/", GAMMA)
    assert answer.status_code == 201, answer.content
    host = answer.json()
    assert answer["Location"] == host["url"] == f"/api/v1/hosts/{host['id']}/"
    assert (host["state"], host["site"], host["guests_count"], host["tags"]) == ("up", "north", 1, ["new"])
    assert Guest.objects.get(name="mail").host.name == "delta"
    event = recorded("host.add")
    assert (event.user_name, event.outcome, event.request_id) == ("admin", "done", answer["X-Request-Id"])
    assert event.door.startswith("api:")


def test_a_dry_run_looks_and_stores_nothing(cast, delta, admin):
    answer = admin.post("/api/v1/hosts/?dry_run=true", GAMMA)
    assert (answer.status_code, answer.json()["memory_mib"]) == (200, delta.facts().memory_mib)
    assert Host.objects.count() == 3
    assert not AuditEvent.objects.exists()


def test_a_dry_run_is_true_or_false(cast, admin):
    answer = admin.post("/api/v1/hosts/?dry_run=perhaps", GAMMA)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_parameter")


def test_an_unknown_field_is_named_with_the_known_ones(cast, delta, admin):
    answer = admin.post("/api/v1/hosts/", {**GAMMA, "uri": "qemu+ssh://root@delta/system?command=x"})
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["pointer"] == "/uri"
    assert error["message"].startswith("There is no field 'uri'. Known fields: name, address, transport, port,")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"transport": "carrier pigeon"}, "/transport"),
        ({"port": 0}, "/port"),
        ({"port": "x"}, "/port"),
        ({"site": "mars"}, "/site"),
        ({"name": ""}, "/name"),
        ({"tags": "new"}, "/tags"),
        ({"address": "delta\x00"}, "/address"),
    ],
)
def test_a_wrong_field_is_named(cast, delta, admin, change, pointer):
    answer = admin.post("/api/v1/hosts/", {**GAMMA, **change})
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert Host.objects.count() == 3


def test_a_host_that_is_known_is_refused_in_words(cast, admin):
    answer = admin.post("/api/v1/hosts/", {**GAMMA, "name": "alpha"})
    assert (answer.status_code, answer.json()["code"]) == (422, "host_known")


def test_a_site_admin_adds_hosts_only_there(cast, delta, caller):
    south = caller("admin", site=cast.south)
    # The other site is not even seen.
    assert south.post("/api/v1/hosts/", GAMMA).status_code == 400
    assert south.post("/api/v1/hosts/", {**GAMMA, "site": None}).status_code == 403
    assert south.post("/api/v1/hosts/", {**GAMMA, "site": "south"}).status_code == 201


def test_a_change_needs_the_tag_that_was_read(cast, admin):
    url = f"/api/v1/hosts/{cast.alpha.pk}/"
    tag = admin.get(url)["ETag"]
    assert admin.patch(url, {"tags": ["a"]}).status_code == 428
    changed = admin.patch(url, {"tags": ["a"]}, headers={"If-Match": tag})
    assert (changed.status_code, changed.json()["tags"]) == (200, ["a"])
    stale = admin.patch(url, {"tags": ["b"]}, headers={"If-Match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "changed_meanwhile")
    again = admin.patch(url, {"tags": ["b"]}, headers={"If-Match": f'"x", {changed["ETag"]}'})
    assert again.status_code == 200
    event = AuditEvent.objects.filter(verb="host.change").last()
    assert (event.before, event.after) == ({"tags": ["a"]}, {"tags": ["b"]})


def test_the_tag_of_a_host_does_not_move_with_its_load(cast, admin):
    url = f"/api/v1/hosts/{cast.alpha.pk}/"
    tag = admin.get(url)["ETag"]
    Host.objects.update(cpu_percent=99, version=12)
    assert admin.get(url)["ETag"] == tag


def test_a_host_is_removed_once_nobody_needs_it(cast, admin):
    url = f"/api/v1/hosts/{cast.gamma.pk}/"
    assert admin.delete(url).status_code == 428
    assert admin.delete(url, headers={"If-Match": "*"}).status_code == 204
    assert admin.get(url).status_code == 404
    assert recorded("host.remove").subject_name == "gamma"


def test_maintenance_is_entered_and_left(cast, operator):
    url = f"/api/v1/hosts/{cast.alpha.pk}/maintenance/"
    assert operator.post(url, {"action": "enter"}).json()["state"] == "maintenance"
    assert operator.post(url, {"action": "leave"}).json()["state"] == "up"
    assert operator.post(url, {"action": "nap"}).json()["errors"][0]["pointer"] == "/action"


def test_a_refresh_takes_a_new_guest_in(cast, operator):
    cast.fleet.hosts["beta"].add_guest("fresh")
    answer = operator.post(f"/api/v1/hosts/{cast.beta.pk}/refresh/")
    assert (answer.status_code, answer.json()["guests_count"]) == (200, 1)


def test_a_site_is_added_changed_and_removed(cast, admin):
    made = admin.post("/api/v1/sites/", {"slug": "west", "name": "West", "time_zone": "Europe/Lisbon"})
    assert made.status_code == 201
    url, tag = made.json()["url"], made["ETag"]
    changed = admin.patch(url, {"latitude": 38.7}, headers={"If-Match": tag})
    assert (changed.status_code, changed.json()["latitude"], changed.json()["name"]) == (200, 38.7, "West")
    assert admin.delete(url, headers={"If-Match": tag}).status_code == 412
    assert admin.delete(url, headers={"If-Match": changed["ETag"]}).status_code == 204
    assert not Site.objects.filter(slug="west").exists()


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"slug": "north", "name": "Again"}, 422, "/slug"),
        ({"slug": "west", "name": "West", "time_zone": "Mars/Olympus"}, 422, "/time_zone"),
        ({"slug": "west", "name": "West", "latitude": 91}, 400, "/latitude"),
        ({"slug": "no slug", "name": "West"}, 400, "/slug"),
        ({"name": "West"}, 400, "/slug"),
    ],
)
def test_a_site_that_makes_no_sense_is_refused(cast, admin, body, status, pointer):
    answer = admin.post("/api/v1/sites/", body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer)


def test_a_site_with_hosts_stays(cast, admin):
    answer = admin.delete(f"/api/v1/sites/{cast.north.pk}/", headers={"If-Match": "*"})
    assert answer.status_code == 422
    assert Site.objects.filter(slug="north").exists()


def test_a_link_is_added_changed_and_removed(cast, admin):
    SiteLink.objects.all().delete()
    made = admin.post("/api/v1/site-links/", {"source": "north", "target": str(cast.south.pk), "bandwidth_mbps": 100})
    assert made.status_code == 201, made.content
    link = made.json()
    assert (link["source"], link["target"], link["round_trip_ms"]) == ("north", "south", None)
    changed = admin.patch(link["url"], {"bandwidth_mbps": 50}, headers={"If-Match": made["ETag"]})
    assert (changed.status_code, changed.json()["bandwidth_mbps"]) == (200, 50)
    assert admin.delete(link["url"], headers={"If-Match": changed["ETag"]}).status_code == 204
    assert list(AuditEvent.objects.values_list("verb", flat=True)) == ["link.add", "link.change", "link.remove"]


def test_a_link_joins_two_sites_and_only_once(cast, admin):
    same = admin.post("/api/v1/site-links/", {"source": "north", "target": "north", "bandwidth_mbps": 1})
    twice = admin.post("/api/v1/site-links/", {"source": "north", "target": "south", "bandwidth_mbps": 1})
    assert [(one.status_code, one.json()["errors"][0]["pointer"]) for one in (same, twice)] == [(422, "/target")] * 2


def test_a_guest_is_tagged_and_pinned(cast, operator):
    url = f"/api/v1/guests/{cast.web.pk}/"
    tag = operator.get(url)["ETag"]
    answer = operator.patch(url, {"tags": ["prod"], "pinned": True})
    assert (answer.status_code, answer.json()["tags"], answer.json()["pinned"]) == (200, ["prod"], True)
    assert operator.patch(url, {"pinned": False}, headers={"If-Match": tag}).status_code == 412
    assert operator.patch(url, {"memory_mib": 1}).status_code == 400
    assert recorded("guest.change").after == {"tags": ["prod"], "pinned": True, "policy": ""}


def test_an_operator_says_where_a_guest_answers(cast, operator):
    url = f"/api/v1/guests/{cast.web.pk}/"
    assert operator.patch(url, {"watch_address": "192.0.2.7"}).json()["watch_address"] == "192.0.2.7"
    assert operator.patch(url, {"watch_address": "127.0.0.1"}).status_code == 422
    assert operator.patch(url, {"watch_address": None}).json()["watch_address"] is None


def test_a_token_is_shown_once_and_works_until_revoked(cast, operator):
    from tests.fleet.api.conftest import with_token

    made = operator.post("/api/v1/tokens/", {"role": "viewer", "name": "grafana", "site": "south"})
    assert made.status_code == 201
    text, url = made.json()["token"], made.json()["url"]
    assert "token" not in operator.get(url).json()
    program = with_token(text)
    assert [site["slug"] for site in program.get("/api/v1/sites/").json()["results"]] == ["south"]
    # Its door is in the log, its secret nowhere.
    assert text.split(".")[1] not in str(list(AuditEvent.objects.values()))
    assert operator.delete(url).status_code == 204
    assert program.get("/api/v1/sites/").status_code == 401


def test_a_token_makes_none_that_may_more_or_lives_longer(cast, caller):
    from tests.fleet.api.conftest import with_token

    operator = caller("operator")
    assert operator.post("/api/v1/tokens/", {"role": "admin"}).status_code == 403
    past = operator.post("/api/v1/tokens/", {"role": "viewer", "expires_at": "2020-01-01T00:00:00Z"})
    assert (past.status_code, past.json()["errors"][0]["pointer"]) == (422, "/expires_at")
    short = operator.post(
        "/api/v1/tokens/", {"role": "operator", "site": "north", "expires_at": "2999-01-01T00:00:00Z"}
    )
    child = with_token(short.json()["token"])
    for body, status in (
        ({"role": "viewer"}, 403),
        ({"role": "viewer", "site": "north"}, 422),
        ({"role": "viewer", "site": "north", "expires_at": "2999-01-02T00:00:00Z"}, 422),
        ({"role": "viewer", "site": "north", "expires_at": "2998-01-01T00:00:00Z"}, 201),
    ):
        assert child.post("/api/v1/tokens/", body).status_code == status, body
