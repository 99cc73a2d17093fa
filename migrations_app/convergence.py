"""Pure: what to do next with a running migration so that it ends within its terms, and why, in a sentence with numbers.

The downtime limit begins low and rises only when the passes over memory stop shrinking, and never above what keeps the
promise (`bearings`). For its end the copy is paced below the link, as far below as the guest's writing allows, so that
no queue makes the pause longer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from migrations_app.bearings import (
    ABORT_S,
    MARGIN,
    MIB,
    MOST_THROTTLE_PERCENT,
    Abilities,
    Bearings,
    Standing,
    budget_ms,
    most_throttle_percent,
    queue_ms,
    told_mib_s,
)
from migrations_app.course import Passes
from migrations_app.terms import Terms

#: With this it stops practically none.
PROBE_LIMIT_MS = 1
#: Passes that did not shrink, with every limit at its end, before switching to post-copy, and before giving up.
POST_COPY_PASSES = 3
HOPELESS_PASSES = 10
#: ... and at least this long.
HOPELESS_MS = 10_000
#: QEMU's step; it takes the next one after two heavy periods of a second at least, and asks nobody.
THROTTLE_STEP_PERCENT = 10
#: So long a step is given to help, and no longer if the next one would break the promise.
THROTTLE_HELPS_IN_MS = 1500
#: Between the beginning of a pass and the pause that a look at it brings.
UNSEEN_S = 0.3
#: The copy is paced to this much over the guest's writing, within these shares of the measured bandwidth.
PACE_OVER_WRITES = 1.3
LEAST_PACE, MOST_PACE = 0.6, 0.9
#: From this long before the end of the first pass on.
LANDING_MS = 800
#: On links that carry the queue in this time nothing is gained by pacing.
SHORT_QUEUE_MS = 50
#: What "no limit" is for a setter that knows no zero.
UNLIMITED_MIB_S = 8_796_093


class Action(StrEnum):
    """What may be done."""

    WAIT = "wait"
    #: `value`: milliseconds.
    RAISE_DOWNTIME = "raise_downtime"
    #: `value`: milliseconds; what was allowed would by now end too late.
    LOWER_DOWNTIME = "lower_downtime"
    #: QEMU does it by itself once it was allowed at the start; `value`: percent it has come to.
    THROTTLE = "throttle"
    #: `value`: MiB/s that leave the sockets' queues empty.
    PACE = "pace"
    #: `value`: MiB/s; 0: without limit.
    RAISE_BANDWIDTH = "raise_bandwidth"
    POST_COPY = "post_copy"
    PAUSE = "pause"
    GIVE_UP = "give_up"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What to do, with which number, and why."""

    action: Action
    reason: str
    value: int = 0
    #: With RAISE_BANDWIDTH: the downtime limit that goes with it, lower because the queues fill again.
    limit_ms: int = 0
    #: With PACE: what the link carried.
    link_bytes_s: int = 0
    #: With RAISE_BANDWIDTH: only for as long as it takes to measure the link anew.
    probes: bool = False


def decide(passes: Passes, terms: Terms, abilities: Abilities, standing: Standing, *, elapsed_s: float) -> Decision:
    """The next step; `elapsed_s` counts from the start of the whole move, disks included."""
    if standing.settled:
        return Decision(action=Action.WAIT, reason=f"Nothing is left to decide: {standing.settled}.")
    outlook = Bearings(passes, terms, abilities, standing, elapsed_s)
    for rule in _RULES:
        if (decision := rule(outlook)) is not None:
            return decision
    return Decision(action=Action.WAIT, reason=outlook.words())


def _end_in_time(now: Bearings) -> Decision | None:
    """The deadline comes before everything; what is given up leaves the guest as it was."""
    if now.left_s > ABORT_S:
        return None
    text = f"Not done within {now.terms.max_duration_s} s. {now.words()} It is given up in time."
    return Decision(action=Action.GIVE_UP, reason=text)


def _lower_downtime(now: Bearings) -> Decision | None:
    """The pause that is allowed would end after the deadline: from here on only one that cannot."""
    if now.standing.limit_ms <= max(now.in_time_ms, now.always_in_time_ms):
        return None
    limit = now.always_in_time_ms
    text = f"{now.left_s:.0f} s are left, so that no more than {limit} ms are allowed until it is given up."
    return Decision(action=Action.LOWER_DOWNTIME, value=limit, reason=text)


def _too_slow(now: Bearings) -> Decision | None:
    """QEMU throttles on by itself; a guest that sleeps longer at a time than was promised is harmed."""
    percent = now.passes.last.auto_converge_throttle if now.passes.last else 0
    most = most_throttle_percent(now.terms)
    if percent <= most or (now.terms.may_post_copy and now.abilities.post_copy):
        return None
    text = f"{now.words()} Slowed down by {percent} % it sleeps longer at a time than {now.terms.max_pause_ms} ms"
    return Decision(action=Action.GIVE_UP, reason=f"{text}, so it is given up.")


def _disks_in_time(now: Bearings) -> Decision | None:
    """The disks have a budget of their own: what the memory will need after them is not theirs to use up."""
    sample = now.passes.last
    if sample is None or not now.passes.copies_disks:
        return None
    rate = sample.disk_rate_bytes_s
    waiting = Decision(action=Action.WAIT, reason=now.words())
    if not rate or math.isinf(now.left_s):
        return waiting
    disks_s = sample.disk_remaining_bytes / rate
    if disks_s <= 2 * (now.left_s - ABORT_S) or now.elapsed_s < now.left_s:
        return waiting
    text = f"The disks alone need {disks_s:.0f} s more and {now.left_s:.0f} s are left, so it is given up."
    return Decision(action=Action.GIVE_UP, reason=text)


def _pace(now: Bearings) -> Decision | None:
    """Towards the end of the first pass, begin to leave the sockets' queues empty."""
    standing, link = now.standing, now.link_bytes_s
    landing_ms = max(LANDING_MS, 3 * queue_ms(link))
    too_early = now.in_first_pass and (now.rest_ms > landing_ms or not now.passes.averaged)
    if too_early or now.settling or standing.full_speed or now.hurried or queue_ms(link) <= SHORT_QUEUE_MS:
        return None
    if now.paced and not standing.link_bytes_s:
        return None  # what was asked for is below what the link carries: nothing queues
    most = math.floor(MOST_PACE * link / MIB)
    wanted = min(max(math.floor(max(now.writes_bytes_s * PACE_OVER_WRITES, LEAST_PACE * link) / MIB), 1), most)
    if wanted < 1 or (now.paced and wanted < 1.2 * standing.bandwidth_mib_s):
        return None
    text = f"The link carries {told_mib_s(link)}; {wanted} MiB/s from now on keep its queues empty and the pause short."
    return Decision(action=Action.PACE, value=wanted, link_bytes_s=round(link), reason=text)


def _raise_downtime(now: Bearings) -> Decision | None:
    """The passes stopped shrinking: allow the pause they need, as far as the promise goes."""
    if not now.stuck or now.at_end:
        return None
    needed = now.passes.needed_ms * MARGIN
    wanted = max(needed, now.standing.limit_ms * 1.3) if needed <= now.budget_ms and not now.hurried else math.inf
    limit = math.ceil(min(wanted, now.budget_ms))
    text = f"The passes stopped shrinking at {now.needed()} of pause, so up to {limit} ms are allowed now"
    return Decision(action=Action.RAISE_DOWNTIME, value=limit, reason=f"{text} ({now.terms.max_pause_ms} ms promised).")


def _raise_bandwidth(now: Bearings) -> Decision | None:
    """Give back what pacing took, before anything is done to the guest."""
    standing = now.standing
    if not now.stuck or not standing.bandwidth_mib_s or standing.full_speed:
        return None
    full = standing.allowed_mib_s
    if full and full <= standing.bandwidth_mib_s:
        return None
    if now.floods:
        return _probe(now, full)
    speed = f"{full} MiB/s" if full else "full speed"
    limit = min(standing.limit_ms, budget_ms(now.terms, now.abilities, link_bytes_s=now.link_bytes_s))
    text = f"At {standing.bandwidth_mib_s} MiB/s the passes do not shrink ({now.needed()} of pause): {speed} again"
    reason = f"{text}, with {limit} ms allowed because the queues fill with it."
    return Decision(action=Action.RAISE_BANDWIDTH, value=full, limit_ms=limit, reason=reason)


def _probe(now: Bearings, full: int) -> Decision | None:
    """Full speed would break the promise on a link this slow; see once whether it is."""
    if now.standing.probed or not now.standing.link_bytes_s:
        return None
    text = f"The passes do not shrink at {now.standing.bandwidth_mib_s} MiB/s: the link is measured once more"
    # Not even the least limit: the queues that fill meanwhile would come on top of it.
    reason = f"{text}, with {PROBE_LIMIT_MS} ms of pause allowed meanwhile."
    return Decision(action=Action.RAISE_BANDWIDTH, value=full, limit_ms=PROBE_LIMIT_MS, probes=True, reason=reason)


def _pause(now: Bearings) -> Decision | None:
    """Stop the guest where it is; the rest then fits into the promise."""
    # Later in a pass nobody knows what the guest has written again since it began.
    if not (now.stuck and now.terms.may_pause and now.passes.fresh) or now.probing:
        return None
    unseen_ms = now.passes.time_ms(now.writes_bytes_s * UNSEEN_S)
    expected = (now.rest_ms + unseen_ms) * MARGIN + now.overhead_ms
    if expected > min(now.terms.max_pause_ms or math.inf, 1000 * now.left_s):
        return None
    text = f"The guest is stopped for the rest: {expected:.0f} ms, {now.terms.max_pause_ms} ms are promised."
    return Decision(action=Action.PAUSE, value=math.ceil(expected), reason=text)


def _post_copy(now: Bearings) -> Decision | None:
    """Never without permission, never while disks are copied."""
    allowed = now.terms.may_post_copy and now.abilities.post_copy
    if not allowed or now.in_first_pass or not (now.passes.stuck >= POST_COPY_PASSES or now.hurried):
        return None
    text = f"{now.words()} More than the {now.budget_ms} ms allowed, so the guest goes on at the destination"
    return Decision(action=Action.POST_COPY, reason=f"{text} and fetches the rest (post-copy).")


def _throttle(now: Bearings) -> Decision | None:
    """QEMU slows the guest down step by step; wait for it while that still helps."""
    percent = now.passes.last.auto_converge_throttle if now.passes.last else 0
    if not now.abilities.throttle or percent <= now.standing.throttle_percent:
        return None
    text = f"{now.words()} Its CPUs are slowed down by {percent} % so that the copy can finish."
    return Decision(action=Action.THROTTLE, value=percent, reason=text)


def _no_step_left(now: Bearings) -> Decision | None:
    """QEMU is about to slow the guest down further than was promised, and nothing but the end keeps it from that."""
    passes, last, percent = now.passes, now.passes.last, now.standing.throttle_percent
    most = most_throttle_percent(now.terms)
    if last is None or not percent or min(percent + THROTTLE_STEP_PERCENT, MOST_THROTTLE_PERCENT) <= most:
        return None
    if last.elapsed_ms - now.standing.throttled_at_ms < THROTTLE_HELPS_IN_MS or not passes.stuck:
        return None
    text = f"{now.words()} Slowed down by {percent} % already, it would next sleep longer at a time than"
    return Decision(action=Action.GIVE_UP, reason=f"{text} {now.terms.max_pause_ms} ms: it is given up.")


def _give_up(now: Bearings) -> Decision | None:
    """Every allowed means was taken and the passes do not shrink."""
    passes, last = now.passes, now.passes.last
    if last is None or not now.at_end or passes.hopeless < HOPELESS_PASSES:
        return None
    if last.elapsed_ms - passes.hope_ms < HOPELESS_MS:
        return None
    text = f"{now.words()} {now.budget_ms} ms are allowed, {passes.stuck} passes brought it no nearer: it is given up."
    return Decision(action=Action.GIVE_UP, reason=text)


#: In this order; the first that has something to say decides.
_RULES: tuple[Callable[[Bearings], Decision | None], ...] = (
    _end_in_time,
    _lower_downtime,
    _too_slow,
    _disks_in_time,
    _pace,
    _raise_downtime,
    _raise_bandwidth,
    _throttle,
    _pause,
    _post_copy,
    _no_step_left,
    _give_up,
)
