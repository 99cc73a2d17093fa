"""Pure: do the guest's network cards find their network at the destination?"""

from __future__ import annotations

from collections.abc import Iterator

from fleet.hypervisor.facts import InterfaceFacts
from migrations_app.map_rules import Wire
from migrations_app.preflight.rewriting import wire_of
from migrations_app.preflight.situation import Check, Situation, block, warn


def check(situation: Situation) -> Iterator[Check]:
    """Findings about each card."""
    for card in situation.guest.interfaces:
        yield from _card(situation, card)


def _card(situation: Situation, card: InterfaceFacts) -> Iterator[Check]:
    wire = wire_of(situation, card) or Wire(card.kind, card.source)
    if wire.kind == "network":
        yield from _network(situation, card, wire.name)
    elif wire.kind == "bridge":
        yield from _bridge(situation, card, wire.name)
    elif wire.kind == "direct":
        yield warn(
            "direct_device",
            card.mac,
            f"This card is tied to the device '{card.source}', which must exist on {situation.destination.name} too.",
        )


def _network(situation: Situation, card: InterfaceFacts, wanted: str) -> Iterator[Check]:
    destination = situation.destination
    networks = {network.name: network for network in destination.facts.networks if network.kind == "network"}
    because = _because(situation, card, wanted)
    if wanted not in networks:
        yield block(
            "network_missing",
            card.mac,
            f"{destination.name} has no network '{wanted}'{because}.",
            f"Define the network there, or choose one of: {', '.join(sorted(networks)) or 'none'}.",
        )
    elif not networks[wanted].active:
        yield block(
            "network_inactive",
            card.mac,
            f"The network '{wanted}' is not started on {destination.name}{because}.",
            f"Start it there: virsh net-start {wanted}",
        )


def _bridge(situation: Situation, card: InterfaceFacts, wanted: str) -> Iterator[Check]:
    """Not every host tells its bridges, so one that is not seen may be there all the same."""
    bridges = {network.bridge for network in situation.destination.facts.networks if network.bridge}
    if bridges and wanted not in bridges:
        there, because = situation.destination.name, _because(situation, card, wanted)
        yield warn(
            "bridge_not_seen",
            card.mac,
            f"No libvirt network of {there} uses the bridge '{wanted}'{because}, so it may be missing there.",
            "Make sure the bridge exists there, or choose a target network.",
        )


def _because(situation: Situation, card: InterfaceFacts, wanted: str) -> str:
    """Whoever wonders about a name that the guest does not use is told where it comes from."""
    if situation.options.target_network or wanted == card.source:
        return ""
    return f", by the map {situation.map.name} for '{card.source}'"
