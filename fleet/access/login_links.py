"""One-time links that sign a person in: for the first start, and for who has lost a password."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from fleet.models import LoginLink
from fleet.refusals import Refused

_REMEDY = "Ask for a new one: manage.py login_link --user NAME"


def make(user: User, *, minutes: int = 10) -> str:
    """The path of a new link, which holds for `minutes` and is shown only now."""
    token = secrets.token_urlsafe(32)
    LoginLink.objects.create(digest=_digest(token), user=user, expires_at=timezone.now() + timedelta(minutes=minutes))
    return reverse("login-link", args=[token])


def use(token: str) -> User:
    """Whom the link signs in; from now on it is used. Refused when it is used, too old, unknown or its user inactive.

    Important: mail scanners and chat previews follow links, so a page asks for a press of a button before it uses one.
    """
    now = timezone.now()
    link = LoginLink.objects.select_related("user").filter(digest=_digest(token)).first()
    if link is None:
        raise Refused("This sign-in link is not one of ours.", code="link_unknown", remedy=_REMEDY)
    if not link.user.is_active:
        raise Refused("This sign-in link's user is inactive.", code="user_inactive", remedy="Ask an admin.")
    if link.expires_at <= now:
        raise Refused("This sign-in link is too old.", code="link_expired", remedy=_REMEDY)
    # Compare and swap: of two uses at the same moment exactly one sees a row change.
    # Important: no condition over a join here; it would become a sub-select, which PostgreSQL does not look at again.
    if LoginLink.objects.filter(pk=link.pk, used_at__isnull=True).update(used_at=now) != 1:
        raise Refused("This sign-in link was used already.", code="link_used", remedy=_REMEDY)
    return link.user


def forget_old() -> int:
    """Remove links that ended more than a week ago; how many went."""
    return LoginLink.objects.filter(expires_at__lt=timezone.now() - timedelta(days=7)).delete()[0]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
