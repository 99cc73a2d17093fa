"""Issuing and revoking API tokens."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from fleet.access import audit, tokens
from fleet.access.principal import Principal
from fleet.models import ApiToken, Site
from fleet.refusals import Forbidden, Refused
from fleet.states import Role


def visible(principal: Principal) -> QuerySet[ApiToken]:
    """A person's own tokens; everybody's for an admin."""
    rows = ApiToken.objects.select_related("user", "site")
    return rows if principal.allows("token.manage") else rows.filter(user=principal.user)


def issue(
    *,
    principal: Principal,
    role: Role,
    site: Site | None = None,
    name: str = "",
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """A token for oneself, and its text; Refused when it would allow more, or hold longer, than its maker may."""
    held = principal.role_at(site.id) if site else principal.best_role
    if principal.user is None or held is None or role.rank > held.rank:
        place = f" at {site}" if site else ""
        raise Forbidden(
            f"A token with the role {role.value}{place} would allow more than {principal.name} may.",
            code="forbidden",
            remedy=f"The most you can give is {held.value}." if held else "Ask an admin for a role first.",
        )
    if expires_at is not None and expires_at <= timezone.now():
        raise Refused("The token would have expired already.", code="invalid", field="expires_at")
    maker = ApiToken.objects.filter(pk=principal.token_id).first() if principal.token_id else None
    if maker and maker.site_id and maker.site_id != (site.id if site else None):
        raise Forbidden(f"A token limited to {maker.site} makes only tokens limited to {maker.site}.", code="forbidden")
    if maker and maker.expires_at and (expires_at is None or expires_at > maker.expires_at):
        raise Refused(
            "A token cannot make one that outlives it.",
            code="invalid",
            field="expires_at",
            remedy=f"Choose a time up to {maker.expires_at.isoformat()}.",
        )
    with transaction.atomic():
        token, text = tokens.make(user=principal.user, role=role, site=site, name=name, expires_at=expires_at)
        audit.record(principal=principal, verb="token.make", subject=token, outcome="done", after=document(token))
    return token, text


def revoke(*, principal: Principal, token: ApiToken) -> None:
    """End a token at once."""
    if principal.user != token.user:
        principal.require("token.manage", what=str(token))
    with transaction.atomic():
        audit.record(principal=principal, verb="token.revoke", subject=token, outcome="done", before=document(token))
        token.delete()


def document(token: ApiToken) -> dict[str, object]:
    """What may be said of a token: everything but its secret."""
    return {
        "key": token.key,
        "name": token.name,
        "user": token.user.get_username(),
        "role": token.role,
        "site": token.site.slug if token.site else None,
        "expires_at": token.expires_at.isoformat() if token.expires_at else None,
    }
