"""Pure: how long a migration takes, how much it sends and how long the pause is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from fleet.planning import precopy

MIB = 1 << 20
#: Around libvirt's copying, whatever the size: starting QEMU at the destination, its five-phase handshake, the proof.
HANDSHAKE_S = 1.5
#: Without a known link, the commonest network card is assumed.
DEFAULT_LINK_MIB_S = 1000 / 8 / 1.048576
#: The last round's floor: device state and hand-over.
SWITCH_OVER_MS = 50
#: The longest pause that a move may bring where nobody says otherwise.
MAX_PAUSE_MS = 300
#: What a copy that never ends by itself is given in a forecast: this part of the link would be left for it.
HOPELESS = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Experience:
    """What earlier moves taught; None where they taught nothing."""

    #: How many moves it comes from, and of what: "guest and hosts", "hosts", "guest", "fleet" or "".
    moves: int = 0
    basis: str = ""
    #: All but the copying.
    fixed_s: float | None = None
    #: What the way carries where nobody limits it.
    rate_mib_s: float | None = None
    hand_over_ms: float | None = None
    #: The same, held against what was seen while the moves ran, which tells the last pass better than a forecast can.
    hand_over_seen_ms: float | None = None
    #: The part of the guest's memory that is not empty, which alone has to be sent.
    memory_share: float | None = None
    #: How much longer the copying took than was reckoned.
    correction: float = 1.0
    #: Points of (seconds, bytes) that the guest wrote anew in earlier moves.
    writes: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What a migration will cost; `converges` is None while nobody knows how fast the guest writes."""

    duration_s: float
    downtime_ms: int
    bytes: int
    converges: bool | None
    #: How much of its CPUs' time the guest must be taken for the copy to end.
    throttle_percent: int = 0
    #: The parts of the duration: around the copying, and the copying as reckoned before experience corrects it.
    fixed_s: float = HANDSHAKE_S
    copying_s: float = 0.0
    rate_mib_s: float = 0.0
    #: What was taken for the part of the memory that is not empty, and for the hand-over within the pause.
    memory_share: float = 1.0
    hand_over_ms: float = SWITCH_OVER_MS
    #: The earlier moves it builds on, and what they had in common with this one.
    moves: int = 0
    basis: str = ""

    def document(self) -> dict[str, Any]:
        """As the API shows it."""
        return asdict(self)


def forecast(
    *,
    memory_mib: int,
    disk_bytes: int,
    link_mib_s: float | None,
    limit_mib_s: float = 0,
    dirty_mib_s: float | None = None,
    writes: tuple[tuple[float, float], ...] = (),
    used_mib: int | None = None,
    max_pause_ms: int = MAX_PAUSE_MS,
    may_throttle: bool = False,
    experience: Experience | None = None,
) -> Forecast:
    """Disks, then the passes of a pre-copy over one link.

    `writes` (seconds, bytes) or at least `dirty_mib_s` tell how the guest writes; earlier moves stand in for both.
    """
    known = experience or Experience()
    unlimited = link_mib_s or known.rate_mib_s or DEFAULT_LINK_MIB_S
    rate = min(unlimited, limit_mib_s) if limit_mib_s else unlimited
    if not writes:
        writes = known.writes if dirty_mib_s is None else ((1.0, dirty_mib_s * MIB),)
    link = precopy.Link(bytes_s=rate * MIB, unlimited_bytes_s=unlimited * MIB)
    to_send = _to_send(memory_mib, used_mib, known)
    memory = precopy.copy(
        left_bytes=to_send * MIB,
        link=link,
        writes=precopy.writing(writes, most_bytes=(memory_mib * MIB) or math.inf),
        max_pause_s=max_pause_ms / 1000,
        may_throttle=may_throttle,
    )
    if memory.converges:
        pause_s = precopy.pause_s(memory.left_bytes, link, _hand_over_s(known))
        memory_s = memory.seconds + memory.left_bytes / link.unlimited_bytes_s
    else:
        pause_s, memory_s = max_pause_ms / 1000, memory_mib / (HOPELESS * rate)
    copying_s = disk_bytes / MIB / rate + memory_s
    fixed_s = HANDSHAKE_S if known.fixed_s is None else known.fixed_s
    return Forecast(
        duration_s=round(fixed_s + copying_s * known.correction, 1),
        downtime_ms=round(1000 * pause_s),
        bytes=round(disk_bytes + memory.sent_bytes + memory.left_bytes),
        converges=memory.converges if writes else None,
        throttle_percent=memory.throttle_percent,
        fixed_s=round(fixed_s, 3),
        copying_s=round(copying_s, 3),
        rate_mib_s=round(rate, 2),
        memory_share=round(to_send / memory_mib, 3) if memory_mib else 1.0,
        hand_over_ms=round(1000 * _hand_over_s(known), 1),
        moves=known.moves,
        basis=known.basis,
    )


def _to_send(memory_mib: int, used_mib: int | None, known: Experience) -> float:
    """MiB of memory that are not empty: as earlier moves of the guest found, else what its host counts, else all."""
    if known.memory_share is not None:
        return memory_mib * known.memory_share
    return min(memory_mib, used_mib) if used_mib else memory_mib


def _hand_over_s(known: Experience) -> float:
    return (SWITCH_OVER_MS if known.hand_over_ms is None else known.hand_over_ms) / 1000
