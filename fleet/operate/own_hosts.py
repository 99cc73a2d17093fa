"""Pure: hosts as they are written on a command line, `tls://address` or `ssh://user@address:port`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from fleet.refusals import Refused


@dataclass(frozen=True, kw_only=True)
class OwnHost:
    """What `add_host` is told; the name is the address until somebody gives a better one."""

    name: str
    transport: str
    address: str
    port: int | None = None
    username: str = ""


def parse(text: str) -> list[OwnHost]:
    """Comma-separated; Refused names the part that cannot be read."""
    found = [parse_one(part.strip()) for part in text.split(",") if part.strip()]
    if not found:
        raise Refused("--hosts names no host.", code="bad_host", remedy=SHAPE)
    return found


SHAPE = "Write tls://ADDRESS or ssh://USER@ADDRESS, with :PORT where it is not the usual one, separated by commas."


def parse_one(text: str) -> OwnHost:
    """One of them. Anything that is more than transport, user, address and port is refused."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Refused(f"'{text}' names no host.", code="bad_host", remedy=SHAPE) from None
    more = parts.path.strip("/") or parts.query or parts.fragment or parts.password
    if parts.scheme not in ("tls", "ssh", "tcp") or not parts.hostname or more:
        raise Refused(f"'{text}' names no host.", code="bad_host", remedy=SHAPE)
    return OwnHost(
        name=parts.hostname, transport=parts.scheme, address=parts.hostname, port=port, username=parts.username or ""
    )
