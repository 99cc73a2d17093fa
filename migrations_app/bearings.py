"""Pure: how a running migration stands against its promise: the numbers that `convergence` decides by.

The pause is a promise. QEMU stops the guest as soon as it believes that the rest fits into the downtime limit, so the
limit must leave room for the hand-over itself (device state, libvirt's finish, the network's learning). QEMU counts
bytes as sent when the kernel has taken them: at full speed the sockets' queues come on top of the limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from migrations_app.course import Passes
from migrations_app.options import MAX_DOWNTIME_MS
from migrations_app.terms import Terms

#: The downtime limit at the start.
FIRST_LIMIT_MS = 30
#: Below this QEMU can hardly stop a guest at all.
LEAST_LIMIT_MS = 10
#: Passes that did not shrink before anything is done about it.
PATIENCE_PASSES = 2
#: libvirt needs this long to end a migration that is given up; the deadline includes it.
ABORT_S = 3.0
#: A limit is raised only as far as it can stand for so long before it has to be lowered for the deadline.
STANDS_FOR_S = 1.0
#: A throttled guest runs 10 ms and then sleeps (QEMU's CPU_THROTTLE_TIMESLICE); QEMU throttles up to 99 %.
SLICE_MS = 10
MOST_THROTTLE_PERCENT = 99
#: What is sent is a little more than what was counted.
MARGIN = 1.15
#: What the kernel takes in before it reaches the link (Linux' 4 MiB sockets, about three quarters of it measured).
QUEUE_BYTES = 3 << 20
#: Until then an average says nothing about a new speed.
SETTLING_MS = 1500
#: A limit on the speed that the copy comes this near to is what holds it back, not the link.
BINDING = 0.8
#: Words for what leaves nothing to decide.
IN_POST_COPY = "it is in post-copy"
PAUSED = "the guest is paused until the rest is there"
MIB = 1 << 20
#: From here on a pause is told in seconds.
_LONG_MS = 10_000


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


def budget_ms(terms: Terms, abilities: Abilities, *, link_bytes_s: float = 0) -> int:
    """The highest downtime limit that keeps the promise; `link_bytes_s` where the link itself holds the copy back."""
    promised = terms.max_pause_ms or MAX_DOWNTIME_MS
    return max(math.floor(promised - _overhead_ms(abilities, link_bytes_s)), min(promised, LEAST_LIMIT_MS))


def _overhead_ms(abilities: Abilities, link_bytes_s: float) -> float:
    """What a pause takes besides sending the rest."""
    return abilities.hand_over_ms + max(queue_ms(link_bytes_s), abilities.burst_ms)


def queue_ms(link_bytes_s: float) -> float:
    """How long the link needs for what the kernel has taken in already; 0.0 where it is paced."""
    return QUEUE_BYTES * 1000 / link_bytes_s if link_bytes_s else 0.0


def most_throttle_percent(terms: Terms) -> int:
    """Throttled further, the guest would sleep longer at a time than the promise allows."""
    promised = terms.max_pause_ms or MAX_DOWNTIME_MS
    return min(100 * promised // (promised + SLICE_MS), MOST_THROTTLE_PERCENT)


def first_limit_ms(terms: Terms, abilities: Abilities) -> int:
    """The downtime limit to begin with."""
    return min(FIRST_LIMIT_MS, budget_ms(terms, abilities))


class Bearings:
    """What the rules share, at one look."""

    def __init__(
        self, passes: Passes, terms: Terms, abilities: Abilities, standing: Standing, elapsed_s: float
    ) -> None:
        self.passes, self.terms, self.abilities, self.standing = passes, terms, abilities, standing
        cap = standing.bandwidth_mib_s * MIB
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
        least_ms = queue_ms(self.link_bytes_s) + self.abilities.hand_over_ms + LEAST_LIMIT_MS
        return least_ms > (self.terms.max_pause_ms or math.inf)

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
        writes, link = told_mib_s(self.writes_bytes_s), told_mib_s(self.passes.rate_bytes_s)
        return f"The guest writes {writes}, the copy carries {link}; stopping it now would take {self.needed()}."

    def needed(self) -> str:
        """The pause it would need now."""
        needed = self.passes.needed_ms
        if not math.isfinite(needed):
            return "an unknown time"
        return f"{needed:.0f} ms" if needed < _LONG_MS else f"{needed / 1000:.0f} s"


def limit_now_ms(passes: Passes, terms: Terms, abilities: Abilities, standing: Standing) -> int:
    """The highest downtime limit that keeps the promise as it stands."""
    return Bearings(passes, terms, abilities, standing, 0.0).budget_ms


def told_mib_s(bytes_s: float) -> str:
    """For people."""
    return f"{bytes_s / MIB:.0f} MiB/s"
