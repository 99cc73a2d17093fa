"""Pure: what to do next with a running migration so that it ends within its terms, and why, in a sentence with numbers.

The pause is a promise. QEMU stops the guest as soon as it believes that the rest fits into the downtime limit, so the
limit begins low and rises only when the passes over memory stop shrinking, and never above what is left of the promise
when the hand-over itself (device state, libvirt's finish, the network's learning) is taken off. QEMU counts bytes as
sent when the kernel has taken them: at full speed the sockets' queues come on top of the limit, so the copy is paced
below the link for its end, as far below as the guest's writing allows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from migrations_app.course import Passes
from migrations_app.options import MAX_DOWNTIME_MS
from migrations_app.terms import Terms

#: The downtime limit at the start.
FIRST_LIMIT_MS = 30
#: Below this QEMU can hardly stop a guest at all.
LEAST_LIMIT_MS = 10
#: With this it stops practically none.
PROBE_LIMIT_MS = 1
#: Passes that did not shrink before anything is done about it.
PATIENCE_PASSES = 2
#: Further ones, with every limit at its end, before switching to post-copy, and before giving up.
POST_COPY_PASSES = 3
HOPELESS_PASSES = 10
#: ... and at least this long.
HOPELESS_MS = 10_000
#: libvirt needs this long to end a migration that is given up; the deadline includes it.
ABORT_S = 3.0
#: A limit is raised only as far as it can stand for so long before it has to be lowered for the deadline.
STANDS_FOR_S = 1.0
#: A throttled guest runs 10 ms and then sleeps (QEMU's CPU_THROTTLE_TIMESLICE); QEMU throttles up to 99 %.
SLICE_MS = 10
MOST_THROTTLE_PERCENT = 99
#: QEMU's step; it takes the next one after two heavy periods of a second at least, and asks nobody.
THROTTLE_STEP_PERCENT = 10
#: So long a step is given to help, and no longer if the next one would break the promise.
THROTTLE_HELPS_IN_MS = 1500
#: Between the beginning of a pass and the pause that a look at it brings.
UNSEEN_S = 0.3
#: What is sent is a little more than what was counted.
MARGIN = 1.15
#: The copy is paced to this much over the guest's writing, within these shares of the measured bandwidth.
PACE_OVER_WRITES = 1.3
LEAST_PACE, MOST_PACE = 0.6, 0.9
#: From this long before the end of the first pass on.
LANDING_MS = 800
#: What the kernel takes in before it reaches the link (Linux' 4 MiB sockets, about three quarters of it measured).
QUEUE_BYTES = 3 << 20
#: On links that carry the queue in this time nothing is gained by pacing.
SHORT_QUEUE_MS = 50
#: Until then an average says nothing about a new speed.
SETTLING_MS = 1500
#: A limit on the speed that the copy comes this near to is what holds it back, not the link.
BINDING = 0.8
#: What "no limit" is for a setter that knows no zero.
UNLIMITED_MIB_S = 8_796_093
#: Words for what leaves nothing to decide.
IN_POST_COPY = "it is in post-copy"
PAUSED = "the guest is paused until the rest is there"
_MIB = 1 << 20


#: From here on a pause is told in seconds.
_LONG_MS = 10_000


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
class Abilities:
    """What this migration was started with."""

    #: Both hosts can and the disks allow it; whether it is used by itself is for the terms.
    post_copy: bool = False
    throttle: bool = False
    #: What the hand-over takes besides sending the rest, by history.
    hand_over_ms: int = 80
    #: What QEMU's bursts of a tenth of a second add when the copy is paced.
    burst_ms: int = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What is in force now."""

    limit_ms: int
    #: The limit on the copy's speed; 0: none.
    bandwidth_mib_s: int = 0
    #: What the terms and the share of the link allow; 0: no limit.
    allowed_mib_s: int = 0
    throttle_percent: int = 0
    #: When it was slowed down to that, by the migration's clock.
    throttled_at_ms: int = 0
    #: Post-copy has begun, the guest was paused, or it was given up: nothing is left to decide.
    settled: str = ""
    #: What the link carried before the copy was paced; 0: never paced.
    link_bytes_s: int = 0
    #: When the speed was last changed, by the migration's clock: averages lag behind.
    speed_since_ms: int = 0
    #: The link was measured once more, in case what was taken for it was only a slow moment.
    probed: bool = False
    #: Pacing was taken back because the copy did not converge with it.
    full_speed: bool = False


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


def budget_ms(terms: Terms, abilities: Abilities, *, link_bytes_s: float = 0) -> int:
    """The highest downtime limit that keeps the promise; `link_bytes_s` where the link itself holds the copy back."""
    promised = terms.max_pause_ms or MAX_DOWNTIME_MS
    return max(math.floor(promised - _overhead_ms(abilities, link_bytes_s)), min(promised, LEAST_LIMIT_MS))


def _overhead_ms(abilities: Abilities, link_bytes_s: float) -> float:
    """What a pause takes besides sending the rest."""
    return abilities.hand_over_ms + max(_queue_ms(link_bytes_s), abilities.burst_ms)


def _queue_ms(link_bytes_s: float) -> float:
    return QUEUE_BYTES * 1000 / link_bytes_s if link_bytes_s else 0.0


def most_throttle_percent(terms: Terms) -> int:
    """Throttled further, the guest would sleep longer at a time than the promise allows."""
    promised = terms.max_pause_ms or MAX_DOWNTIME_MS
    return min(100 * promised // (promised + SLICE_MS), MOST_THROTTLE_PERCENT)


def first_limit_ms(terms: Terms, abilities: Abilities) -> int:
    """The downtime limit to begin with."""
    return min(FIRST_LIMIT_MS, budget_ms(terms, abilities))


def limit_now_ms(passes: Passes, terms: Terms, abilities: Abilities, standing: Standing) -> int:
    """The highest downtime limit that keeps the promise as it stands."""
    return _Outlook(passes, terms, abilities, standing, 0.0).budget_ms


def decide(passes: Passes, terms: Terms, abilities: Abilities, standing: Standing, *, elapsed_s: float) -> Decision:
    """The next step; `elapsed_s` counts from the start of the whole move, disks included."""
    if standing.settled:
        return Decision(action=Action.WAIT, reason=f"Nothing is left to decide: {standing.settled}.")
    outlook = _Outlook(passes, terms, abilities, standing, elapsed_s)
    for rule in _RULES:
        if (decision := rule(outlook)) is not None:
            return decision
    return Decision(action=Action.WAIT, reason=outlook.words())


class _Outlook:
    """The numbers that the rules share."""

    def __init__(
        self, passes: Passes, terms: Terms, abilities: Abilities, standing: Standing, elapsed_s: float
    ) -> None:
        self.passes, self.terms, self.abilities, self.standing = passes, terms, abilities, standing
        cap = standing.bandwidth_mib_s * _MIB
        #: Whether a limit on its speed, not the link, is what holds the copy back.
        elapsed_ms = passes.last.elapsed_ms if passes.last else 0
        self.settling = bool(standing.speed_since_ms) and elapsed_ms - standing.speed_since_ms < SETTLING_MS
        slow = bool(passes.rate_bytes_s) and passes.rate_bytes_s < BINDING * cap and not self.settling
        self.paced = bool(cap) and not slow
        self.link_bytes_s = max(float(standing.link_bytes_s), passes.rate_bytes_s) if not slow else passes.rate_bytes_s
        holds_back = 0.0 if self.paced else self.link_bytes_s
        self.overhead_ms = _overhead_ms(abilities, holds_back)
        self.left_s = terms.max_duration_s - elapsed_s if terms.max_duration_s else math.inf
        #: The limits whose pauses end before the deadline: if they begin now, and if they begin at the last moment.
        self.in_time_ms = 1000 * self.left_s - self.overhead_ms
        self.always_in_time_ms = max(math.floor(1000 * ABORT_S - self.overhead_ms), LEAST_LIMIT_MS)
        in_time_ms = max(self.in_time_ms - 1000 * STANDS_FOR_S, self.always_in_time_ms)
        self.budget_ms = math.floor(min(budget_ms(terms, abilities, link_bytes_s=holds_back), in_time_ms))
        self.elapsed_s = elapsed_s
        self.in_first_pass = not passes.recent_bytes
        sample = passes.last
        self.left_bytes = sample.memory_remaining_bytes if sample else 0
        self.writes_bytes_s = sample.dirty_rate_bytes_s if sample else 0
        #: Sending what is left now, if the guest wrote nothing more.
        self.rest_ms = passes.time_ms(self.left_bytes) if sample and sample.memory_total_bytes else math.inf
        self.at_end = standing.limit_ms >= self.budget_ms or self.probing

    @property
    def hurried(self) -> bool:
        """Whether the last means must be taken now to end in time."""
        return self.left_s <= ABORT_S + self.rest_ms / 1000 * MARGIN + 1.0

    @property
    def probing(self) -> bool:
        """Whether the link is being measured anew: its queues are full, and a pause now would break the promise."""
        return not self.paced and self.standing.probed and not self.standing.link_bytes_s and self.floods

    @property
    def floods(self) -> bool:
        """Whether full queues alone would break the promise."""
        queue_ms = _queue_ms(self.link_bytes_s) + self.abilities.hand_over_ms + LEAST_LIMIT_MS
        return queue_ms > (self.terms.max_pause_ms or math.inf)

    @property
    def stuck(self) -> bool:
        """Whether the passes have stopped shrinking, or there is no time to wait and see."""
        return not self.in_first_pass and (self.passes.stuck >= PATIENCE_PASSES or self.hurried)

    def words(self) -> str:
        """How it stands."""
        if self.passes.copies_disks:
            return "The disks are being copied."
        if self.in_first_pass:
            return "The first pass over memory is under way."
        writes, link = _mib_s(self.writes_bytes_s), _mib_s(self.passes.rate_bytes_s)
        return f"The guest writes {writes}, the copy carries {link}; stopping it now would take {self.needed()}."

    def needed(self) -> str:
        """The pause it would need now."""
        needed = self.passes.needed_ms
        if not math.isfinite(needed):
            return "an unknown time"
        return f"{needed:.0f} ms" if needed < _LONG_MS else f"{needed / 1000:.0f} s"


def _end_in_time(now: _Outlook) -> Decision | None:
    """The deadline comes before everything; what is given up leaves the guest as it was."""
    if now.left_s > ABORT_S:
        return None
    text = f"Not done within {now.terms.max_duration_s} s. {now.words()} It is given up in time."
    return Decision(action=Action.GIVE_UP, reason=text)


def _lower_downtime(now: _Outlook) -> Decision | None:
    """The pause that is allowed would end after the deadline: from here on only one that cannot."""
    if now.standing.limit_ms <= max(now.in_time_ms, now.always_in_time_ms):
        return None
    limit = now.always_in_time_ms
    text = f"{now.left_s:.0f} s are left, so that no more than {limit} ms are allowed until it is given up."
    return Decision(action=Action.LOWER_DOWNTIME, value=limit, reason=text)


def _too_slow(now: _Outlook) -> Decision | None:
    """QEMU throttles on by itself; a guest that sleeps longer at a time than was promised is harmed."""
    percent = now.passes.last.auto_converge_throttle if now.passes.last else 0
    most = most_throttle_percent(now.terms)
    if percent <= most or (now.terms.may_post_copy and now.abilities.post_copy):
        return None
    text = f"{now.words()} Slowed down by {percent} % it sleeps longer at a time than {now.terms.max_pause_ms} ms"
    return Decision(action=Action.GIVE_UP, reason=f"{text}, so it is given up.")


def _disks_in_time(now: _Outlook) -> Decision | None:
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


def _pace(now: _Outlook) -> Decision | None:
    """Towards the end of the first pass, begin to leave the sockets' queues empty."""
    standing, link = now.standing, now.link_bytes_s
    landing_ms = max(LANDING_MS, 3 * _queue_ms(link))
    too_early = now.in_first_pass and (now.rest_ms > landing_ms or not now.passes.averaged)
    if too_early or now.settling or standing.full_speed or now.hurried or _queue_ms(link) <= SHORT_QUEUE_MS:
        return None
    if now.paced and not standing.link_bytes_s:
        return None  # what was asked for is below what the link carries: nothing queues
    most = math.floor(MOST_PACE * link / _MIB)
    wanted = min(max(math.floor(max(now.writes_bytes_s * PACE_OVER_WRITES, LEAST_PACE * link) / _MIB), 1), most)
    if wanted < 1 or (now.paced and wanted < 1.2 * standing.bandwidth_mib_s):
        return None
    text = f"The link carries {_mib_s(link)}; {wanted} MiB/s from now on keep its queues empty and the pause short."
    return Decision(action=Action.PACE, value=wanted, link_bytes_s=round(link), reason=text)


def _raise_downtime(now: _Outlook) -> Decision | None:
    """The passes stopped shrinking: allow the pause they need, as far as the promise goes."""
    if not now.stuck or now.at_end:
        return None
    needed = now.passes.needed_ms * MARGIN
    wanted = max(needed, now.standing.limit_ms * 1.3) if needed <= now.budget_ms and not now.hurried else math.inf
    limit = math.ceil(min(wanted, now.budget_ms))
    text = f"The passes stopped shrinking at {now.needed()} of pause, so up to {limit} ms are allowed now"
    return Decision(action=Action.RAISE_DOWNTIME, value=limit, reason=f"{text} ({now.terms.max_pause_ms} ms promised).")


def _raise_bandwidth(now: _Outlook) -> Decision | None:
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


def _probe(now: _Outlook, full: int) -> Decision | None:
    """Full speed would break the promise on a link this slow; see once whether it is."""
    if now.standing.probed or not now.standing.link_bytes_s:
        return None
    text = f"The passes do not shrink at {now.standing.bandwidth_mib_s} MiB/s: the link is measured once more"
    # Not even the least limit: the queues that fill meanwhile would come on top of it.
    reason = f"{text}, with {PROBE_LIMIT_MS} ms of pause allowed meanwhile."
    return Decision(action=Action.RAISE_BANDWIDTH, value=full, limit_ms=PROBE_LIMIT_MS, probes=True, reason=reason)


def _pause(now: _Outlook) -> Decision | None:
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


def _post_copy(now: _Outlook) -> Decision | None:
    """Never without permission, never while disks are copied."""
    allowed = now.terms.may_post_copy and now.abilities.post_copy
    if not allowed or now.in_first_pass or not (now.passes.stuck >= POST_COPY_PASSES or now.hurried):
        return None
    text = f"{now.words()} More than the {now.budget_ms} ms allowed, so the guest goes on at the destination"
    return Decision(action=Action.POST_COPY, reason=f"{text} and fetches the rest (post-copy).")


def _throttle(now: _Outlook) -> Decision | None:
    """QEMU slows the guest down step by step; wait for it while that still helps."""
    percent = now.passes.last.auto_converge_throttle if now.passes.last else 0
    if not now.abilities.throttle or percent <= now.standing.throttle_percent:
        return None
    text = f"{now.words()} Its CPUs are slowed down by {percent} % so that the copy can finish."
    return Decision(action=Action.THROTTLE, value=percent, reason=text)


def _no_step_left(now: _Outlook) -> Decision | None:
    """QEMU is about to slow the guest down further than was promised, and nothing but the end keeps it from that."""
    passes, last, percent = now.passes, now.passes.last, now.standing.throttle_percent
    most = most_throttle_percent(now.terms)
    if last is None or not percent or min(percent + THROTTLE_STEP_PERCENT, MOST_THROTTLE_PERCENT) <= most:
        return None
    if last.elapsed_ms - now.standing.throttled_at_ms < THROTTLE_HELPS_IN_MS or not passes.stuck:
        return None
    text = f"{now.words()} Slowed down by {percent} % already, it would next sleep longer at a time than"
    return Decision(action=Action.GIVE_UP, reason=f"{text} {now.terms.max_pause_ms} ms: it is given up.")


def _give_up(now: _Outlook) -> Decision | None:
    """Every allowed means was taken and the passes do not shrink."""
    passes, last = now.passes, now.passes.last
    if last is None or not now.at_end or passes.hopeless < HOPELESS_PASSES:
        return None
    if last.elapsed_ms - passes.hope_ms < HOPELESS_MS:
        return None
    text = f"{now.words()} {now.budget_ms} ms are allowed, {passes.stuck} passes brought it no nearer: it is given up."
    return Decision(action=Action.GIVE_UP, reason=text)


#: In this order; the first that has something to say decides.
_RULES: tuple[Callable[[_Outlook], Decision | None], ...] = (
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


def _mib_s(bytes_s: float) -> str:
    return f"{bytes_s / _MIB:.0f} MiB/s"
