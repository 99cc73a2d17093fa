"""Pure: the rules of a map, from what stands for a guest's networks, pools and folders elsewhere; parsed and asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, TypeVar

from fleet.refusals import Refused

#: What a card of a guest can be put on; the words are libvirt's.
WIRES = ("network", "bridge")
PARTS = ("networks", "pools", "paths", "graphics_listen")
#: More than a person keeps in order.
MAX_RULES = 200
_NAME = re.compile(r"[^\x00-\x1f\x7f/]{1,100}")
#: What the kernel takes as a device's name.
_DEVICE = re.compile(r"[^\x00-\x20\x7f/:]{1,15}")
_PATH = re.compile(r"/[^\x00-\x1f\x7f]{1,1000}")
_ADDRESS = re.compile(r"[0-9A-Za-z][0-9A-Za-z.:%_-]{0,252}|::[0-9A-Fa-f:.]*")


@dataclass(frozen=True, order=True, slots=True)
class Wire:
    """What a network card is plugged into: a libvirt network or a bridge of the host."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class MapRules:
    """What is called something else at the destination; the empty value leaves everything as it is."""

    #: The stored map's name; "" for no map.
    name: str = ""
    networks: Mapping[Wire, Wire] = field(default_factory=dict)
    pools: Mapping[str, str] = field(default_factory=dict)
    #: Folders; the longest that holds a path counts.
    paths: Mapping[str, str] = field(default_factory=dict)
    #: Where consoles listen that listened on an address of the source alone; "": the destination's own address.
    graphics_listen: str = ""

    def wire(self, kind: str, source: str) -> Wire | None:
        """What a card on `source` is plugged into over there; None where the map says nothing."""
        return self.networks.get(Wire(kind, source))

    def path(self, path: str) -> str:
        """The path over there: the longest folder of the map that holds it is replaced; else the same path."""
        for folder in sorted(self.paths, key=len, reverse=True):
            if path == folder or path.startswith(f"{folder}/"):
                return self.paths[folder] + path[len(folder) :]
        return path

    def document(self) -> dict[str, Any]:
        """As stored with a map or a migration, and as the API shows it: rules in the order of what they replace."""
        wires = [{"from": str(old), "to": str(new)} for old, new in sorted(self.networks.items())]
        pools = [{"from": old, "to": new} for old, new in sorted(self.pools.items())]
        paths = [{"from": old, "to": new} for old, new in sorted(self.paths.items())]
        return {"networks": wires, "pools": pools, "paths": paths, "graphics_listen": self.graphics_listen}


def parse(document: Mapping[str, Any], *, name: str = "") -> MapRules:
    """The rules of a document; raises Refused that names the place ("rules/pools/0/to") and what is right there."""
    if unknown := sorted(set(document) - set(PARTS)):
        text = f"A map has no part '{unknown[0]}'."
        raise Refused(text, code="invalid", field=f"rules/{unknown[0]}", remedy=f"Known: {', '.join(PARTS)}.")
    return MapRules(
        name=name,
        networks=_pairs(document, "networks", _wire),
        pools=_pairs(document, "pools", _pool),
        paths=_pairs(document, "paths", _folder),
        graphics_listen=_address(document.get("graphics_listen", "")),
    )


def load(document: Mapping[str, Any]) -> MapRules:
    """What a migration keeps of the map that was decided for it: `kept` read back."""
    return parse({part: document[part] for part in PARTS if part in document}, name=document.get("name", ""))


def kept(rules: MapRules) -> dict[str, Any]:
    """As a migration keeps it: what was shown is what is done, whatever becomes of the stored map meanwhile."""
    return {"name": rules.name, **rules.document()}


Value = TypeVar("Value")


def _pairs(document: Mapping[str, Any], part: str, read: Callable[[str, str], Value]) -> dict[Value, Value]:
    rows = document.get(part, [])
    if not isinstance(rows, list) or len(rows) > MAX_RULES:
        text = f"{part} must be a list of at most {MAX_RULES} rules."
        raise Refused(text, code="invalid", field=f"rules/{part}", remedy='Each: {"from": ..., "to": ...}.')
    found: dict[Value, Value] = {}
    for index, row in enumerate(rows):
        at = f"rules/{part}/{index}"
        if not isinstance(row, Mapping) or set(row) != {"from", "to"} or not all(type(row[end]) is str for end in row):
            text = f'Rule {index + 1} of {part} must be {{"from": text, "to": text}}.'
            raise Refused(text, code="invalid", field=at)
        old, new = read(row["from"], f"{at}/from"), read(row["to"], f"{at}/to")
        if old in found:
            text = f"{row['from']} stands twice among the {part}."
            raise Refused(text, code="invalid", field=f"{at}/from", remedy="Keep one of the two rules.")
        found[old] = new
    return found


def _wire(text: str, at: str) -> Wire:
    kind, _, name = text.partition(":")
    if kind not in WIRES or not (_DEVICE if kind == "bridge" else _NAME).fullmatch(name):
        remedy = "Write network:NAME for a libvirt network, bridge:NAME for a bridge of the host."
        raise Refused(f"'{text}' is no network and no bridge.", code="invalid", field=at, remedy=remedy)
    return Wire(kind, name)


def _pool(text: str, at: str) -> str:
    if not _NAME.fullmatch(text):
        raise Refused(
            f"'{text}' is no name of a pool.", code="invalid", field=at, remedy="A pool's name as libvirt knows it."
        )
    return text


def _folder(text: str, at: str) -> str:
    path = PurePosixPath(text)
    plain = _PATH.fullmatch(text) and ".." not in path.parts and not text.startswith("//")
    if not plain or str(path) == "/":
        remedy = "Write an absolute path such as /srv/images, without '..'."
        raise Refused(f"'{text}' is no folder that can be mapped.", code="invalid", field=at, remedy=remedy)
    return str(path)


def _address(text: Any) -> str:
    if not isinstance(text, str) or (text and not _ADDRESS.fullmatch(text)):
        remedy = "An IP address or a DNS name of the destination, or nothing for the destination's own."
        raise Refused(f"'{text}' is no address.", code="invalid", field="rules/graphics_listen", remedy=remedy)
    return text
