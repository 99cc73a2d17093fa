"""Pure: what the guest's definition must say otherwise at the destination, by the options, then by the map."""

from __future__ import annotations

from fleet.hypervisor.facts import InterfaceFacts
from migrations_app.map_rules import Wire
from migrations_app.preflight.situation import Rewrites, Situation


def rewrites(situation: Situation) -> Rewrites:
    """Only what really differs."""
    guest, rules = situation.guest, situation.map
    cards = {card.mac: wire for card in guest.interfaces if (wire := wire_of(situation, card))}
    nvram = [device.name for device in guest.devices if device.kind == "nvram"]
    files = {path: rules.path(path) for path in (*guest.boot_files, *nvram)}
    return Rewrites(
        cards=cards,
        files={old: new for old, new in files.items() if old != new},
        console_networks=_console_networks(situation),
        listen=listen_of(situation),
    )


def wire_of(situation: Situation, card: InterfaceFacts) -> Wire | None:
    """What the card is plugged into at the destination; None: what it is plugged into now.

    Only cards on a network or a bridge can be plugged in elsewhere; the others stay what they are.
    """
    if card.kind not in {"network", "bridge"}:
        return None
    now = Wire(card.kind, card.source)
    network = situation.options.target_network
    there = Wire("network", network) if network else situation.map.wire(card.kind, card.source)
    return there if there != now else None


def _console_networks(situation: Situation) -> dict[str, str]:
    """A console can get its address from a network of libvirt's only, so a rule that leads to a bridge is no help."""
    there = {name: situation.map.wire("network", name) for name in situation.guest.console_networks}
    return {name: wire.name for name, wire in there.items() if wire and wire.kind == "network" and wire.name != name}


def listen_of(situation: Situation) -> str:
    """Where consoles listen that listened on an address of the source alone; "" where there is none, or no better."""
    there = wanted(situation)
    return there if set(situation.guest.listens) - {there} else ""


def wanted(situation: Situation) -> str:
    """The destination's address for consoles that need one of their host's own; "" when none is known."""
    return situation.map.graphics_listen or situation.destination.address
