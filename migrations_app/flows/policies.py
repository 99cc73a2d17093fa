"""Policies as admins keep them, and the terms that hold for one move."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from fleet.access import audit
from fleet.access.principal import Principal
from fleet.inventory.guests import checked_tags
from fleet.models import Guest, Host, Site
from fleet.refusals import Refused
from migrations_app import policy_choice, terms
from migrations_app.models import MigrationPolicy
from migrations_app.options import Options
from migrations_app.policy_choice import Candidate, Choice
from migrations_app.terms import Terms

#: What people write beside tags and sites: the fields of the terms.
FIELDS = ("name", "description", *(field.name for field in dataclasses.fields(Terms) if field.name != "policy"))


def candidates() -> list[Candidate]:
    """Every policy, in two queries."""
    rows = MigrationPolicy.objects.prefetch_related("sites")
    return [
        Candidate(
            terms=row.terms(),
            tags=frozenset(row.tags),
            sites=frozenset(site.slug for site in row.sites.all()),
            is_default=row.is_default,
        )
        for row in rows
    ]


def chosen(guest: Guest, source: Host, options: Options) -> Choice:
    """The policy that holds for this move and why; raises Refused when the one asked for does not exist."""
    site = source.site.slug if source.site else ""
    return policy_choice.choose(candidates(), asked=options.policy, own=guest.policy, tags=guest.tags, site=site)


def offered(guest: Guest, source: Host) -> tuple[list[Terms], Choice]:
    """Every policy by name, and the one that holds for this guest unless the move names another."""
    known, site = candidates(), source.site.slug if source.site else ""
    found = sorted((one.terms for one in known), key=lambda one: one.policy)
    return found, policy_choice.choose(known, own=guest.policy, tags=guest.tags, site=site)


def resolve(guest: Guest, source: Host, options: Options) -> Terms:
    """The terms of one move: the policy's, with each option that says something over it."""
    return terms.resolve(options, chosen(guest, source, options).terms)


def names() -> list[str]:
    """What a guest may name as its own; see `fleet.inventory.policy_names`."""
    return list(MigrationPolicy.objects.order_by("name").values_list("name", flat=True))


def add(
    *, principal: Principal, tags: Sequence[str] = (), sites: Sequence[Site] = (), **fields: Any
) -> MigrationPolicy:
    """A new policy; raises Forbidden, and Refused that names the field."""
    principal.require("policy.change", what=str(fields.get("name", "")))
    row = MigrationPolicy(tags=checked_tags(tags), **fields)
    return _store(principal, row, sites, before=None)


def change(
    *,
    principal: Principal,
    policy: MigrationPolicy,
    tags: Sequence[str] | None = None,
    sites: Sequence[Site] | None = None,
    **fields: Any,
) -> MigrationPolicy:
    """Change what is given; guests that name it follow a new name. Moves under way keep the terms they began with."""
    principal.require("policy.change", what=policy.name)
    before = document(policy)
    for name, value in fields.items():
        setattr(policy, name, value)
    if tags is not None:
        policy.tags = checked_tags(tags)
    return _store(principal, policy, sites, before=before)


def make_default(*, principal: Principal, policy: MigrationPolicy) -> MigrationPolicy:
    """From now on it holds for every guest that has none of its own, by tag or by site."""
    principal.require("policy.change", what=policy.name)
    with transaction.atomic():
        # Locked in order of name, so that two admins at once end with one default and no error.
        rows = list(MigrationPolicy.objects.select_for_update().order_by("name"))
        before = next((row.name for row in rows if row.is_default), "")
        MigrationPolicy.objects.filter(is_default=True).update(is_default=False)
        MigrationPolicy.objects.filter(pk=policy.pk).update(is_default=True)
        audit.record(
            principal=principal,
            verb="policy.change",
            subject=policy,
            outcome="done",
            before={"default": before},
            after={"default": policy.name},
        )
    policy.refresh_from_db()
    return policy


def remove(*, principal: Principal, policy: MigrationPolicy) -> None:
    """Remove one that is not the default and that no guest names; raises Forbidden and Refused."""
    principal.require("policy.change", what=policy.name)
    if policy.is_default:
        text = f"{policy.name} is the default policy."
        raise Refused(text, code="policy_in_use", remedy="Make another one the default first.")
    if count := Guest.objects.filter(policy=policy.name).count():
        text = f"{policy.name} is named by {count} guest{'' if count == 1 else 's'}."
        raise Refused(text, code="policy_in_use", remedy="Give them another policy first.")
    with transaction.atomic():
        audit.record(principal=principal, verb="policy.remove", subject=policy, outcome="done", before=document(policy))
        policy.delete()


def document(policy: MigrationPolicy) -> dict[str, Any]:
    """What people wrote, for the API and the audit log."""
    sites = [site.slug for site in policy.sites.all()] if policy.pk and not policy._state.adding else []
    fields = {name: getattr(policy, name) for name in FIELDS}
    return {**fields, "tags": policy.tags, "sites": sorted(sites), "is_default": policy.is_default}


def _store(
    principal: Principal, row: MigrationPolicy, sites: Sequence[Site] | None, *, before: dict[str, Any] | None
) -> MigrationPolicy:
    _check(row)
    with transaction.atomic():
        row.save()
        if sites is not None:
            row.sites.set(sites)
        if before is not None and before["name"] != row.name:
            Guest.objects.filter(policy=before["name"]).update(policy=row.name, version=F("version") + 1)
        verb = "policy.add" if before is None else "policy.change"
        audit.record(principal=principal, verb=verb, subject=row, outcome="done", before=before, after=document(row))
    return row


def _check(row: MigrationPolicy) -> None:
    if row.parallel > 1 and (row.may_post_copy or row.compression):
        other = "post-copy" if row.may_post_copy else f"{row.compression} compression"
        raise Refused(
            f"Parallel connections and {other} do not go together.",
            code="options_conflict",
            field="parallel",
            remedy="Leave one of the two out.",
        )
    try:
        row.full_clean()
    except ValidationError as error:
        field, texts = next(iter(error.message_dict.items()))
        raise Refused(" ".join(texts), code="invalid", field="" if field == "__all__" else field) from error
