"""Bearer tokens: made once, kept as a hash, found in one query."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import F, Q
from django.utils import timezone

from fleet.access.principal import Principal
from fleet.models import ApiToken, Site
from fleet.states import Role

_SHAPE = re.compile(r"drv_(?P<key>[a-z0-9]{1,16})\.(?P<secret>[A-Za-z0-9_-]{1,128})")
#: `last_used_at` is written at most this often, so that reading stays reading.
_SEEN_EVERY = timedelta(minutes=1)


def make(
    *, user: User, role: Role, site: Site | None = None, name: str = "", expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """A new token and its text `drv_<key>.<secret>`, which is shown now and never again."""
    key, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user, name=name, key=key, digest=_digest(secret), role=role.value, site=site, expires_at=expires_at
    )
    return token, f"drv_{key}.{secret}"


def principal_of(text: str, *, address: str | None = None, request_id: str = "") -> tuple[ApiToken, Principal] | None:
    """The token and what it may do now; None for one that is unknown, wrong or expired, or whose owner is inactive.

    One query, and once a minute a write of `last_used_at`.
    """
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        return None
    # The left join yields one row per grant of the owner, so owner and grants come along in the same query.
    rows = list(
        ApiToken.objects.filter(key=shape["key"])
        .select_related("user")
        .annotate(granted_role=F("user__grants__role"), granted_site=F("user__grants__site_id"))
        .order_by()
    )
    digest = rows[0].digest if rows else ""
    # Compared even for an unknown key, so that the time of an answer tells nothing.
    if not hmac.compare_digest(digest, _digest(shape["secret"])):
        return None
    token, now = rows[0], timezone.now()
    if (token.expires_at is not None and token.expires_at <= now) or not token.user.is_active:
        return None
    _note_use(token, now)
    grants = [(row.granted_role, row.granted_site) for row in rows if row.granted_role is not None]
    owner = Principal.of_grants(token.user, grants, door="", address=address, request_id=request_id)
    return token, owner.capped(role=Role(token.role), site_id=token.site_id, door=f"api:{token.key}", token_id=token.id)


def bearer(header: str) -> str | None:
    """The token in an Authorization header; None when the header is of another kind."""
    kind, _, text = header.partition(" ")
    return text.strip() if kind.lower() == "bearer" else None


def _note_use(token: ApiToken, now: datetime) -> None:
    if token.last_used_at is None or token.last_used_at < now - _SEEN_EVERY:
        seen_before = Q(last_used_at=token.last_used_at)
        ApiToken.objects.filter(seen_before, pk=token.pk).update(last_used_at=now)


def _digest(secret: str) -> str:
    # The secret has 256 random bits: a slow password hash would add nothing but a slow API.
    return hashlib.sha256(secret.encode()).hexdigest()
