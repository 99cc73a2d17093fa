"""Pure: a running migration's numbers, look by look, as the passes, rates and expected pause that decisions need."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from fleet.hypervisor.facts import JobSample

#: The average bandwidth is taken over at least this long: libvirt's own figure jumps with every burst.
AVERAGE_OVER_MS = 1000
#: Looks kept for it.
LOOKS_KEPT = 40
#: A pass that ends with less than this share of the least before is progress.
SHRUNK = 0.9


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw."""

    elapsed_ms: int
    #: Bytes of memory sent so far, re-sent pages included.
    sent_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Passes:
    """How the copying of memory went so far; `after` gives the next one."""

    looks: tuple[Look, ...] = ()
    last: JobSample | None = None
    #: Whether the last look was the first at a new pass: nothing it left over has been written again yet.
    fresh: bool = False
    #: The smallest beginning of a pass so far, and the pass it was.
    least_bytes: int = 0
    least_in_pass: int = 0
    #: The smallest beginning of the passes since the last progress: what the guest keeps dirty now.
    recent_bytes: tuple[int, ...] = ()
    #: Passes since the last progress.
    stuck: int = 0
    throttle_percent: int = 0
    #: Passes since the last progress or the last time the guest was slowed down further, and when that was.
    hopeless: int = 0
    hope_ms: int = 0

    def after(self, sample: JobSample) -> Passes:
        """With one more look at it; a look that tells nothing new changes nothing."""
        if not sample.memory_total_bytes:
            return dataclasses.replace(self, last=sample)
        look = Look(sample.elapsed_ms, sample.memory_processed_bytes)
        looks = (*self.looks, look)[-LOOKS_KEPT:] if not self.looks or look != self.looks[-1] else self.looks
        before = self.last.iteration if self.last else 0
        seen = dataclasses.replace(self, looks=looks, last=sample, fresh=False)
        return seen._new_pass(sample) if sample.iteration > max(before, 1) else seen

    def _new_pass(self, sample: JobSample) -> Passes:
        left = sample.memory_remaining_bytes
        slower = sample.auto_converge_throttle > self.throttle_percent
        shrank = not self.least_in_pass or left < self.least_bytes * SHRUNK
        return dataclasses.replace(
            self,
            fresh=True,
            least_bytes=left if shrank else self.least_bytes,
            least_in_pass=sample.iteration if shrank else self.least_in_pass,
            recent_bytes=(left,) if shrank else (*self.recent_bytes, left)[-4:],
            stuck=0 if shrank else self.stuck + 1,
            hopeless=0 if shrank or slower else self.hopeless + 1,
            hope_ms=sample.elapsed_ms if shrank or slower else self.hope_ms,
            throttle_percent=sample.auto_converge_throttle,
        )

    @property
    def begun(self) -> bool:
        """Whether bytes are on their way."""
        return bool(self.last and (self.last.iteration or self.last.disk_total_bytes))

    @property
    def copies_disks(self) -> bool:
        """Whether disks are still being mirrored for the first time."""
        sample = self.last
        return bool(sample and sample.disk_remaining_bytes and not sample.iteration)

    @property
    def rate_bytes_s(self) -> float:
        """The average speed of the copy over the last second or more; libvirt's own figure before that is known."""
        newest = self.looks[-1] if self.looks else None
        if newest is None:
            return 0.0
        for look in reversed(self.looks[:-1]):
            if newest.elapsed_ms - look.elapsed_ms >= AVERAGE_OVER_MS and newest.sent_bytes > look.sent_bytes:
                return (newest.sent_bytes - look.sent_bytes) * 1000 / (newest.elapsed_ms - look.elapsed_ms)
        return float(self.last.memory_rate_bytes_s) if self.last else 0.0

    @property
    def averaged(self) -> bool:
        """Whether the looks span enough time for an average."""
        return bool(self.looks) and self.looks[-1].elapsed_ms - self.looks[0].elapsed_ms >= AVERAGE_OVER_MS

    def time_ms(self, size_bytes: float) -> float:
        """How long `size_bytes` take at the average speed; infinite while nothing moves."""
        rate = self.rate_bytes_s
        return size_bytes * 1000 / rate if rate > 0 else float("inf")

    @property
    def needed_ms(self) -> float:
        """The pause it would take to send what the guest kept dirty at best lately; infinite before the second pass."""
        return self.time_ms(min(self.recent_bytes)) if self.recent_bytes else float("inf")
