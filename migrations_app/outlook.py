"""Pure: where a running migration is heading: when it will be done, with what pause, and what would help if never.

The samples so far tell how fast the link carries and how the guest writes; the passes to come are reckoned from there.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from fleet.hypervisor.facts import JobSample
from fleet.planning import precopy
from fleet.planning.estimate import DEFAULT_LINK_MIB_S, MAX_PAUSE_MS, MIB, SWITCH_OVER_MS
from migrations_app.pace import Pace

#: From the end of the copying to the proven arrival.
TAIL_S = 0.5
#: The part of a guest's memory that is taken to hold something while no earlier move has told.
FILLED = 0.9
#: A pause longer than this is no remedy that a page should offer.
LONGEST_OFFERED_PAUSE_MS = 30_000


#: No end further away than a month is told; over a dead link it would lie past the calendar.
FAR_S = 30 * 86_400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """What may be used to get the guest across, and what is known of the way."""

    #: The pause that QEMU may make now, and the one it may be allowed before its end.
    max_pause_ms: int = MAX_PAUSE_MS
    promised_pause_ms: int = 0
    may_throttle: bool = False
    may_post_copy: bool = False
    #: Given up after this; 0: never.
    max_duration_s: int = 0
    #: The limit in force; 0: none.
    limit_bytes_s: float = 0.0
    #: What the link carries without a limit.
    link_bytes_s: float = DEFAULT_LINK_MIB_S * MIB
    hand_over_ms: float = SWITCH_OVER_MS
    tail_s: float = TAIL_S
    memory_bytes: int = 0
    #: The part of the memory that is not empty, as earlier moves found.
    memory_share: float | None = None
    #: (seconds, bytes) that the guest wrote anew when it was measured.
    writes: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What is to come, for people and programs; times in seconds from now, None where nobody can tell."""

    #: "starting", "done_about", "throttled", "not_converging", "too_late", "post_copy" or "ending".
    text_code: str
    converges: bool | None = None
    eta_s: float | None = None
    total_s: float | None = None
    pause_ms: int | None = None
    #: How fast the guest writes anew in a short pass, and what the link carries.
    writes_bytes_s: int | None = None
    carries_bytes_s: int | None = None
    #: The pause that would let a copy end that does not converge.
    needs_pause_ms: int | None = None
    #: Of "downtime", "bandwidth", "post-copy", "pause", "cancel": those that would help; empty while all is well.
    remedies: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As stored in a job's progress."""
        return asdict(self) | {"remedies": list(self.remedies)}


def words(found: Outlook) -> str:
    """The outlook as a sentence; pages that know the reader's clock say the time of day instead."""
    if found.text_code == "not_converging":
        writes, carries = _mib_s(found.writes_bytes_s), _mib_s(found.carries_bytes_s)
        end = f" It is given up in {found.eta_s:.0f} s." if found.eta_s is not None else ""
        return f"Will not converge: the guest writes {writes}, {carries} are carried.{end}"
    if found.eta_s is None:
        return ""
    pause = f" with a pause of about {found.pause_ms} ms" if found.pause_ms is not None else ""
    throttled = ", with the guest slowed down" if found.text_code == "throttled" else ""
    late = " That is longer than it may take, so it will be given up." if found.text_code == "too_late" else ""
    return f"Done in about {found.eta_s:.0f} s{pause}{throttled}.{late}"


def _mib_s(bytes_s: int | None) -> str:
    return "nobody knows how much" if bytes_s is None else f"{bytes_s / MIB:.0f} MiB/s"


def look(pace: Pace, sample: JobSample, means: Means, *, since_start_s: float, post_copy: bool = False) -> Outlook:
    """The outlook at this sample, which `pace` has followed already."""
    rate = pace.rate_bytes_s or _expected_rate(means)
    link = precopy.Link(bytes_s=rate, unlimited_bytes_s=max(rate, means.link_bytes_s))
    if post_copy:
        left_s = sample.memory_remaining_bytes / rate
        return _ends(left_s, 0.0, means, link, since_start_s, code="post_copy")
    memory_bytes = sample.memory_total_bytes or means.memory_bytes or math.inf
    writes = precopy.writing(means.writes, pace.writes, most_bytes=memory_bytes)
    ahead = _Ahead(pace=pace, sample=sample, means=means, writes=writes)
    disks_s = ahead.disks_s(rate)
    copying = ahead.memory(link)
    if not copying.converges and means.promised_pause_ms > means.max_pause_ms:
        copying = ahead.memory(link, max_pause_ms=means.promised_pause_ms)
    if not copying.converges:
        return _stands_still(ahead, copying, link, since_start_s, disks_s)
    known = bool(writes.points)
    code = "throttled" if copying.throttle_percent or sample.auto_converge_throttle else "done_about"
    found = _ends(disks_s + copying.seconds, copying.left_bytes, means, link, since_start_s, code=code)
    if means.max_duration_s and found.total_s is not None and found.total_s > means.max_duration_s:
        found = replace(found, text_code="too_late", remedies=_hurries(ahead, link))
    return replace(found, converges=True if known else None, writes_bytes_s=_short_rate(writes))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ahead:
    """What is still to be copied."""

    pace: Pace
    sample: JobSample
    means: Means
    writes: precopy.Writing

    def disks_s(self, rate: float) -> float:
        """Seconds until every disk is mirrored."""
        return self.sample.disk_remaining_bytes / (self.pace.disk_rate_bytes_s or rate)

    def left_bytes(self) -> float:
        """Memory of the running pass that really has to be sent: empty pages cost nothing."""
        sample, share = self.sample, FILLED if self.means.memory_share is None else self.means.memory_share
        if not sample.memory_total_bytes:
            return self.means.memory_bytes * share
        if sample.iteration > 1:
            return float(sample.memory_remaining_bytes)
        remaining = sample.memory_remaining_bytes
        filled = sample.memory_total_bytes * share - sample.memory_processed_bytes
        return remaining * share if self.means.memory_share is None else min(max(filled, 0.0), remaining)

    def memory(self, link: precopy.Link, *, max_pause_ms: int = 0) -> precopy.Copying:
        """The passes to come over this link."""
        return precopy.copy(
            left_bytes=self.left_bytes(),
            link=link,
            writes=self.writes,
            max_pause_s=(max_pause_ms or self.means.max_pause_ms) / 1000,
            since_sync_s=self.pace.pass_s,
            first_pass=self.sample.iteration <= 1,
            may_throttle=self.means.may_throttle,
            throttle_percent=self.sample.auto_converge_throttle,
        )


def _ends(
    copying_s: float, left_bytes: float, means: Means, link: precopy.Link, since_start_s: float, *, code: str
) -> Outlook:
    pause_s = precopy.pause_s(left_bytes, link, means.hand_over_ms / 1000)
    eta_s = min(copying_s + left_bytes / link.unlimited_bytes_s + means.tail_s, FAR_S)
    return Outlook(
        text_code=code,
        converges=True,
        eta_s=round(eta_s, 1),
        total_s=round(since_start_s + eta_s, 1),
        pause_ms=round(1000 * pause_s),
        carries_bytes_s=round(link.bytes_s),
    )


def _stands_still(
    ahead: _Ahead, copying: precopy.Copying, link: precopy.Link, since_start_s: float, disks_s: float
) -> Outlook:
    """It goes on for ever as it is: say what stands against what, and what would end it."""
    means = ahead.means
    needs_ms = 1000 * copying.left_bytes / link.bytes_s + means.hand_over_ms
    remedies = []
    if needs_ms <= LONGEST_OFFERED_PAUSE_MS:
        remedies.append("downtime")
    if means.limit_bytes_s and means.limit_bytes_s < means.link_bytes_s and _unlimited(ahead).converges:
        remedies.append("bandwidth")
    if means.may_post_copy and not ahead.sample.disk_remaining_bytes:
        remedies.append("post-copy")
    late = bool(means.max_duration_s)
    return Outlook(
        text_code="not_converging",
        converges=False,
        eta_s=round(max(means.max_duration_s - since_start_s, 0.0), 1) if late else None,
        total_s=float(means.max_duration_s) if late else None,
        writes_bytes_s=_short_rate(ahead.writes),
        carries_bytes_s=round(link.bytes_s),
        needs_pause_ms=round(needs_ms),
        remedies=(*remedies, "pause", "cancel"),
    )


def _hurries(ahead: _Ahead, link: precopy.Link) -> tuple[str, ...]:
    """What gets a copy that comes too late to its end sooner."""
    means = ahead.means
    remedies = ["bandwidth"] if means.limit_bytes_s and means.limit_bytes_s < means.link_bytes_s else []
    if means.may_post_copy and not ahead.sample.disk_remaining_bytes:
        remedies.append("post-copy")
    return (*remedies, "pause", "cancel")


def _unlimited(ahead: _Ahead) -> precopy.Copying:
    full = ahead.means.link_bytes_s
    return ahead.memory(precopy.Link(bytes_s=full, unlimited_bytes_s=full))


def _expected_rate(means: Means) -> float:
    return min(means.link_bytes_s, means.limit_bytes_s) if means.limit_bytes_s else means.link_bytes_s


def _short_rate(writes: precopy.Writing) -> int | None:
    """Bytes a second at the shortest stretch that was measured."""
    return round(writes.points[0][1] / writes.points[0][0]) if writes.points else None
