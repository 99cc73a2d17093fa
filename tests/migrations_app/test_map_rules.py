"""A map's rules: what is understood, what is refused with which words, and what they say of a name or path."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.refusals import Refused
from migrations_app import map_rules
from migrations_app.map_rules import MapRules, Wire

WHOLE: dict[str, Any] = {
    "networks": [{"from": "bridge:br0", "to": "bridge:br1"}, {"from": "network:lan", "to": "network:prod"}],
    "pools": [{"from": "fast", "to": "ssd"}],
    "paths": [{"from": "/srv/a", "to": "/srv/b"}, {"from": "/srv/a/deep", "to": "/deep"}],
    "graphics_listen": "192.0.2.9",
}


def test_a_map_is_stored_and_read_back_the_same():
    rules = map_rules.parse(WHOLE, name="to south")
    assert rules.document() == WHOLE
    assert map_rules.load(map_rules.kept(rules)) == rules
    assert map_rules.load({}) == MapRules()


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/srv/a/web.qcow2", "/srv/b/web.qcow2"),
        ("/srv/a", "/srv/b"),
        ("/srv/a/deep/web.qcow2", "/deep/web.qcow2"),  # the longest folder counts
        ("/srv/ab/web.qcow2", "/srv/ab/web.qcow2"),  # the same beginning is not the same folder
        ("/other", "/other"),
    ],
)
def test_a_folder_of_the_map_is_replaced_in_paths_below_it(path: str, there: str):
    assert map_rules.parse(WHOLE).path(path) == there


def test_a_network_and_a_bridge_of_one_name_are_two_things():
    rules = map_rules.parse({"networks": [{"from": "network:lan", "to": "bridge:br1"}]})
    assert rules.wire("network", "lan") == Wire("bridge", "br1")
    assert rules.wire("bridge", "lan") is None


@pytest.mark.parametrize(
    ("document", "field", "said"),
    [
        ({"nets": []}, "rules/nets", "no part 'nets'"),
        ({"pools": {}}, "rules/pools", "must be a list"),
        ({"pools": [{"from": "a"}]}, "rules/pools/0", "Rule 1 of pools"),
        ({"pools": [{"from": "a", "to": 3}]}, "rules/pools/0", "Rule 1 of pools"),
        ({"pools": [{"from": "a", "to": ""}]}, "rules/pools/0/to", "no name of a pool"),
        ({"pools": [{"from": "a", "to": "b"}, {"from": "a", "to": "c"}]}, "rules/pools/1/from", "stands twice"),
        ({"networks": [{"from": "lan", "to": "network:x"}]}, "rules/networks/0/from", "'lan' is no network"),
        ({"networks": [{"from": "network:x", "to": "bridge:a/b"}]}, "rules/networks/0/to", "is no network"),
        ({"networks": [{"from": "network:x", "to": "bridge:" + "b" * 16}]}, "rules/networks/0/to", "is no network"),
        ({"paths": [{"from": "srv", "to": "/x"}]}, "rules/paths/0/from", "'srv' is no folder"),
        ({"paths": [{"from": "/", "to": "/x"}]}, "rules/paths/0/from", "is no folder"),
        ({"paths": [{"from": "/srv", "to": "/x/../etc"}]}, "rules/paths/0/to", "is no folder"),
        ({"paths": [{"from": "/srv\n", "to": "/x"}]}, "rules/paths/0/from", "is no folder"),
        ({"graphics_listen": "a b"}, "rules/graphics_listen", "'a b' is no address"),
        ({"graphics_listen": None}, "rules/graphics_listen", "is no address"),
    ],
)
def test_what_is_no_rule_is_refused_where_it_stands(document: dict[str, Any], field: str, said: str):
    with pytest.raises(Refused) as refused:
        map_rules.parse(document)
    assert refused.value.field == field
    assert said in refused.value.text


def test_trailing_slashes_do_not_make_another_folder():
    assert map_rules.parse({"paths": [{"from": "/srv/a/", "to": "/srv/b/"}]}).path("/srv/a/x") == "/srv/b/x"
