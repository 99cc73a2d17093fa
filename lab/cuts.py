"""Boundary. Cut and heal the network: rules in the fabric's bridges, which drop silently, as a dead link does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab import holders, processes
from lab.processes import FABRIC

MANAGER = "manager"


@dataclass(frozen=True)
class Cut:
    """Between two hosts, a host and the manager, or (without `other`) a host and everything, its guests included."""

    host: str
    other: str | None = None
    loss_percent: int = 100
    #: Only the connections to this TCP port of either end; between two hosts.
    port: int | None = None

    def touches(self, host: str | None, other: str | None) -> bool:
        """Whether healing `host` (and `other`) means this cut; without names every cut is meant."""
        if host is None:
            return True
        ends = {self.host, self.other}
        return {host, other} == ends if other is not None else host in ends


def ruleset(cuts: Sequence[Cut], addresses: Mapping[str, str]) -> str:
    """Pure. The whole table for `nft -f`, replacing the one before in one step."""
    rules = "\n".join(f"    {rule}" for cut in cuts for rule in rules_of(cut, addresses))
    chain = f"  chain cuts {{\n    type filter hook forward priority 0;\n{rules}\n  }}"
    return f"table bridge drover\ndelete table bridge drover\ntable bridge drover {{\n{chain}\n}}\n"


def rules_of(cut: Cut, addresses: Mapping[str, str]) -> list[str]:
    """Both directions of one cut."""
    verdict = "drop" if cut.loss_percent >= 100 else f"numgen random mod 100 < {cut.loss_percent} drop"
    if cut.other is None:
        return [f'iifname "h-{cut.host}" {verdict}', f'oifname "h-{cut.host}" {verdict}']
    here, there = addresses[cut.host], addresses[cut.other]
    ways = [f"ip saddr {here} ip daddr {there}", f"ip saddr {there} ip daddr {here}"]
    if cut.port is not None:
        ways = [f"{way} tcp {end} {cut.port}" for way in ways for end in ("dport", "sport")]
    return [f"{way} {verdict}" for way in ways]


def apply(lab: str, cuts: Sequence[Cut], addresses: Mapping[str, str]) -> None:
    """Make exactly these cuts be in force."""
    processes.run(holders.entered(lab, FABRIC, ["nft", "-f", "-"]), ruleset(cuts, addresses))
