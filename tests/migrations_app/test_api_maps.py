"""Maps over REST, and the question what would change in a guest's definition."""

from __future__ import annotations

import pytest

from migrations_app.models import TargetMap
from tests.migrations_app.test_api import client_of

BODY = {"name": "prod", "rules": {"networks": [{"from": "network:lan", "to": "bridge:br1"}]}}


@pytest.fixture
def admin(cast):
    return client_of("admin")


@pytest.fixture
def operator(cast):
    return client_of("operator")


@pytest.fixture
def viewer(cast):
    return client_of("viewer")


@pytest.fixture
def made(cast, admin):
    answer = admin.post("/api/v1/maps/", BODY | {"source_site": "north", "target_site": "south"})
    assert answer.status_code == 201, answer.content
    return answer


def test_a_map_is_added_read_changed_and_removed(made, admin):
    url = made["Location"]
    read = admin.get(url)
    assert read.json()["rules"]["networks"] == BODY["rules"]["networks"]
    assert (read.json()["source_site"], read.json()["target_site"]) == ("north", "south")
    assert admin.patch(url, {"description": "x"}).status_code == 428
    changed = admin.patch(url, {"rules": {"pools": [{"from": "a", "to": "b"}]}}, headers={"If-Match": read["ETag"]})
    assert (changed.status_code, changed.json()["rules"]["networks"]) == (200, [])
    assert admin.delete(url, headers={"If-Match": read["ETag"]}).status_code == 412
    assert admin.delete(url, headers={"If-Match": changed["ETag"]}).status_code == 204
    assert not TargetMap.objects.exists()


@pytest.mark.parametrize(
    ("wish", "status", "pointer"),
    [
        ({"rules": []}, 400, "/rules"),
        ({"rules": {"nets": []}}, 422, "/rules/nets"),
        ({"rules": {"paths": [{"from": "x", "to": "/y"}]}}, 422, "/rules/paths/0/from"),
        ({"source_site": "mars", "target_site": "south"}, 400, "/source_site"),
        ({"source_site": "north"}, 422, "/target_site"),
        ({"names": "x"}, 400, "/names"),
    ],
)
def test_what_is_wrong_is_named(cast, admin, wish, status, pointer):
    answer = admin.post("/api/v1/maps/", BODY | wish)
    assert answer.status_code == status, answer.content
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_maps_of_other_sites_are_not_seen(made, cast):
    TargetMap.objects.create(name="anywhere", rules={})
    TargetMap.objects.create(name="home", rules={}, source_site=cast.north, target_site=cast.north)
    names = [row["name"] for row in client_of("viewer", cast.south).get("/api/v1/maps/").json()["results"]]
    assert names == ["anywhere", "prod"]


def test_the_difference_is_told_before_anything_is_started(made, cast, viewer):
    TargetMap.objects.filter(name="prod").update(rules={"pools": [{"from": "local", "to": "shared"}]})
    answer = viewer.get(f"/api/v1/guests/{cast.db.pk}/xml-difference/?destination=gamma").json()
    assert (answer["map"], answer["allowed"], answer["destination"]["name"]) == ("prod", True, "gamma")
    assert [line for line in answer["lines"] if line[0] == "+"] == ['+      <source file="/srv/shared/db.qcow2"/>']
    without = viewer.get(f"/api/v1/guests/{cast.db.pk}/xml-difference/?destination=gamma&map=none").json()
    assert (without["map"], without["lines"]) == ("", [])


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ("", 400),
        ("?destination=mars", 400),
        ("?destination=alpha", 400),
        ("?destination=gamma&storage=x", 400),
        ("?destination=gamma&mapp=x", 400),
        ("?destination=gamma&map=x", 422),
    ],
)
def test_a_question_without_sense_is_told_so(cast, viewer, question, status):
    answer = viewer.get(f"/api/v1/guests/{cast.db.pk}/xml-difference/{question}")
    assert answer.status_code == status, answer.content


def test_a_dry_run_tells_map_and_difference_allowed_or_not(made, cast, operator):
    TargetMap.objects.filter(name="prod").update(rules={"pools": [{"from": "local", "to": "nowhere"}]})
    wish = {"guest": "db", "destination": "gamma"}
    answer = operator.post("/api/v1/migrations/?dry_run=true", wish).json()
    assert (answer["allowed"], answer["map"], answer["xml_difference"]) == (False, "prod", [])
    TargetMap.objects.filter(name="prod").update(rules={"pools": [{"from": "local", "to": "shared"}]})
    answer = operator.post("/api/v1/migrations/?dry_run=true", wish).json()
    assert (answer["allowed"], answer["map"]) == (True, "prod")
    assert '+      <source file="/srv/shared/db.qcow2"/>' in answer["xml_difference"]


def test_a_migration_tells_which_map_it_was_decided_with(made, cast, operator, rung):
    job = operator.post("/api/v1/migrations/", {"guest": "web", "destination": "gamma", "storage": "copy"}).json()
    found = operator.get("/api/v1/migrations/").json()["results"][0]
    assert (found["id"], found["map"]) == (job["id"], "prod")
