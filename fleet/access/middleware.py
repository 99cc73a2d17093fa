"""Puts a request id and the principal on every request."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from fleet.access.principal import Principal

Handler = Callable[[HttpRequest], HttpResponse]
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def request_id(get_response: Handler) -> Handler:
    """Takes the caller's `X-Request-Id` where it is sane, makes one where not, and echoes it."""

    def handle(request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        request.request_id = given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex  # type: ignore[attr-defined]
        response = get_response(request)
        response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        return response

    return handle


def principal(get_response: Handler) -> Handler:
    """Sets `request.principal` for a signed-in person; None without a session.

    A request with a token costs nothing here: `authentication.Bearer` sets its principal later.
    """

    def handle(request: HttpRequest) -> HttpResponse:
        request.principal = _of_session(request)  # type: ignore[attr-defined]
        return get_response(request)

    return handle


def address_of(meta: Any) -> str | None:
    """The caller's address, or None where the server knows none (a unix socket).

    Important: X-Forwarded-For is not read here, anybody can write it; the ASGI server puts a trusted proxy's word
    into REMOTE_ADDR.
    """
    try:
        return str(ipaddress.ip_address(meta.get("REMOTE_ADDR", "").partition("%")[0]))
    except ValueError:
        return None


def _of_session(request: HttpRequest) -> Principal | None:
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    user = request.user
    if not user.is_authenticated or not user.is_active:
        return None
    return Principal.of_user(
        user,
        door="page",
        address=address_of(request.META),
        request_id=request.request_id,  # type: ignore[attr-defined]
    )
