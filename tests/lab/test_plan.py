"""What a lab consists of."""

from __future__ import annotations

import pytest

from lab.places import plan_from_json, plan_to_json
from lab.plan import BadPlan, LabPlan, describe_guest, make_plan, parse_guest, stable_uuid


def test_the_default_lab_is_four_hosts_at_two_sites_with_eight_guests() -> None:
    plan = make_plan()
    assert [(host.name, host.site) for host in plan.hosts] == [
        ("alpha", "north"),
        ("beta", "north"),
        ("gamma", "south"),
        ("delta", "south"),
    ]
    temperaments = sorted(guest.temperament for guest in plan.guests)
    assert temperaments == ["counter", "counter", "dirty", "dirty", "idle", "idle", "idle", "shutoff"]


@pytest.mark.parametrize(
    ("hosts", "sites", "shape"), [(1, None, [1]), (3, 2, [2, 1]), (5, 3, [2, 2, 1]), (4, 4, [1] * 4)]
)
def test_hosts_are_spread_over_the_sites(hosts: int, sites: int | None, shape: list[int]) -> None:
    plan = make_plan(hosts=hosts, sites=sites)
    assert [len(plan.at(site.slug)) for site in plan.sites] == shape


def test_many_guests_have_different_names_and_known_hosts() -> None:
    plan = make_plan(hosts=2, guests=40)
    assert len({guest.name for guest in plan.guests}) == 40
    assert {guest.host for guest in plan.guests} <= {"alpha", "beta"}


def test_a_specification_says_everything_about_a_guest() -> None:
    guest = parse_guest("web1:dirty:alpha:local:128:rate=30,set_mib=24,ticks_ms=10", 3)
    assert (guest.name, guest.temperament, guest.host, guest.number) == ("web1", "dirty", "alpha", 3)
    assert (guest.pool, guest.memory_mib, guest.rate, guest.set_mib, guest.ticks_ms) == ("local", 128, 30, 24, 10)


def test_a_short_specification_gets_the_usual_values() -> None:
    guest = parse_guest("db1:counter:beta", 0)
    assert (guest.pool, guest.memory_mib, guest.rate) == ("shared", 96, 50)


@pytest.mark.parametrize(
    "text",
    ["web1", "web1:idle", "Web:idle:alpha", "web1:angry:alpha", "web1:idle:alpha:tape", "web1:idle:alpha:local:96:x=1"],
)
def test_a_wrong_specification_is_refused(text: str) -> None:
    with pytest.raises(BadPlan):
        parse_guest(text, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"hosts": 0},
        {"hosts": 2, "sites": 3},
        {"name": "../x"},
        {"guests": ["a:idle:nowhere"]},
        {"guests": ["a:idle:alpha"] * 2},
    ],
)
def test_a_lab_that_cannot_be_built_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadPlan):
        make_plan(**wrong)  # type: ignore[arg-type]


def test_a_plan_survives_the_state_file() -> None:
    plan = make_plan(guests=["web1:dirty:alpha"])
    assert plan_from_json(plan_to_json(plan)) == plan


def test_a_link_has_one_speed_whichever_way_it_is_asked() -> None:
    usual = make_plan()
    plan = LabPlan(usual.name, usual.sites, usual.hosts, usual.guests, links={"north/south": 50})
    assert plan.mbit("south", "north") == plan.mbit("north", "south") == 50
    assert usual.mbit("north", "south") == 200


def test_identities_are_stable_in_a_lab_and_differ_between_labs() -> None:
    assert stable_uuid("demo", "host", "alpha") == stable_uuid("demo", "host", "alpha")
    assert stable_uuid("demo", "host", "alpha") != stable_uuid("test-a", "host", "alpha")


def test_a_description_names_the_rate() -> None:
    assert describe_guest(parse_guest("a:dirty:alpha", 0)) == "Rewrites 20 MiB/s of its memory, over 16 MiB."
