"""Pure: what a policy's terms promise and allow, as sentences for people."""

from __future__ import annotations

from migrations_app.terms import Encryption, Terms


def sentence(terms: Terms) -> str:
    """All of it in one go: "At most 300 ms of pause; slows the guest down if need be, ..."."""
    parts = [f"At most {_time(terms.max_pause_ms)} of pause"]
    if terms.max_duration_s:
        parts.append(f"given up after {_seconds(terms.max_duration_s)}")
    parts.append(_means(terms))
    parts += _travel(terms)
    return "; ".join(parts) + "."


def _means(terms: Terms) -> str:
    means = []
    if terms.may_throttle:
        means.append("slows the guest's CPUs down")
    if terms.may_pause:
        means.append("stops it for the rest")
    if terms.may_post_copy:
        means.append("lets it run at the destination before all its memory is there")
    if not means:
        return "a guest that writes too fast is left alone and stays where it is"
    return f"if it writes too fast, Drover {_listed(means)}"


def _travel(terms: Terms) -> list[str]:
    parts = []
    if terms.encryption is not Encryption.OFF:
        parts.append("encrypted" if terms.encryption is Encryption.REQUIRED else "encrypted where both hosts can")
    if terms.bandwidth_mib_s:
        parts.append(f"at most {terms.bandwidth_mib_s} MiB/s")
    if terms.bandwidth_share_percent < 100:
        parts.append(f"at most {terms.bandwidth_share_percent} % of the link")
    if terms.parallel > 1:
        parts.append(f"{terms.parallel} connections side by side")
    if terms.compression:
        parts.append(f"compressed ({terms.compression})")
    return parts


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _time(milliseconds: int) -> str:
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:g} s"


def _seconds(seconds: int) -> str:
    return f"{seconds} s" if seconds % 60 else f"{seconds // 60} min"
