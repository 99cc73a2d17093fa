"""What Django can tell at every start: settings that cannot work, or should not be used as they are."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from fleet.operate.places import LONGEST_SOCKET_PATH, Places


@register
def redis_address(**_: Any) -> list[CheckMessage]:
    """fleet.E001, fleet.E002: an address that can be used at all."""
    scheme = urlsplit(settings.REDIS_URL).scheme
    if scheme not in ("unix", "redis", "rediss"):
        return [
            Error(
                f"DROVER_REDIS_URL '{settings.REDIS_URL}' is no Redis address.",
                hint="Write unix:///path/to/socket or redis://host:6379",
                id="fleet.E001",
            )
        ]
    own = max(len(str(path)) for path in (Places(settings.HOME).redis_socket, Places(settings.HOME).control_socket))
    if scheme == "unix" and own > LONGEST_SOCKET_PATH:
        return [
            Error(
                f"DROVER_HOME is {len(str(settings.HOME))} characters long, too long for a socket in it.",
                hint=f"A socket's whole path has room for {LONGEST_SOCKET_PATH}.",
                id="fleet.E002",
            )
        ]
    return []


@register
def one_machine_database(**_: Any) -> list[CheckMessage]:
    """fleet.W001: SQLite is a file; a Redis on the network means that other machines take part."""
    address = urlsplit(settings.REDIS_URL)
    elsewhere = address.scheme != "unix" and not _is_here(address.hostname or "")
    if elsewhere and settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        return [
            Warning(
                "Redis is on the network, but the database is an SQLite file of this machine.",
                hint="Workers on other machines need PostgreSQL: set DROVER_DATABASE_URL.",
                id="fleet.W001",
            )
        ]
    return []


def _is_here(host: str) -> bool:
    # "redis" is the name compose gives to the container beside this one, which shares the database's volume.
    if host in ("localhost", "redis"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@register
def private_files(**_: Any) -> list[CheckMessage]:
    """fleet.E003: secrets and keys that every user of the machine could read."""
    found: list[CheckMessage] = []
    for path in (settings.SECRETS, Path(settings.PKI_DIR) / "clientkey.pem", Path(settings.SSH_KEY)):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & 0o077:
            right = "700" if path.is_dir() else "600"
            found.append(
                Error(
                    f"{path} can be read by other users of this machine.",
                    hint=f"chmod {right} {path}",
                    id="fleet.E003",
                )
            )
    return found


@register
def unsafe_transports(**_: Any) -> list[CheckMessage]:
    """fleet.E004, fleet.W002: transports that do not exist, and one that protects nothing."""
    known = {"tls", "ssh", "tcp", "unix", "test", "fake"}
    unknown = [name for name in settings.TRANSPORTS if name not in known]
    if unknown:
        return [
            Error(
                f"DROVER_TRANSPORTS names {', '.join(unknown)}.",
                hint=f"There are {', '.join(sorted(known))}.",
                id="fleet.E004",
            )
        ]
    if "tcp" in settings.TRANSPORTS:
        return [
            Warning(
                "DROVER_TRANSPORTS allows tcp: whoever is on that network can take over the hosts.",
                hint="Use tls or ssh.",
                id="fleet.W002",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def clear_text_pages(**_: Any) -> list[CheckMessage]:
    """fleet.W003: people sign in over the network without TLS."""
    if settings.HTTPS or all(_is_here(name.strip("[]")) for name in settings.ALLOWED_HOSTS):
        return []
    return [
        Warning(
            "People reach Drover over the network without TLS: passwords and tokens can be read on the way.",
            hint="Put a proxy with TLS in front and set DROVER_HTTPS=yes.",
            id="fleet.W003",
        )
    ]
