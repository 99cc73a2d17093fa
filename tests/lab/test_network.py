"""Which lines the wires are made of."""

from __future__ import annotations

from lab import network
from lab.plan import make_plan

SUBNET = "10.213.1.0/24"


def test_the_managers_own_traffic_never_queues_behind_a_migration() -> None:
    lines = network.uplink_lines(make_plan(), "north", SUBNET)
    assert any("ip dst 10.213.1.1/32 flowid 1:1" in line for line in lines)
    assert any(f"classid 1:1 htb rate {network.UNLIMITED_MBIT}mbit" in line for line in lines)


def test_what_leaves_a_site_is_limited_by_where_it_goes() -> None:
    plan = make_plan(hosts=3, sites=3, link_mbit=100)
    lines = network.uplink_lines(plan, "south", SUBNET)
    assert any("classid 1:3 htb rate 100mbit" in line for line in lines)
    assert any("ip dst 10.213.1.11/32 flowid 1:3" in line for line in lines)
    assert any("ip dst 10.213.1.13/32 flowid 1:4" in line for line in lines)


def test_every_site_has_an_uplink_to_the_core() -> None:
    lines = network.fabric_lines(make_plan())
    assert "link set d-north master core" in lines
    assert "link set u-south master s-south" in lines
