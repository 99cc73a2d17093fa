"""Pure: do the guest's network cards find their network at the destination?"""

from __future__ import annotations

from collections.abc import Iterator

from fleet.hypervisor.facts import InterfaceFacts
from migrations_app.preflight.situation import Check, Situation, block, warn


def check(situation: Situation) -> Iterator[Check]:
    """Findings about each card."""
    for card in situation.guest.interfaces:
        yield from _card(situation, card)


def _card(situation: Situation, card: InterfaceFacts) -> Iterator[Check]:
    destination = situation.destination
    networks = {network.name: network for network in destination.facts.networks if network.kind == "network"}
    bridges = {network.bridge for network in destination.facts.networks if network.bridge}
    # Only these two can be put on a network; the others stay what they are.
    chosen = situation.options.target_network if card.kind in {"network", "bridge"} else ""
    wanted = chosen or (card.source if card.kind == "network" else "")
    if wanted:
        if wanted not in networks:
            yield block(
                "network_missing",
                card.mac,
                f"{destination.name} has no network '{wanted}'.",
                f"Define the network there, or choose one of: {', '.join(sorted(networks)) or 'none'}.",
            )
        elif not networks[wanted].active:
            yield block(
                "network_inactive",
                card.mac,
                f"The network '{wanted}' is not started on {destination.name}.",
                f"Start it there: virsh net-start {wanted}",
            )
    elif card.kind == "bridge" and bridges and card.source not in bridges:
        yield warn(
            "bridge_not_seen",
            card.mac,
            f"No libvirt network of {destination.name} uses the bridge '{card.source}', so it may be missing there.",
            "Make sure the bridge exists there, or choose a target network.",
        )
    elif card.kind == "direct":
        yield warn(
            "direct_device",
            card.mac,
            f"This card is tied to the device '{card.source}', which must exist on {destination.name} too.",
        )
