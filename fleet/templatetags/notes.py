"""What a message of `views.doors.saying` carries besides its text."""

from __future__ import annotations

from django import template
from django.contrib.messages.storage.base import Message

register = template.Library()


@register.simple_tag
def told(message: Message) -> dict[str, str]:
    """The remedy, and the address of the thing in the way; both may be empty."""
    remedy, _, url = (message.extra_tags or "").partition("|")
    return {"remedy": remedy, "url": url if url.startswith("/") else ""}
