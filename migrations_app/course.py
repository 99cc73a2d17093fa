"""Pure: what the samples of a running migration have shown so far: how fast it goes, and how the guest writes."""

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
class Course:
    """Follow it with every sample; the beginning is `Course()`."""

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


def follow(course: Course, sample: JobSample) -> Course:
    """The course with one sample more; older and equal ones change nothing."""
    before = course.last
    if before is not None and sample.elapsed_ms <= before.elapsed_ms:
        return course
    course = replace(course, last=sample)
    if sample.disk_total_bytes and sample.disk_remaining_bytes:
        done = sample.disk_total_bytes - sample.disk_remaining_bytes
        course = replace(course, disks=_window(course.disks, sample.elapsed_ms, done))
    if not sample.memory_total_bytes:
        return replace(course, pass_began_ms=sample.elapsed_ms)
    course = replace(course, memory=_window(course.memory, sample.elapsed_ms, sample.memory_processed_bytes))
    if before is None or not before.memory_total_bytes:
        began_ms = course.pass_began_ms or sample.elapsed_ms
        pass_s = (sample.elapsed_ms - began_ms) / 1000
        return replace(course, pass_began_ms=began_ms, memory_began_ms=began_ms, pass_s=pass_s)
    if sample.iteration > before.iteration:
        course = _next_pass(course, before, sample)
    return replace(course, pass_s=(sample.elapsed_ms - course.pass_began_ms) / 1000)


def _next_pass(course: Course, before: JobSample, sample: JobSample) -> Course:
    """What is left now, but for what is left of the pass before, was written during it."""
    lasted_ms = sample.elapsed_ms - course.pass_began_ms
    sent = sample.memory_processed_bytes - before.memory_processed_bytes
    written = float(sample.memory_remaining_bytes - before.memory_remaining_bytes + sent)
    set_bytes = max(course.set_bytes, sample.memory_remaining_bytes)
    if before.iteration > 1 and set_bytes:
        # Pages that waited still and were written again are not counted twice by QEMU, yet the guest wrote them.
        waiting = min(before.memory_remaining_bytes, course.rate_bytes_s * USUAL_PAUSE_S, set_bytes / 2)
        written /= 1 - waiting / set_bytes
    course = replace(course, pass_began_ms=sample.elapsed_ms, set_bytes=set_bytes)
    if lasted_ms < SHORTEST_PASS_MS or written < 0:
        return course
    stretch = (lasted_ms / 1000, written)
    return replace(course, writes=_remembered(course.writes, stretch)[-MOST_STRETCHES:])


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
