"""The pages of maps, and what the migrate page says of them."""

from __future__ import annotations

import pytest

from fleet.states import Role
from migrations_app.models import TargetMap
from tests.migrations_app.test_views import browser, text, wish


def form(**fields: object) -> dict[str, object]:
    """A filled form; empty rows come along as they do from a page."""
    rows = {f"{part}_{end}": ["", ""] for part in ("networks", "pools", "paths") for end in ("from", "to")}
    return (
        {"name": "prod", "description": "", "source_site": "", "target_site": "", "graphics_listen": ""} | rows | fields
    )


@pytest.fixture
def admin(cast):
    return browser(Role.ADMIN)


def test_rows_become_rules_and_empty_ones_none(admin):
    wish = form(networks_from=["network:lan", ""], networks_to=["network:prod", ""], graphics_listen="192.0.2.9")
    answer = admin.post("/maps/add/", wish, follow=True)
    assert "prod is stored" in text(answer)
    assert "network:lan" in text(answer)
    assert TargetMap.objects.get().rules == {
        "networks": [{"from": "network:lan", "to": "network:prod"}],
        "pools": [],
        "paths": [],
        "graphics_listen": "192.0.2.9",
    }


def test_a_wrong_rule_is_told_at_its_row_and_what_was_typed_stays(admin):
    answer = admin.post("/maps/add/", form(pools_from=["", "fast"], pools_to=["", ""]))
    assert answer.status_code == 422
    assert "Pools, rule 1" in text(answer)
    assert 'value="fast"' in text(answer)
    assert not TargetMap.objects.exists()


def test_more_rows_store_nothing(admin):
    answer = admin.post("/maps/add/", form(name="", pools_from=["a", "c"], pools_to=["b", "d"], more="1"))
    assert answer.status_code == 200
    assert text(answer).count('name="pools_from"') == 4
    assert not TargetMap.objects.exists()


def test_a_map_is_changed_and_removed(admin, cast):
    row = TargetMap.objects.create(name="prod", rules={"pools": [{"from": "a", "to": "b"}]})
    page = f"/maps/{row.pk}/"
    assert 'value="a"' in text(admin.get(page))
    admin.post(
        page, form(name="south", pools_from="a", pools_to="c", source_site=cast.north.pk, target_site=cast.south.pk)
    )
    row.refresh_from_db()
    assert (row.name, row.rules["pools"], row.target_site) == ("south", [{"from": "a", "to": "c"}], cast.south)
    answer = admin.post(f"{page}remove/", follow=True)
    assert "south is removed" in text(answer)
    assert not TargetMap.objects.exists()


def test_names_that_hosts_told_are_offered(admin):
    assert '<option value="shared">' in text(admin.get("/maps/add/"))


@pytest.mark.parametrize("path", ["/maps/add/", "/maps/{}/", "/maps/{}/remove/"])
def test_only_admins_change_maps(cast, path):
    row = TargetMap.objects.create(name="prod", rules={})
    operator = browser(Role.OPERATOR)
    answer = operator.post(path.format(row.pk), form())
    assert TargetMap.objects.filter(name="prod").count() == 1
    assert answer.status_code in {302, 403}
    listed = text(operator.get("/maps/"))
    assert "prod" in listed
    assert "This needs the admin role" in listed


def test_the_migrate_page_shows_what_changes_and_by_which_map(cast):
    rules = {"pools": [{"from": "local", "to": "shared"}]}
    TargetMap.objects.create(name="to south", rules=rules, source_site=cast.north, target_site=cast.south)
    client, page = browser(Role.OPERATOR), f"/guests/{cast.db.pk}/migrate/"
    html = text(client.get(page, wish(cast, destination=str(cast.gamma.pk))))
    assert "2 lines, by the map to south" in html
    assert '<span data-line="+">+      &lt;source file=&quot;/srv/shared/db.qcow2&quot;/&gt;</span>' in html
    html = text(client.get(page, wish(cast, destination=str(cast.gamma.pk), map="none")))
    assert "Nothing changes in its definition" in html
    assert "&quot;options&quot;: {&quot;map&quot;: &quot;none&quot;}" in html


def test_a_map_that_is_gone_is_told_on_the_page(cast):
    answer = browser(Role.OPERATOR).get(f"/guests/{cast.web.pk}/migrate/", wish(cast, map="gone"))
    assert "There is no map &#x27;gone&#x27;" in text(answer)
