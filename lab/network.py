"""Boundary. The lab's wires: one bridge per site, one core bridge, links of a chosen speed between the sites.

All of it lives in a namespace of its own, the fabric, so that names are short, nothing of the machine's own network or
firewall is involved, and the end of the namespace is the end of the wires. The manager has one leg in it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from lab import addresses, holders, processes
from lab.plan import HostPlan, LabPlan, SitePlan, link_key
from lab.processes import FABRIC

UNLIMITED_MBIT = 40_000


def used_networks() -> list[str]:
    """Every network this machine has a route to or an address in."""
    routes = json.loads(processes.run(["ip", "-json", "-4", "route", "show", "table", "all"]) or "[]")
    return [route["dst"] for route in routes if route.get("dst", "default") != "default"]


def build(plan: LabPlan, subnet: str) -> None:
    """Bridges, legs and speeds; the holders must be there."""
    fabric = holders.pid(plan.name, FABRIC)
    manager = addresses.manager_interface(plan.name, subnet)
    processes.run(["ip", "-batch", "-"], "\n".join(manager_leg(manager, fabric, subnet)))
    inside(plan.name, FABRIC, fabric_lines(plan))
    for host in plan.hosts:
        connect(plan, host, subnet)
    shape(plan, subnet)


def manager_leg(interface: str, fabric: int, subnet: str) -> list[str]:
    """Lines for `ip -batch`: the machine's own end of a veth pair into the fabric."""
    return [
        f"link add {interface} type veth peer name manager netns {fabric}",
        f"address add {addresses.manager(subnet)}/24 dev {interface}",
        f"link set {interface} up",
    ]


def fabric_lines(plan: LabPlan) -> list[str]:
    """Lines for `ip -batch`: the bridges, and an uplink from each site to the core."""
    lines = ["link set lo up", "link add core type bridge", "link set manager master core"]
    for site in plan.sites:
        lines += [
            f"link add s-{site.slug} type bridge",
            f"link add u-{site.slug} type veth peer name d-{site.slug}",
            f"link set u-{site.slug} master s-{site.slug}",
            f"link set d-{site.slug} master core",
        ]
    names = [f"{letter}-{site.slug}" for site in plan.sites for letter in "sud"]
    return lines + [f"link set {name} up" for name in ["core", "manager", *names]]


def connect(plan: LabPlan, host: HostPlan, subnet: str) -> None:
    """Plug a host into its site's bridge; its own address is on its br0, where guests are plugged in too."""
    pid = holders.pid(plan.name, host.name)
    inside(
        plan.name,
        FABRIC,
        [
            f"link add h-{host.name} type veth peer name eth0 netns {pid}",
            f"link set h-{host.name} master s-{host.site}",
            f"link set h-{host.name} up",
        ],
    )
    inside(
        plan.name,
        host.name,
        [
            # Important: a fixed address, or br0 would take a new one when the first or last guest is plugged in.
            f"link add br0 address {addresses.host_mac(subnet, host.number)} type bridge",
            "link set eth0 master br0",
            f"address add {addresses.host(subnet, host.number)}/24 dev br0",
            "link set eth0 up",
            "link set br0 up",
            f"route add default via {addresses.manager(subnet)}",
        ],
    )


def inside(lab: str, owner: str, lines: Sequence[str]) -> None:
    """Run a batch of `ip` lines in a host or the fabric."""
    processes.run(holders.entered(lab, owner, ["ip", "-batch", "-"]), "\n".join(lines))


def shape(plan: LabPlan, subnet: str) -> None:
    """Give every link its speed."""
    lines = []
    for site in plan.sites:
        lines += uplink_lines(plan, site.slug, subnet)
    for host in plan.hosts:
        lines += limit_lines(f"h-{host.name}", subnet, plan.site_mbit, [])
    traffic_control(plan.name, lines)


def reshape(plan: LabPlan) -> None:
    """Change the speed of the links between sites while they are in use."""
    lines = []
    for site in plan.sites:
        for number, other in enumerate(others(plan, site.slug), start=3):
            lines += class_lines(f"u-{site.slug}", number, plan.mbit(site.slug, other.slug))
    traffic_control(plan.name, lines)


def traffic_control(lab: str, lines: Sequence[str]) -> None:
    """Run a batch of `tc` lines in the fabric."""
    if lines:
        processes.run(holders.entered(lab, FABRIC, ["tc", "-batch", "-"]), "\n".join(lines))


def others(plan: LabPlan, site: str) -> list[SitePlan]:
    """The sites a site has links to, in order."""
    return [other for other in plan.sites if other.slug != site]


def uplink_lines(plan: LabPlan, site: str, subnet: str) -> list[str]:
    """What leaves a site is limited by where it goes; the other direction is limited where it starts."""
    rates = [
        (plan.mbit(site, other.slug), [addresses.host(subnet, host.number) for host in plan.at(other.slug)])
        for other in others(plan, site)
    ]
    slowest = min((mbit for mbit, _ in rates), default=UNLIMITED_MBIT)
    return limit_lines(f"u-{site}", subnet, slowest, rates)


def limit_lines(device: str, subnet: str, otherwise_mbit: int, rates: Sequence[tuple[int, list[str]]]) -> list[str]:
    """Lines for `tc -batch`: an htb class per rate with its target addresses, and a free one for the manager.

    Drover's own traffic must not queue behind a migration, or a saturated link would look like a dead host.
    """
    manager = addresses.manager(subnet)
    lines = [
        f"qdisc add dev {device} root handle 1: htb default 2",
        *class_lines(device, 1, UNLIMITED_MBIT),
        *class_lines(device, 2, otherwise_mbit),
        filter_line(device, f"ip src {manager}/32", 1),
        filter_line(device, f"ip dst {manager}/32", 1),
    ]
    for number, (mbit, targets) in enumerate(rates, start=3):
        lines += class_lines(device, number, mbit)
        lines += [filter_line(device, f"ip dst {target}/32", number) for target in targets]
    return lines


def class_lines(device: str, number: int, mbit: int) -> list[str]:
    """A class with a queue of 50 ms: long enough for TCP, short enough not to look like a hanging host."""
    queue = max(200_000, mbit * 1_000_000 // 8 // 20)
    rate = f"htb rate {mbit}mbit burst 128k cburst 128k quantum 60000"
    return [
        f"class replace dev {device} parent 1: classid 1:{number} {rate}",
        f"qdisc replace dev {device} parent 1:{number} handle {number + 16}: bfifo limit {queue}",
    ]


def filter_line(device: str, match: str, number: int) -> str:
    """Send what matches into a class."""
    priority = 1 if number == 1 else 2
    return f"filter add dev {device} parent 1: protocol ip prio {priority} u32 match {match} flowid 1:{number}"


def remove(plan_name: str, subnet: str) -> None:
    """Take the manager's leg away; the rest goes with the namespaces."""
    processes.run(["ip", "link", "delete", addresses.manager_interface(plan_name, subnet)], check=False)


def with_link(links: dict[str, int], source: str, target: str, mbit: int) -> dict[str, int]:
    """The recorded speeds with one of them changed."""
    return {**links, link_key(source, target): mbit}
