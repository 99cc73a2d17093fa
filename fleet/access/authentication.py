"""How the REST API learns who asks: a bearer token, or the page's session with its CSRF token."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from fleet.access import tokens
from fleet.access.middleware import address_of
from fleet.models import ApiToken


class Bearer(BaseAuthentication):
    """`Authorization: Bearer drv_<key>.<secret>`; sets the request's principal."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """The token's owner and the token; AuthenticationFailed (401) for a token that does not hold."""
        text = tokens.bearer(request.headers.get("Authorization", ""))
        if text is None:
            return None
        http = request._request
        found = tokens.principal_of(text, address=address_of(http.META), request_id=getattr(http, "request_id", ""))
        if found is None:
            raise AuthenticationFailed(
                "This token is unknown, expired or revoked, or its owner is inactive.", code="token_refused"
            )
        token, principal = found
        http.principal = principal  # type: ignore[attr-defined]
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Makes a missing sign-in a 401 that says how."""
        return 'Bearer realm="Drover"'


class Session(SessionAuthentication):
    """The browser's session; writing needs the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        """The signed-in person, as `middleware.principal` found them; PermissionDenied (403) without CSRF token."""
        if getattr(request._request, "principal", None) is None:
            return None
        return super().authenticate(request)
