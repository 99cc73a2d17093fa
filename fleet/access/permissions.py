"""The API's door: nobody passes without a name. What the name may do, each flow asks its principal."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class SignedIn(BasePermission):
    """Whoever has a principal."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """401 follows from False, because `Bearer` names a way to sign in."""
        # Asking for the user runs the authentication, which sets the principal of a token.
        return request.user is not None and getattr(request._request, "principal", None) is not None
