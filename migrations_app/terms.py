"""Pure: the terms of one move, an operator's options over a policy: what may be done to get the guest across."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from migrations_app.options import Options


class Encryption(StrEnum):
    """Whether the guest's data is encrypted on its way."""

    OFF = "off"
    #: Where both hosts can.
    OPPORTUNISTIC = "opportunistic"
    REQUIRED = "required"


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """Promises to the guest's owner, and means allowed to keep them; zero means "no limit"."""

    #: Name of the policy they come from; "" for Drover's own default.
    policy: str = ""
    #: Longest pause that the guest may see.
    max_pause_ms: int = 300
    #: Longest duration; then it is given up and the guest stays where it is.
    max_duration_s: int = 0
    may_throttle: bool = True
    may_post_copy: bool = False
    #: Whether the guest may be stopped to finish, within `max_pause_ms`.
    may_pause: bool = False
    encryption: Encryption = Encryption.OFF
    bandwidth_mib_s: int = 0
    #: Share of the narrowest link on the way that this move may take.
    bandwidth_share_percent: int = 100
    parallel: int = 0
    #: "" or "xbzrle".
    compression: str = ""

    def document(self) -> dict[str, Any]:
        """As stored with the migration."""
        return dataclasses.asdict(self) | {"encryption": self.encryption.value}


def load(document: Mapping[str, Any]) -> Terms:
    """The terms that `document` stored; names of another version of Drover are left out."""
    known = {item.name for item in dataclasses.fields(Terms)}
    values = {name: value for name, value in document.items() if name in known}
    if "encryption" in values:
        values["encryption"] = Encryption(values["encryption"])
    return Terms(**values)


def resolve(options: Options, policy: Terms) -> Terms:
    """What holds for one move: each option that says something is stronger than the policy."""
    compression = options.compression or policy.compression
    return dataclasses.replace(
        policy,
        max_pause_ms=options.max_downtime_ms or policy.max_pause_ms,
        max_duration_s=options.timeout_s or policy.max_duration_s,
        may_throttle=policy.may_throttle if options.auto_converge is None else options.auto_converge,
        may_post_copy=policy.may_post_copy if options.post_copy is None else options.post_copy,
        encryption=policy.encryption if options.tls is None else _encryption(options.tls),
        bandwidth_mib_s=options.bandwidth_mib_s or policy.bandwidth_mib_s,
        parallel=options.parallel or policy.parallel,
        compression="" if compression == "none" else compression,
    )


def _encryption(wanted: bool) -> Encryption:
    return Encryption.REQUIRED if wanted else Encryption.OFF
