"""Numbers as people read them: bytes, MiB, rates, durations, moments. `static/js/format.js` writes the same words."""

from __future__ import annotations

from datetime import datetime
from math import ceil, floor
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

#: Shown where nothing is known yet; never a made-up zero.
NOTHING = "–"  # noqa: RUF001 - a real dash
#: A guest that writes nearly as fast as the link carries will not get there by itself.
CLOSE = 0.95
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@register.filter
def bytesize(value: Any) -> str:
    """Bytes in the largest fitting binary unit: 1536 -> "1.5 KiB"."""
    if value in (None, ""):
        return NOTHING
    size, unit = float(value), 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{_short(size)} {UNITS[unit]}"


@register.filter
def mib(value: Any) -> str:
    """MiB in the largest fitting unit: 2048 -> "2 GiB"."""
    return NOTHING if value in (None, "") else bytesize(float(value) * 1024 * 1024)


@register.filter
def rate(value: Any) -> str:
    """Bytes per second."""
    return NOTHING if value in (None, "") else f"{bytesize(value)}/s"


@register.filter
def millis(value: Any) -> str:
    """Milliseconds: 82 -> "82 ms", 1400 -> "1.4 s", 125000 -> "2 min 5 s"."""
    if value in (None, ""):
        return NOTHING
    number = float(value)
    return f"{round(number)} ms" if number < 1000 else seconds(number / 1000)


@register.filter
def seconds(value: Any) -> str:
    """Seconds: 1.4 -> "1.4 s", 125 -> "2 min 5 s", 7300 -> "2 h 1 min"."""
    if value in (None, ""):
        return NOTHING
    number = float(value)
    if number < 10:
        return f"{_short(number)} s"
    whole = round(number)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@register.filter
def percent(value: Any) -> str:
    """A number from 0 to 100: "63 %"."""
    return NOTHING if value in (None, "") else f"{round(float(value))} %"


@register.filter
def part(value: Any) -> str:
    """A part of one: 0.63 -> "63 %"."""
    return NOTHING if value in (None, "") else f"{round(100 * float(value))} %"


@register.filter
def signed_part(value: Any) -> str:
    """A part of one with its direction: -0.2 -> "-20 %", 0.1 -> "+10 %"."""
    return NOTHING if value in (None, "") else f"{round(100 * float(value)):+d} %"


@register.filter
def guests(value: Any) -> str:
    """A number of guests: "1 guest", "4 guests"."""
    return NOTHING if value in (None, "") else f"{value} guest{'' if value == 1 else 's'}"


@register.filter
def share(part: Any, whole: Any) -> float | None:
    """What percentage of `whole` the part is; None when either is not known."""
    return min(100.0, 100 * float(part) / float(whole)) if whole and part is not None else None


@register.filter
def done_share(part: Any) -> float:
    """How much of a part {total, done} is done, in percent; 0 for a part that does not exist."""
    return (share(part.get("done"), part.get("total")) or 0.0) if part else 0.0


@register.filter
def range_s(progress: Any) -> str:
    """The time left as an honest range: "20 to 35 s", "2 to 5 min"; a dash when it cannot be told."""
    if not progress or progress.get("eta_s_low") is None:
        return NOTHING
    low, high = progress["eta_s_low"], progress.get("eta_s_high")
    if high is None:
        return f"at least {seconds(low)}"
    size, unit = next(
        (size, unit) for size, unit in ((1, "s"), (60, "min"), (3600, "h")) if unit == "h" or high < 90 * size
    )
    least, most = floor(low / size), ceil(high / size)
    return f"about {most} {unit}" if least == most else f"{least} to {most} {unit}"


@register.filter
def struggle(progress: Any) -> str:
    """Why a copy does not come to its end: the guest writes as fast as the link carries. Empty while it converges."""
    progress = progress or {}
    carried, written = progress.get("rate_bytes_s") or 0, progress.get("dirty_rate_bytes_s") or 0
    if (progress.get("iteration") or 0) < 2 or not carried or written < CLOSE * carried:
        return ""
    slowed = progress.get("throttle_percent")
    more = f"Its CPUs are slowed down by {slowed} % so that it can." if slowed else "It may never finish like this."
    how = "Hardly" if written < carried else "Not"
    return f"{how} converging: the guest writes {rate(written)}, the link carries {rate(carried)}. {more}"


@register.simple_tag
def when(moment: datetime | None) -> SafeString | str:
    """A moment as "3 min ago" with the exact UTC time on hover; the page's clock keeps it true."""
    if moment is None:
        return "never"
    utc = moment.astimezone(timezone.get_default_timezone())
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        utc.isoformat(),
        f"{utc:%Y-%m-%d %H:%M:%S} UTC",
        ago(moment),
    )


def ago(moment: datetime) -> str:
    """How long ago in one unit: "just now", "42 s ago", "3 min ago", "2 h ago", "5 days ago"."""
    passed = max(0, int((timezone.now() - moment).total_seconds()))
    for size, word in ((86_400, "days"), (3600, "h"), (60, "min"), (5, "s")):
        if passed >= size:
            count = passed if word == "s" else passed // size
            return f"{count} {'day' if word == 'days' and count == 1 else word} ago"
    return "just now"


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0") if number < 10 else f"{number:.0f}"
