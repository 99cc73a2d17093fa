"""What an operator may say about a host, checked before anybody is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from fleet.hypervisor import connect
from fleet.hypervisor.facts import HostAddress
from fleet.hypervisor.uris import DEFAULT_PORTS, checked
from fleet.models import Host, Site
from fleet.refusals import Refused

#: Fields that say how to reach a host: changing one means asking the host again.
CONNECTION = ("address", "transport", "port", "username", "ssh_host_key")
#: How many guests may move from and to it at once, and how fast; None leaves it to Drover.
LIMITS = {"max_moves_out": (0, 1000), "max_moves_in": (0, 1000), "migration_bandwidth_mbps": (1, 10_000_000)}
FIELDS = ("name", *CONNECTION, "site", "migration_address", "tags", *LIMITS)
MAX_TAGS = 50

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TAG = re.compile(r"[\w][\w .:/=@+-]{0,63}")


def cleaned(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields without stray blanks, a default port left out; Refused names the first that is wrong."""
    unknown = sorted(set(values) - set(FIELDS))
    if unknown:
        raise Refused(
            f"A host has no field '{unknown[0]}'.",
            code="unknown_field",
            field=unknown[0],
            remedy=f"The fields are {', '.join(FIELDS)}.",
        )
    clean = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
    for name in ("address", "migration_address"):
        # DNS names and IPv6 digits know no case: one spelling lets the database see duplicates.
        clean[name] = clean[name].lower() if clean.get("transport") in DEFAULT_PORTS else clean[name]
    if clean["port"] == DEFAULT_PORTS.get(clean["transport"]):
        clean["port"] = None
    clean["tags"] = _tags(clean["tags"])
    if not _NAME.fullmatch(clean["name"]):
        raise Refused(
            f"'{clean['name']}' is no name for a host." if clean["name"] else "The host needs a name.",
            code="invalid_name",
            field="name",
            remedy="Use up to 100 letters, digits, '.', '_' and '-', beginning with a letter or digit.",
        )
    _check_limits(clean)
    if clean["site"] is not None and not isinstance(clean["site"], Site):
        raise TypeError("site is a Site or None; the door looks it up")
    checked(where(clean), connect.configuration())
    return clean


def _check_limits(values: Mapping[str, Any]) -> None:
    for name, (low, high) in LIMITS.items():
        if (value := values[name]) is not None and not low <= value <= high:
            raise Refused(
                f"{name} is {value}.", code="invalid", field=name, remedy=f"Write a number from {low} to {high}."
            )


def where(values: Mapping[str, Any]) -> HostAddress:
    """How to reach the host that these fields describe."""
    return HostAddress(
        name=values["name"],
        migration_address=values["migration_address"],
        **{field: values[field] for field in CONNECTION},
    )


def refuse_known(values: Mapping[str, Any], *, apart_from: Host | None = None) -> None:
    """Refused if another host has this name or address already."""
    address = Q(transport=values["transport"], address=values["address"], port=values["port"])
    others = Host.objects.exclude(pk=apart_from.pk) if apart_from else Host.objects.all()
    for other in others.filter(Q(name__iexact=values["name"]) | address):
        if other.name.lower() == values["name"].lower():
            raise known(other, field="name", text=f"There is a host named '{other.name}' already.")
        raise known(other, field="address", text=f"The host '{other.name}' has the address {other.address} already.")


def known(other: Host, *, field: str, text: str) -> Refused:
    """The refusal that names the host which is there already."""
    return Refused(
        text,
        code="host_known",
        field=field,
        remedy=f"Open '{other.name}' and change it there, or remove it first.",
        data={"host": str(other.pk), "name": other.name},
    )


def _tags(tags: Any) -> list[str]:
    clean = sorted({str(tag).strip() for tag in tags} - {""})
    bad = next((tag for tag in clean if not _TAG.fullmatch(tag)), None)
    if bad or len(clean) > MAX_TAGS:
        raise Refused(
            f"'{bad}' is no tag." if bad else f"{len(clean)} tags are too many.",
            code="invalid_tags",
            field="tags",
            remedy=f"A tag has up to 64 letters, digits, blanks and . : / = @ + - _; a host has up to {MAX_TAGS}.",
        )
    return clean
