"""Small marks that every page repeats: icons, state badges, bars and live fields."""

from __future__ import annotations

from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from fleet.templatetags import units

register = template.Library()

#: State words as people say them; the others are said as they are stored.
WORDS = {"shutoff": "shut off", "powered_off": "powered off", "block": "blocked", "warn": "warning"}


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon of the sprite; it decorates a word beside it, so readers skip it."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>', static("vendor/tabler-icons/sprite.svg"), name
    )


@register.filter
def state_word(state: Any) -> str:
    """A state as a word for people."""
    return WORDS.get(str(state), str(state))


@register.simple_tag
def badge(state: Any, field: str = "") -> SafeString:
    """A state with its word and its dot; `field` names the document's field that keeps it live."""
    return format_html(
        '<span class="state" data-state="{}"{}>{}</span>',
        str(state),
        format_html(' data-field="{}" data-as="state"', field) if field else "",
        state_word(state),
    )


@register.inclusion_tag("_bar.html")
def bar(label: str, value: Any, field: str = "", text: str = "", tone: str = "") -> dict[str, Any]:
    """A bar from 0 to 100; None is "working, but how far is not known". `field` keeps it live."""
    number = None if value in (None, "") else max(0.0, min(100.0, float(value)))
    said = text or (units.percent(number) if number is not None else "working, how far is not known")
    return {"label": label, "value": number, "field": field, "text": said, "tone": tone}


@register.simple_tag
def field(path: str, value: Any, shown_as: str = "text") -> SafeString:
    """A value that live messages replace: `path` in the document, `shown_as` one of the words of format.js."""
    write = getattr(units, shown_as, None)
    shown = write(value) if write else (units.NOTHING if value in (None, "") else value)
    return format_html('<span data-field="{}" data-as="{}">{}</span>', path, shown_as, shown)


@register.filter
def shown_percent(job: Any) -> float | None:
    """A job's percentage as shown: never 100 before it has succeeded, None while nothing is known."""
    if job.state == "succeeded":
        return 100.0
    number = job.progress.get("percent")
    return None if number is None else min(99.0, float(number))
