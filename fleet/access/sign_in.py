"""Signing in to the pages: by password, throttled, or by a one-time link; both leave a row in the audit log."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone

from fleet.access import audit, login_links
from fleet.access.middleware import address_of
from fleet.access.principal import Principal
from fleet.models import AuditEvent
from fleet.refusals import Refused

#: Failed attempts are counted over this time ...
WINDOW = timedelta(minutes=10)
#: ... for one name from one address, for one address, and for one name from everywhere. The last is generous, so that a
#: stranger cannot easily lock somebody out; a one-time link lets them in at any time.
PER_NAME_AND_ADDRESS, PER_ADDRESS, PER_NAME = 5, 30, 50

_BACKEND = "django.contrib.auth.backends.ModelBackend"


class TooMany(Refused):
    """Wait; `data["retry_after_s"]` says how long."""

    status = 429


def by_password(*, request: HttpRequest, user_name: str, password: str) -> User:
    """Sign a person in; raises Refused for a wrong name or password, TooMany after too many of those.

    The count of failures is the audit log itself: one truth for all web processes, and a restart forgets nothing.
    """
    address = address_of(request.META)
    _throttle(user_name, address)
    user = authenticate(request, username=user_name, password=password)
    if not isinstance(user, User):
        _record(request, None, user_name, verb="session.refused", outcome="refused", detail="wrong name or password")
        raise Refused("This name and password do not go together.", code="sign_in_refused", field="password")
    login(request, user, backend=_BACKEND)
    _record(request, user, user_name, verb="session.begin", outcome="done", detail="by password")
    return user


def by_link(*, request: HttpRequest, token: str) -> User:
    """Sign a person in by a one-time link; Refused as `login_links.use` says."""
    user = login_links.use(token)
    login(request, user, backend=_BACKEND)
    _record(request, user, user.get_username(), verb="session.begin", outcome="done", detail="by one-time link")
    return user


def out(*, request: HttpRequest) -> None:
    """End the session."""
    user = request.user
    if isinstance(user, User):
        _record(request, user, user.get_username(), verb="session.end", outcome="done")
    logout(request)


def _throttle(user_name: str, address: str | None) -> None:
    since = timezone.now() - WINDOW
    failed = AuditEvent.objects.filter(verb="session.refused", at__gte=since)
    of_name = failed.filter(subject_id=_subject_id(user_name))
    too_many = (
        of_name.filter(address=address).count() >= PER_NAME_AND_ADDRESS
        or of_name.count() >= PER_NAME
        or (address is not None and failed.filter(address=address).count() >= PER_ADDRESS)
    )
    if too_many:
        minutes = int(WINDOW.total_seconds() // 60)
        raise TooMany(
            f"Too many failed sign-ins. Wait {minutes} minutes.",
            code="too_many_attempts",
            remedy="Or ask an admin for a one-time link: manage.py login_link --user NAME",
            data={"retry_after_s": int(WINDOW.total_seconds())},
        )


def _subject_id(user_name: str) -> str:
    return user_name.lower()[:64]


def _record(request: HttpRequest, user: User | None, name: str, *, verb: str, outcome: str, detail: str = "") -> None:
    principal = Principal(
        user=user, door="page", address=address_of(request.META), request_id=getattr(request, "request_id", "")
    )
    audit.record(
        principal=principal, verb=verb, subject=("user", _subject_id(name), name), outcome=outcome, detail=detail
    )
