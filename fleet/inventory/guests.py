"""What operators may set on a guest: its tags and whether it stays where it is."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from enum import Enum
from typing import Any

from django.db import transaction
from django.db.models import F

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.inventory import policy_names
from fleet.jobs import live
from fleet.models import Guest
from fleet.refusals import Refused


class Unsaid(Enum):
    """A field that nobody mentioned, where None is a value."""

    UNSAID = 1


UNSAID = Unsaid.UNSAID
MAX_TAGS = 32
LONGEST_TAG = 64


def change_guest(
    *,
    principal: Principal,
    guest: Guest,
    tags: Sequence[str] | None = None,
    pinned: bool | None = None,
    policy: str | None = None,
    watch_address: str | Unsaid | None = UNSAID,
) -> Guest:
    """Set what is given and leave the rest; raises Forbidden, and Refused for bad tags or a policy that is not there.

    An empty policy leaves the choice to the guest's tags, its site and the default.
    """
    principal.require("guest.change", guest.host.site_id if guest.host else None, what=guest.name)
    before: dict[str, Any] = {"tags": guest.tags, "pinned": guest.pinned, "policy": guest.policy}
    after: dict[str, Any] = {
        "tags": before["tags"] if tags is None else checked_tags(tags),
        "pinned": before["pinned"] if pinned is None else pinned,
        "policy": before["policy"] if policy is None or policy == guest.policy else checked_policy(policy),
    }
    if not isinstance(watch_address, Unsaid):
        before |= {"watch_address": guest.watch_address}
        after |= {"watch_address": checked_address(watch_address)}
    if after == before:
        return guest
    with transaction.atomic():
        Guest.objects.filter(pk=guest.pk).update(**after, version=F("version") + 1)
        audit.record(
            principal=principal, verb="guest.change", subject=guest, outcome="done", before=before, after=after
        )
        live.guest_changed(guest.pk)
    guest.refresh_from_db(fields=["tags", "pinned", "policy", "watch_address", "version"])
    return guest


def checked_policy(name: str) -> str:
    """The name, if there is a policy of that name, or none; raises Refused that lists them."""
    if name and name not in (known := policy_names.names()):
        text = f"There is no migration policy '{name}'."
        raise Refused(text, code="unknown_policy", field="policy", remedy=f"There are: {', '.join(known) or 'none'}.")
    return name


def checked_address(text: str | None) -> str | None:
    """An IP address that echoes can be sent to, or None for nothing; a name would be looked up by every worker anew."""
    if not text or not text.strip():
        return None
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        address = None
    if address is None or address.is_multicast or address.is_loopback or address.is_unspecified:
        raise Refused(
            f"'{text}' is no address of a guest.",
            code="invalid",
            field="watch_address",
            remedy="Write its IP address, such as 192.0.2.10.",
        )
    return str(address)


def checked_tags(tags: Sequence[str]) -> list[str]:
    """Each tag once, trimmed, in the given order."""
    found = list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
    if len(found) > MAX_TAGS:
        raise Refused(f"A guest may have at most {MAX_TAGS} tags.", code="invalid", field="tags")
    for tag in found:
        if len(tag) > LONGEST_TAG or "," in tag:
            raise Refused(
                f"'{tag[:LONGEST_TAG]}' is no tag.",
                code="invalid",
                field="tags",
                remedy=f"Use at most {LONGEST_TAG} characters and no comma.",
            )
    return found
