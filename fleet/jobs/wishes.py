"""Pure: what a wish for a running job carries, checked: {"mib_s"} for the bandwidth, {"ms"} for the pause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.refusals import Refused

#: What each kind of wish carries: the number's name with its least and greatest value.
ARGUMENTS: dict[str, tuple[str, int, int]] = {
    #: 0 is "as fast as the link allows".
    "bandwidth": ("mib_s", 0, 1_000_000),
    #: QEMU takes no more than 2000 s.
    "downtime": ("ms", 1, 2_000_000),
}


def checked(kind: str, arguments: Mapping[str, Any] | None) -> dict[str, int]:
    """The arguments of a wish; raises Refused naming the number that is missing, unknown or out of range."""
    given = dict(arguments or {})
    if kind not in ARGUMENTS:
        if given:
            raise Refused(f"There is nothing to say with '{kind}'.", code="invalid", field=next(iter(given)))
        return {}
    name, low, high = ARGUMENTS[kind]
    if set(given) != {name}:
        wrong = next((other for other in given if other != name), name)
        raise Refused(f"'{kind}' takes one number: {name}.", code="invalid", field=wrong)
    value = given[name]
    if type(value) is not int or not low <= value <= high:
        raise Refused(f"{name} must be a whole number between {low} and {high}.", code="invalid", field=name)
    return {name: value}
