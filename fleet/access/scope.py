"""Who is at the other end of a socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.models import User
from django.utils.crypto import constant_time_compare

from fleet.access import tokens
from fleet.access.principal import Principal


def principal_of(scope: Mapping[str, Any], *, fresh: bool = False) -> Principal | None:
    """The principal of a socket: by its `Authorization: Bearer` header, else by its session; None for nobody.

    Reads the database: call it through `database_sync_to_async`. `fresh` reads the person again too and not only the
    grants, so that a later call tells whether the socket's owner still may. A token in the address is never looked
    at: addresses are logged.
    """
    address = _address(scope)
    for name, value in scope.get("headers", ()):
        text = tokens.bearer(value.decode("latin-1")) if name == b"authorization" else None
        if text is not None:
            found = tokens.principal_of(text, address=address)
            return found[1] if found else None
    user = scope.get("user")
    if user is None or not user.is_authenticated:
        return None
    if fresh:
        user = User.objects.filter(pk=user.pk).first()
        if user is not None and not _still_signed_in(scope.get("session"), user):
            return None
    return Principal.of_user(user, door="socket", address=address) if user and user.is_active else None


def _still_signed_in(session: Any, user: User) -> bool:
    """Signing out removes the session and a new password makes its seal void; a socket outlives neither."""
    if session is None:
        return True
    key, sealed = session.session_key, session.get(HASH_SESSION_KEY, "")
    return bool(key) and session.exists(key) and constant_time_compare(sealed, user.get_session_auth_hash())


def _address(scope: Mapping[str, Any]) -> str | None:
    client = scope.get("client")
    return str(client[0]) if client and client[0] else None
