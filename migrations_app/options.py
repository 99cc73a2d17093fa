"""Pure: what an operator may choose for a migration, checked and with defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from fleet.refusals import Refused

#: libvirt takes unsigned long MiB/s, QEMU overflows far above; no network card is near a PiB/s.
MAX_BANDWIDTH_MIB_S = 1_000_000
#: QEMU refuses a downtime limit above 2000 s (MAX_MIGRATE_DOWNTIME).
MAX_DOWNTIME_MS = 2_000_000
#: More connections than this only fight each other for the same link.
MAX_CONNECTIONS = 64


#: How the data travels: "" lets Drover choose, "direct" from host to host, "relay" through the worker.
ROUTES = ("", "direct", "relay")
#: "none" says no to a policy that would compress.
COMPRESSIONS = ("", "none", "xbzrle")
#: Says no to the map that would hold by itself.
NO_MAP = "none"
#: What becomes of a medium that the destination does not see: "" refuses, "eject" leaves it behind, "copy" brings it.
MEDIA = ("", "eject", "copy")


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The options of one migration; zero, "" and None leave the choice to the policy, the maps or Drover."""

    #: A migration policy's name; "": the guest's, else its tag's, its site's, the default one.
    policy: str = ""
    bandwidth_mib_s: int = 0
    #: The longest pause of the guest; 0: as the policy says.
    max_downtime_ms: int = 0
    #: Give up (guest stays where it is) after this many seconds; 0: as the policy says.
    timeout_s: int = 0
    #: Whether QEMU may slow the guest's CPUs down when it writes faster than the link carries.
    auto_converge: bool | None = None
    #: Whether the guest may run at the destination before all its memory is there.
    post_copy: bool | None = None
    #: Connections side by side; 0: as the policy says, 1: one.
    parallel: int = 0
    #: Of COMPRESSIONS.
    compression: str = ""
    tls: bool | None = None
    #: Of ROUTES.
    route: str = ""
    #: A stored map's name; "": the one between the two sites, if there is one; NO_MAP: none at all.
    map: str = ""
    #: The destination pool for copied disks; "": the pool with the same folder, else the same name.
    target_pool: str = ""
    #: Per disk {target: {"pool": ..., "path": ...}}, stronger than `target_pool` and the map.
    disks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: Of MEDIA.
    media: str = ""
    #: Connect every card of the guest to this network at the destination; "": as the map says, else the same as now.
    target_network: str = ""
    #: Keep copied disks' files at the source, in quarantine; False removes them once the guest is proven elsewhere.
    keep_source: bool = True
    #: Hosts to try after the first one where none was named, while the guest is proven to have stayed at its source.
    retry_elsewhere: int = 0
    #: Remove the guest's definition from the source.
    undefine_source: bool = True

    def document(self) -> dict[str, Any]:
        """As stored with the migration and shown by the API."""
        return dataclasses.asdict(self)


_RANGES: dict[str, tuple[int, int]] = {
    "bandwidth_mib_s": (0, MAX_BANDWIDTH_MIB_S),
    "max_downtime_ms": (0, MAX_DOWNTIME_MS),
    "timeout_s": (0, 604_800),
    "parallel": (0, MAX_CONNECTIONS),
    "retry_elsewhere": (0, 10),
}
_WORDS: dict[str, tuple[str, ...]] = {"compression": COMPRESSIONS, "route": ROUTES, "media": MEDIA}
_FIELDS = {item.name: item for item in dataclasses.fields(Options)}
#: Options that may be left to the policy with null.
_YES_NO = frozenset({"auto_converge", "post_copy", "tls"})


def parse(document: Mapping[str, Any] | None) -> Options:
    """Options from a program's or form's words; raises Refused naming the option, what is wrong and what is right."""
    document = {} if document is None else document
    if not isinstance(document, Mapping):
        raise Refused("options must be an object of names and values.", code="invalid", field="options")
    for name, value in document.items():
        _check(str(name), value)
    options = Options(**document)
    if options.compression == "xbzrle" and options.parallel > 1:
        raise Refused(
            "xbzrle compression and parallel connections do not go together.",
            code="options_conflict",
            field="options/compression",
            remedy="Leave one of the two out.",
        )
    return options


def _check(name: str, value: Any) -> None:
    if name not in _FIELDS:
        known = ", ".join(sorted(_FIELDS))
        raise Refused(f"There is no option '{name}'.", code="unknown_option", field=f"options/{name}", remedy=known)
    if name == "disks":
        _check_disks(value)
        return
    kind: type = bool if name in _YES_NO else type(_FIELDS[name].default)
    if type(value) is not kind and not (name in _YES_NO and value is None):
        wanted = {int: "a whole number", bool: "true or false", str: "text"}[kind]
        raise Refused(f"{name} must be {wanted}.", code="invalid", field=f"options/{name}")
    if (limits := _RANGES.get(name)) and not limits[0] <= int(cast(int, value)) <= limits[1]:
        low, high = limits
        raise Refused(f"{name} must lie between {low} and {high}.", code="invalid", field=f"options/{name}")
    if name in _WORDS and value not in _WORDS[name]:
        known = ", ".join(f'"{word}"' for word in _WORDS[name])
        raise Refused(f"There is no {name} '{value}'.", code="invalid", field=f"options/{name}", remedy=known)


def _check_disks(value: Any) -> None:
    right = isinstance(value, Mapping) and all(
        isinstance(target, str)
        and isinstance(place, Mapping)
        and set(place) <= {"pool", "path"}
        and all(isinstance(word, str) for word in place.values())
        for target, place in value.items()
    )
    if not right:
        raise Refused(
            "disks must be an object of disk targets, each with a pool or a path.",
            code="invalid",
            field="options/disks",
            remedy='For example {"vda": {"pool": "fast"}}.',
        )
