"""What the person looking may do: buttons stay visible and say why they are off."""

from __future__ import annotations

from typing import Any

from django import template

from fleet.access.verbs import least_role

register = template.Library()


@register.simple_tag(takes_context=True)
def why_not(context: template.Context, verb: str, site_id: Any = None) -> str:
    """Why the person may not do this here, in words; empty when they may."""
    principal = context["request"].principal
    if principal is None:
        return "Sign in first."
    if principal.allows(verb, site_id):
        return ""
    role = principal.role_at(site_id)
    return f"This needs the {least_role(verb).value} role; you are {role.value if role else 'without a role'} here."


@register.simple_tag(takes_context=True)
def may(context: template.Context, verb: str, site_id: Any = None) -> bool:
    """Whether the person may do this here."""
    return not why_not(context, verb, site_id)
