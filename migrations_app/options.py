"""Pure: what an operator may choose for a migration, checked and with defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from fleet.refusals import Refused

#: libvirt takes unsigned long MiB/s, QEMU overflows far above; no network card is near a PiB/s.
MAX_BANDWIDTH_MIB_S = 1_000_000
#: QEMU refuses a downtime limit above 2000 s (MAX_MIGRATE_DOWNTIME).
MAX_DOWNTIME_MS = 2_000_000
#: More connections than this only fight each other for the same link.
MAX_CONNECTIONS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The options of one migration; zero means "no limit" or "libvirt's own choice"."""

    bandwidth_mib_s: int = 0
    #: The longest pause QEMU may take for the switch-over.
    max_downtime_ms: int = 300
    #: Give up (guest stays where it is) after this many seconds; 0: never.
    timeout_s: int = 0
    #: Let QEMU slow the guest's CPUs down when it writes faster than the link carries.
    auto_converge: bool = True
    #: Connections side by side; 0 or 1: one.
    parallel: int = 0
    #: "" or "xbzrle".
    compression: str = ""
    tls: bool = False
    #: The destination pool for copied disks; "": the pool with the same folder, else the same name.
    target_pool: str = ""
    #: Connect every card of the guest to this network at the destination; "": the same as now.
    target_network: str = ""
    #: Leave copied disks' files at the source; False removes them once the guest is proven to run elsewhere.
    keep_source: bool = True
    #: Remove the guest's definition from the source.
    undefine_source: bool = True

    def document(self) -> dict[str, Any]:
        """As stored with the migration and shown by the API."""
        return dataclasses.asdict(self)


_RANGES: dict[str, tuple[int, int]] = {
    "bandwidth_mib_s": (0, MAX_BANDWIDTH_MIB_S),
    "max_downtime_ms": (1, MAX_DOWNTIME_MS),
    "timeout_s": (0, 604_800),
    "parallel": (0, MAX_CONNECTIONS),
}
_FIELDS = {field.name: field for field in dataclasses.fields(Options)}


def parse(document: Mapping[str, Any] | None) -> Options:
    """Options from a program's or form's words; raises Refused naming the option, what is wrong and what is right."""
    document = {} if document is None else document
    if not isinstance(document, Mapping):
        raise Refused("options must be an object of names and values.", code="invalid", field="options")
    for name, value in document.items():
        _check(str(name), value)
    options = Options(**document)
    if options.compression and options.parallel > 1:
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
    kind: type = type(_FIELDS[name].default)
    if type(value) is not kind:
        wanted = {int: "a whole number", bool: "true or false", str: "text"}[kind]
        raise Refused(f"{name} must be {wanted}.", code="invalid", field=f"options/{name}")
    if (limits := _RANGES.get(name)) and not limits[0] <= int(cast(int, value)) <= limits[1]:
        low, high = limits
        raise Refused(f"{name} must lie between {low} and {high}.", code="invalid", field=f"options/{name}")
    if name == "compression" and value not in {"", "xbzrle"}:
        raise Refused(
            f"There is no compression '{value}'.", code="invalid", field="options/compression", remedy='"" or "xbzrle"'
        )
