"""Moves through a map on the fake fleet: which map holds, and that what was shown is what is done."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import pytest

from fleet.hypervisor.facts import InterfaceFacts, NetworkFacts
from fleet.models import AuditEvent, Job, Site
from fleet.refusals import Forbidden, Refused
from fleet.states import JobState, Role
from migrations_app.flows import map_changes
from migrations_app.flows.destinations import destinations
from migrations_app.flows.submit import submit
from migrations_app.models import Migration, TargetMap
from migrations_app.options import Options
from tests.cast import Cast, principal

Moving = Callable[..., tuple[Job, threading.Thread]]
RULES = {
    "networks": [{"from": "network:lan", "to": "network:prod"}],
    "pools": [{"from": "local", "to": "ssd"}],
    "paths": [],
    "graphics_listen": "",
}


def with_networks(cast: Cast, host: str, *names: str) -> None:
    facts = cast.fleet.hosts[host].host_facts
    networks = tuple(NetworkFacts(name=name, kind="network", bridge=f"v-{name}", active=True) for name in names)
    cast.fleet.hosts[host].host_facts = dataclasses.replace(facts, networks=networks)


def south_is_another_world(cast: Cast) -> None:
    """db has a card on lan, its disk in local and its console on alpha's address; gamma has prod and ssd instead."""
    with_networks(cast, "alpha", "lan")
    with_networks(cast, "gamma", "prod")
    card = InterfaceFacts(mac="52:54:00:00:00:77", model="virtio", kind="network", source="lan")
    disks = cast.db.guest_facts().disks
    cast.fleet.hosts["alpha"].remove_guest(str(cast.db.uuid))
    cast.fleet.hosts["alpha"].add_guest("db", disks=disks, interfaces=(card,), listens=("192.0.2.1",))
    cast.fleet.add_pool("ssd", on=("gamma",), path="/mnt/ssd").markers.add(cast.fleet.hosts["gamma"].uuid)
    cast.sync()


def stored(name: str = "to south", source: Site | None = None, target: Site | None = None, **rules: Any) -> TargetMap:
    wish = {"name": name, "rules": RULES | rules, "source_site": source, "target_site": target}
    return map_changes.add(principal=principal(Role.ADMIN), **wish)


def to_gamma(cast: Cast, **options: Any) -> Any:
    [found] = destinations(guest=cast.db, options=Options(**options), only=cast.gamma)
    return found


def test_without_a_map_the_network_is_missing_and_between_two_sites_theirs_holds_by_itself(cast: Cast) -> None:
    south_is_another_world(cast)
    assert "network_missing" in {check["code"] for check in to_gamma(cast).checks}
    stored(source=cast.north, target=cast.south)
    found = to_gamma(cast)
    assert (found.allowed, found.rules.name) == (True, "to south")
    assert [plan.path for plan in found.findings.copies] == ["/mnt/ssd/db.qcow2"]
    [beta] = destinations(guest=cast.db, only=cast.beta)
    assert beta.rules.name == "", "the other way of a pair, and other pairs, are not meant"


def test_a_named_map_is_stronger_than_the_sites_and_none_says_no_to_both(cast: Cast) -> None:
    south_is_another_world(cast)
    stored(source=cast.north, target=cast.south)
    stored("other", pools=[])
    assert to_gamma(cast, map="other").rules.name == "other"
    assert to_gamma(cast, map="none").rules.name == ""


def test_an_unknown_map_is_refused_with_the_known_ones(cast: Cast) -> None:
    stored()
    with pytest.raises(Refused) as refused:
        to_gamma(cast, map="nowhere")
    assert (refused.value.field, refused.value.code) == ("options/map", "no_such_map")
    assert "to south, none" in refused.value.remedy


def test_what_was_shown_is_what_is_done_even_when_the_map_goes_meanwhile(
    committed_cast: Cast, moving: Moving, messages: list[Any]
) -> None:
    cast = committed_cast
    south_is_another_world(cast)
    row = stored(source=cast.north, target=cast.south)
    person = principal(Role.OPERATOR)
    shown = submit(principal=person, guest=cast.db, destination=cast.gamma, dry_run=True)
    assert [line.strip("+- ") for line in shown.xml_difference if line[:1] == "+"] == [
        '<source file="/mnt/ssd/db.qcow2"/>',
        '<source network="prod"/>',
        '<graphics type="vnc" listen="gamma"/>',
    ]
    wish = submit(principal=person, guest=cast.db, destination=cast.gamma)
    map_changes.remove(principal=principal(Role.ADMIN), row=row)
    assert wish.job is not None
    run(cast, wish.job)

    job = Job.objects.get(pk=wish.job.pk)
    assert job.state == JobState.SUCCEEDED, job.error
    said = job.events.get(code="definition.changed")
    assert said.data["xml_difference"] == shown.xml_difference
    assert said.message == "Its definition is changed for gamma by the map to south"
    arrived = cast.fleet.hosts["gamma"].guest_rows[str(cast.db.uuid)]
    assert [card.source for card in arrived.interfaces] == ["prod"]
    assert [disk.source for disk in arrived.disks] == ["/mnt/ssd/db.qcow2"]
    assert arrived.listens == ("gamma",)
    assert Migration.objects.get(pk=job.pk).map_rules["name"] == "to south"


def run(cast: Cast, job: Job) -> None:
    from tests.migrations_app.flows.conftest import work

    thread = work(job)
    cast.fleet.wait_for_migration(str(cast.db.uuid)).succeed()
    thread.join(20)
    assert not thread.is_alive()


def test_a_move_that_changes_nothing_says_nothing_of_its_definition(
    committed_cast: Cast, moving: Moving, messages: list[Any]
) -> None:
    cast = committed_cast
    job, thread = moving(cast.web, cast.beta)
    cast.fleet.wait_for_migration(str(cast.web.uuid)).succeed()
    thread.join(20)
    assert not job.events.filter(code="definition.changed").exists()


def test_two_maps_cannot_hold_between_the_same_sites(cast: Cast) -> None:
    stored(source=cast.north, target=cast.south)
    with pytest.raises(Refused, match="Between North and South the map to south holds already"):
        stored("second", source=cast.north, target=cast.south)
    stored("back", source=cast.south, target=cast.north)


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"name": "none"}, "name"),
        ({"name": "taken"}, "name"),
        ({"rules": {"pools": [{"from": "a", "to": ""}]}}, "rules/pools/0/to"),
    ],
)
def test_a_map_that_cannot_be_is_refused_at_its_field(cast: Cast, wish: dict[str, Any], field: str) -> None:
    stored("taken")
    with pytest.raises(Refused) as refused:
        map_changes.add(principal=principal(Role.ADMIN), **({"name": "new", "rules": RULES} | wish))
    assert refused.value.field == field


def test_one_site_alone_is_refused(cast: Cast) -> None:
    with pytest.raises(Refused, match="needs both sites"):
        stored(source=cast.north)


def test_changes_of_maps_are_an_admins_and_are_written_down(cast: Cast) -> None:
    row = stored()
    map_changes.change(principal=principal(Role.ADMIN), row=row, description="for the new house")
    map_changes.remove(principal=principal(Role.ADMIN), row=row)
    written = AuditEvent.objects.filter(subject_name="to south").order_by("id")
    assert [event.verb for event in written] == ["map.add", "map.change", "map.remove"]
    assert (written[1].before["description"], written[1].after["description"]) == ("", "for the new house")
    with pytest.raises(Forbidden):
        map_changes.add(principal=principal(Role.OPERATOR), name="mine", rules=RULES)


def test_a_site_that_a_map_speaks_of_is_not_removed_under_it(cast: Cast) -> None:
    from fleet.inventory import sites

    third = Site.objects.create(slug="east", name="East")
    stored(source=cast.north, target=third)
    with pytest.raises(Refused, match="East is named by: map to south"):
        sites.remove_site(principal=principal(Role.ADMIN), site=third)
