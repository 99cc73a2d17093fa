"""Pure: how fast a running migration goes and how its guest writes, as the samples so far have shown."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fleet.hypervisor.facts import JobSample

#: The speed is that of the last so many milliseconds.
WINDOW_MS = 4000
#: A pass shorter than this tells too little about how the guest writes.
SHORTEST_PASS_MS = 200
#: What QEMU leaves for the pause when it asks for written pages is what it sends in about this time.
USUAL_PAUSE_S = 0.3
#: Passes whose lengths differ by no more than this factor are averaged.
ALIKE = 2.0
#: Stretches of writing that are remembered.
MOST_STRETCHES = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Follow it with every sample; the beginning is `Pace()`."""

    last: JobSample | None = None
    #: When the running memory pass began and how long it has run, by libvirt's clock.
    pass_began_ms: int = 0
    pass_s: float = 0.0
    #: When the first byte of memory can have been sent.
    memory_began_ms: int = 0
    #: (elapsed_ms, bytes) of the last seconds.
    memory: tuple[tuple[int, int], ...] = ()
    disks: tuple[tuple[int, int], ...] = ()
    #: The most that was ever left at the beginning of a pass but the first: the set that the guest writes, at least.
    set_bytes: int = 0
    #: (seconds, bytes) that the guest wrote anew within passes that are over.
    writes: tuple[tuple[float, float], ...] = ()

    @property
    def rate_bytes_s(self) -> float:
        """How fast memory is sent; 0.0 while that cannot be told."""
        return _slope(self.memory) or (float(self.last.memory_rate_bytes_s) if self.last else 0.0)

    @property
    def disk_rate_bytes_s(self) -> float:
        """How fast disks are mirrored; 0.0 while that cannot be told."""
        return _slope(self.disks)


def follow(pace: Pace, sample: JobSample) -> Pace:
    """The pace with one sample more; older and equal ones change nothing."""
    before = pace.last
    if before is not None and sample.elapsed_ms <= before.elapsed_ms:
        return pace
    pace = replace(pace, last=sample)
    if sample.disk_total_bytes and sample.disk_remaining_bytes:
        done = sample.disk_total_bytes - sample.disk_remaining_bytes
        pace = replace(pace, disks=_window(pace.disks, sample.elapsed_ms, done))
    if not sample.memory_total_bytes:
        return replace(pace, pass_began_ms=sample.elapsed_ms)
    pace = replace(pace, memory=_window(pace.memory, sample.elapsed_ms, sample.memory_processed_bytes))
    if before is None or not before.memory_total_bytes:
        began_ms = pace.pass_began_ms or sample.elapsed_ms
        pass_s = (sample.elapsed_ms - began_ms) / 1000
        return replace(pace, pass_began_ms=began_ms, memory_began_ms=began_ms, pass_s=pass_s)
    if sample.iteration > before.iteration:
        pace = _next_pass(pace, before, sample)
    return replace(pace, pass_s=(sample.elapsed_ms - pace.pass_began_ms) / 1000)


def _next_pass(pace: Pace, before: JobSample, sample: JobSample) -> Pace:
    """What is left now, but for what is left of the pass before, was written during it."""
    lasted_ms = sample.elapsed_ms - pace.pass_began_ms
    sent = sample.memory_processed_bytes - before.memory_processed_bytes
    written = float(sample.memory_remaining_bytes - before.memory_remaining_bytes + sent)
    set_bytes = max(pace.set_bytes, sample.memory_remaining_bytes)
    if before.iteration > 1 and set_bytes:
        # Pages that waited still and were written again are not counted twice by QEMU, yet the guest wrote them.
        waiting = min(before.memory_remaining_bytes, pace.rate_bytes_s * USUAL_PAUSE_S, set_bytes / 2)
        written /= 1 - waiting / set_bytes
    pace = replace(pace, pass_began_ms=sample.elapsed_ms, set_bytes=set_bytes)
    if lasted_ms < SHORTEST_PASS_MS or written < 0:
        return pace
    stretch = (lasted_ms / 1000, written)
    return replace(pace, writes=_remembered(pace.writes, stretch)[-MOST_STRETCHES:])


def _remembered(
    known: tuple[tuple[float, float], ...], stretch: tuple[float, float]
) -> tuple[tuple[float, float], ...]:
    """Passes of about the same length in a row are one measurement: we look at them a moment too late or early."""
    if not known or not 1 / ALIKE < known[-1][0] / stretch[0] < ALIKE:
        return (*known, stretch)
    before = known[-1]
    return (*known[:-1], ((before[0] + stretch[0]) / 2, (before[1] + stretch[1]) / 2))


def _window(seen: tuple[tuple[int, int], ...], at_ms: int, size: int) -> tuple[tuple[int, int], ...]:
    recent = [point for point in seen if at_ms - point[0] <= WINDOW_MS]
    return (*recent, (at_ms, size))


def _slope(seen: tuple[tuple[int, int], ...]) -> float:
    if len(seen) < 2:
        return 0.0
    (began, first), (at, last) = seen[0], seen[-1]
    return max(last - first, 0) * 1000 / (at - began)
