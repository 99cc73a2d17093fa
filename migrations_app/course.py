"""Pure: what the samples of a running migration have shown so far: how fast it goes, and how the guest writes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fleet.hypervisor.facts import JobSample

#: The speed is that of the last so many milliseconds.
WINDOW_MS = 4000
#: A pass shorter than this tells too little about how the guest writes.
SHORTEST_PASS_MS = 200
#: Stretches of writing that are remembered.
MOST_STRETCHES = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """Follow it with every sample; the beginning is `Course()`."""

    last: JobSample | None = None
    #: When the running memory pass began and how long it has run, by libvirt's clock.
    pass_began_ms: int = 0
    pass_s: float = 0.0
    #: (elapsed_ms, bytes) of the last seconds.
    memory: tuple[tuple[int, int], ...] = ()
    disks: tuple[tuple[int, int], ...] = ()
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
        return replace(course, pass_began_ms=began_ms, pass_s=(sample.elapsed_ms - began_ms) / 1000)
    if sample.iteration > before.iteration:
        course = _next_pass(course, before, sample)
    return replace(course, pass_s=(sample.elapsed_ms - course.pass_began_ms) / 1000)


def _next_pass(course: Course, before: JobSample, sample: JobSample) -> Course:
    """What is left now, but for what was left before, was written during the pass."""
    lasted_ms = sample.elapsed_ms - course.pass_began_ms
    sent = sample.memory_processed_bytes - before.memory_processed_bytes
    written = sample.memory_remaining_bytes - max(before.memory_remaining_bytes - sent, 0)
    course = replace(course, pass_began_ms=sample.elapsed_ms)
    if lasted_ms < SHORTEST_PASS_MS or written < 0:
        return course
    stretch = (lasted_ms / 1000, float(written))
    return replace(course, writes=(*course.writes, stretch)[-MOST_STRETCHES:])


def _window(seen: tuple[tuple[int, int], ...], at_ms: int, size: int) -> tuple[tuple[int, int], ...]:
    recent = [point for point in seen if at_ms - point[0] <= WINDOW_MS]
    return (*recent, (at_ms, size))


def _slope(seen: tuple[tuple[int, int], ...]) -> float:
    if len(seen) < 2:
        return 0.0
    (began, first), (at, last) = seen[0], seen[-1]
    return max(last - first, 0) * 1000 / (at - began)
