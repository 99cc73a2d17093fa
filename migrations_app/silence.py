"""Pure: echoes sent and answered -> how long a guest was silent, and how often it is worth asking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Around the switch-over; the result is as fine as this.
FAST_S = 0.01
#: Long before it: enough to know that the guest answers at all.
SLOW_S = 0.2
#: Memory that goes over in less than this may be handed over at any moment.
NEAR_S = 5.0
#: An answer later than this means that the question waited for the guest.
PROMPT_S = 0.02


@dataclass(frozen=True, slots=True)
class Echo:
    """One question: seconds of one clock at which it was sent, and answered (None: never)."""

    sent_s: float
    answered_s: float | None


def outage_ms(echoes: Sequence[Echo]) -> int | None:
    """The longest time in which no question was answered promptly; None when nothing was answered before and after.

    Only questions count, not the gaps between answers: a worker that was held up itself sends none, and no silence of
    the guest is made of that.
    """
    answered = [at for at, echo in enumerate(echoes) if echo.answered_s is not None]
    if len(answered) < 2:
        return None
    longest = began = 0.0
    silent = False
    for echo, following in zip(
        echoes[answered[0] : answered[-1] + 1], [*echoes[answered[0] + 1 :], None], strict=False
    ):
        late_s = None if echo.answered_s is None else echo.answered_s - echo.sent_s
        if late_s is not None and late_s <= PROMPT_S:
            silent = False
            continue
        if not silent:
            began, silent = echo.sent_s, True
        ended = echo.answered_s if echo.answered_s is not None else following.sent_s if following else echo.sent_s
        longest = max(longest, ended - began)
    return round(longest * 1000)


def pace_s(stage: str, progress: Mapping[str, Any]) -> float:
    """How long to wait before the next echo: fast while memory is copied and its end is near or not known."""
    if stage not in {"memory", "switch-over", "verify"}:
        return SLOW_S
    memory = progress.get("memory") or {}
    remaining, rate = memory.get("remaining"), progress.get("rate_bytes_s")
    if stage == "memory" and remaining and rate and remaining / rate > NEAR_S:
        return SLOW_S
    return FAST_S
