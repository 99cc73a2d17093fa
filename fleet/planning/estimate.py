"""Pure: how long a migration takes, how much it sends and how long the pause is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

#: libvirt's own share, whatever the size: starting QEMU at the destination and its five-phase handshake.
HANDSHAKE_S = 1.5
#: Without a known link, the commonest network card is assumed.
DEFAULT_LINK_MIB_S = 1000 / 8 / 1.048576
#: The last round's floor: device state and hand-over.
SWITCH_OVER_MS = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What a migration will cost; `converges` is None while nobody knows how fast the guest writes."""

    duration_s: float
    downtime_ms: int
    bytes: int
    converges: bool | None

    def document(self) -> dict[str, Any]:
        """As the API shows it."""
        return asdict(self)


def forecast(
    *,
    memory_mib: int,
    disk_bytes: int,
    link_mib_s: float | None,
    limit_mib_s: int = 0,
    dirty_mib_s: float | None = None,
) -> Forecast:
    """Pre-copy over one link: total = M / (b - d), the textbook sum (Clark et al., NSDI 2005)."""
    rate = link_mib_s or DEFAULT_LINK_MIB_S
    rate = min(rate, limit_mib_s) if limit_mib_s else rate
    dirty = dirty_mib_s or 0.0
    disk_s = disk_bytes / 2**20 / rate
    converges = None if dirty_mib_s is None else dirty < rate
    effective = max(rate - dirty, rate * 0.05)
    memory_s = memory_mib / effective
    return Forecast(
        duration_s=round(HANDSHAKE_S + disk_s + memory_s, 1),
        downtime_ms=SWITCH_OVER_MS,
        bytes=disk_bytes + int(memory_s * rate * 2**20),
        converges=converges,
    )
