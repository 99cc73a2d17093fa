"""Pure: the passes of a pre-copy, from what is left now to the switch-over, as QEMU makes them.

QEMU sends what is dirty until no more is left than the allowed pause can carry, then asks which pages were written
meanwhile: those are the next pass, or, when they are few, the switch-over (qemu: migration/ram.c, migration.c).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: QEMU sends for about this long before it looks at what is left again.
CHUNK_S = 0.05
#: A guest that leaves this part of a pass to the next one gets nowhere.
STANDSTILL = 0.97
#: A curve whose last stretch rises by less than this part has come to its end.
FLAT = 0.25
#: A sampled page stands for so much (QEMU takes 512 per GiB); so many standard deviations are no contradiction.
SAMPLED_BYTES, DOUBT = 2 << 20, 2.0
#: Passes after which nobody believes in an end any more.
MOST_PASSES = 30
#: QEMU's auto-converge: the first step, the next ones, and the most, in percent of the CPUs' time.
THROTTLE_FIRST, THROTTLE_STEP, THROTTLE_MOST = 20, 10, 99
#: It judges at most once in so many seconds, and slows down when so much of what was sent was written again, twice.
THROTTLE_LOOK_S, THROTTLE_TRIGGER, HIGHS = 1.0, 0.5, 2


@dataclass(frozen=True, slots=True)
class Writing:
    """How much memory a guest writes anew within a stretch of time, each page counted once.

    Points of (seconds, bytes), rising: a guest that writes one small set again and again has a curve that flattens.
    """

    points: tuple[tuple[float, float], ...] = ()
    #: The guest's whole memory: no more can ever be written.
    most_bytes: float = math.inf

    def within(self, seconds: float) -> float:
        """Bytes; between the points along a line, beyond them on with the last slope, and never more than there are."""
        return min(self._along(seconds), self.most_bytes)

    def _along(self, seconds: float) -> float:
        if not self.points or seconds <= 0:
            return 0.0
        before = (0.0, 0.0)
        slope = 0.0
        for point in self.points:
            slope = (point[1] - before[1]) / (point[0] - before[0])
            if seconds <= point[0]:
                return before[1] + slope * (seconds - before[0])
            before = point
        return before[1] + slope * (seconds - before[0])

    @property
    def plateau_bytes(self) -> float:
        """Where the curve ends: the set that is written again and again; endless where it still rises."""
        if len(self.points) < 2 or self.points[-1][1] - self.points[-2][1] > FLAT * self.points[-1][1]:
            return math.inf
        # A guest that wrote nothing while it was measured has shown no set.
        return self.points[-1][1] or math.inf


def writing(
    measured: Iterable[tuple[float, float]], seen: Sequence[tuple[float, float]] = (), *, most_bytes: float = math.inf
) -> Writing:
    """The curve through what was `measured` before and what is `seen` now; a later point takes a near one's place.

    What was measured and cannot be true any more (more than is seen to be written in a longer time) is left out.
    """
    points = [(at, size) for at, size in measured if not any(at <= longer and size > more for longer, more in seen)]
    return _curve((*points, *seen), most_bytes)


def believed(
    measured: tuple[tuple[float, float], ...], seen: tuple[tuple[float, float], ...]
) -> tuple[tuple[float, float], ...]:
    """What was `seen` in an earlier move, unless what was `measured` since says that the guest writes otherwise by now.

    A move counts every page; a measurement samples some, and is as uncertain as the few of them that were written.
    """
    earlier = writing(seen)
    for seconds, size in measured:
        expected = earlier.within(seconds)
        if abs(size - expected) > DOUBT * math.sqrt(SAMPLED_BYTES * max(size, expected, SAMPLED_BYTES)):
            return measured
    return seen or measured


def _curve(points: Iterable[tuple[float, float]], most_bytes: float) -> Writing:
    kept: dict[float, float] = {}
    for seconds, size in points:
        if seconds <= 0:
            continue
        for known in [one for one in kept if 0.5 < one / seconds < 2]:
            del kept[known]
        kept[seconds] = size
    rising: list[tuple[float, float]] = []
    for seconds, size in sorted(kept.items()):
        # A guest cannot have written less in a longer time, nor the more for each second.
        least = rising[-1][1] if rising else 0.0
        most = rising[-1][1] * seconds / rising[-1][0] if rising else size
        rising.append((seconds, min(max(size, least), max(most, least))))
    return Writing(tuple(rising), most_bytes)


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """What carries the guest: bytes a second while it runs, and in the pause, when QEMU lifts the limit."""

    bytes_s: float
    unlimited_bytes_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Copying:
    """What is to come: seconds until the guest is stopped, bytes sent until then, and bytes left for the pause."""

    seconds: float
    sent_bytes: float
    left_bytes: float
    passes: int
    #: False: it would go on for ever; then `left_bytes` is where it stands still.
    converges: bool
    throttle_percent: int = 0


def copy(
    *,
    left_bytes: float,
    link: Link,
    writes: Writing,
    max_pause_s: float,
    since_sync_s: float = 0.0,
    first_pass: bool = True,
    may_throttle: bool = False,
    throttle_percent: int = 0,
) -> Copying:
    """Go through the passes. `since_sync_s` is how long ago QEMU asked for written pages last."""
    enough, plateau = link.bytes_s * max_pause_s, writes.plateau_bytes
    slowing = _Slowing(percent=throttle_percent if may_throttle else 0)
    left, total_s, sent, before, passes = left_bytes, 0.0, 0.0, math.inf, 0
    while passes < MOST_PASSES:
        passes += 1
        pass_s = max(left - enough, 0.0) / link.bytes_s
        fresh = writes.within((pass_s + since_sync_s) * slowing.running)
        total_s, sent, since_sync_s = total_s + pass_s, sent + pass_s * link.bytes_s, 0.0
        # After the first pass only pages of the written set are left; those written again are not left twice.
        rest = min(left, enough) if first_pass else min(left, enough, plateau)
        after = rest + fresh * (1.0 if first_pass else 1 - rest / plateau)
        if fresh <= link.bytes_s * CHUNK_S or after <= enough:
            return Copying(
                seconds=total_s,
                sent_bytes=sent,
                left_bytes=min(after, max(enough, rest)),
                passes=passes,
                converges=True,
                throttle_percent=slowing.percent,
            )
        slower = may_throttle and slowing.look(pass_s, sent=pass_s * link.bytes_s, written=fresh)
        stuck = fresh >= STANDSTILL * before and not slower
        left, before, first_pass = after, fresh, False
        if stuck and (not may_throttle or slowing.spent(fresh, link, pass_s)):
            break
    return Copying(
        seconds=total_s,
        sent_bytes=sent,
        left_bytes=left,
        passes=passes,
        converges=False,
        throttle_percent=slowing.percent,
    )


@dataclass(slots=True)
class _Slowing:
    """QEMU's auto-converge."""

    percent: int = 0
    highs: int = 0
    seconds: float = 0.0
    sent: float = 0.0
    written: float = 0.0

    @property
    def running(self) -> float:
        """The part of the time that the guest's CPUs are left."""
        return 1 - self.percent / 100

    def look(self, seconds: float, *, sent: float, written: float) -> bool:
        """After a pass; True when the guest is slowed down further."""
        self.seconds, self.sent, self.written = self.seconds + seconds, self.sent + sent, self.written + written
        if self.seconds < THROTTLE_LOOK_S:
            return False
        self.highs += self.written > THROTTLE_TRIGGER * self.sent
        self.seconds = self.sent = self.written = 0.0
        if self.highs < HIGHS or self.percent >= THROTTLE_MOST:
            return False
        self.highs = 0
        self.percent = min(self.percent + THROTTLE_STEP, THROTTLE_MOST) if self.percent else THROTTLE_FIRST
        return True

    def spent(self, written: float, link: Link, pass_s: float) -> bool:
        """Whether it will never slow the guest down any more: at its most, or not seeing a reason."""
        return self.percent >= THROTTLE_MOST or written <= THROTTLE_TRIGGER * link.bytes_s * pass_s


def pause_s(left_bytes: float, link: Link, hand_over_s: float) -> float:
    """How long the guest stands still for what is left: QEMU sends it as fast as the link carries."""
    return left_bytes / link.unlimited_bytes_s + hand_over_s
