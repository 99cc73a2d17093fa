"""Pure. Judge a counter guest: was a write that its disk had acknowledged lost, or did it ever run twice?

Record n (magic, n, uptime, boot time, crc32; little endian) stands in sector n mod RING of /dev/vda. The guest prints
`COUNT n` only after the disk acknowledged it. Both copies of a guest that ran twice would print the same numbers.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

RING = 2048
SECTOR = 512
RECORD = struct.Struct("<8sQQQI")
MAGIC = b"DRVRCNT1"
COUNTED = re.compile(rb"^COUNT (\d+) \d+\r?$", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """What was found; `lost` and `repeated` are sequence numbers, in order."""

    acknowledged: int
    on_disk: int
    lost: tuple[int, ...]
    repeated: tuple[int, ...]
    unprinted: int

    @property
    def ok(self) -> bool:
        """No acknowledged write is missing, and no number was written twice."""
        return not self.lost and not self.repeated and self.acknowledged > 0

    def __str__(self) -> str:
        """One line for people."""
        if self.ok:
            gaps = f" ({self.unprinted} lines missing in the log)" if self.unprinted else ""
            return f"ok: {self.acknowledged} acknowledged, {self.on_disk} on disk, none lost, none repeated{gaps}"
        lost, repeated = list(self.lost[:5]), list(self.repeated[:5])
        if not self.acknowledged:
            return "NOT OK: the guest has acknowledged nothing yet"
        return f"NOT OK: {len(self.lost)} lost {lost}, {len(self.repeated)} repeated {repeated}"


def judge(serial: bytes, ring: bytes) -> Verdict:
    """Important: read the serial log BEFORE the disk, then the disk may only be ahead of it."""
    numbers = [int(number) for number in COUNTED.findall(serial)]
    slots = read_ring(ring)
    acknowledged = max(numbers, default=0)
    first = max(acknowledged - RING + 1, min(numbers, default=1), 1)
    lost = [n for n in range(first, acknowledged + 1) if slots.get(n % RING, 0) < n]
    repeated = [later for earlier, later in pairwise(numbers) if later <= earlier]
    unprinted = acknowledged - min(numbers, default=1) + 1 - len(set(numbers)) if numbers else 0
    return Verdict(acknowledged, max(slots.values(), default=0), tuple(lost), tuple(repeated), unprinted)


def read_ring(ring: bytes) -> Mapping[int, int]:
    """Slot to sequence number, of the slots with a whole record; one in the wrong slot counts as absent."""
    found = {}
    for slot in range(len(ring) // SECTOR):
        magic, sequence, _uptime, _boot, crc = RECORD.unpack_from(ring, slot * SECTOR)
        good = magic == MAGIC and crc == zlib.crc32(ring[slot * SECTOR : slot * SECTOR + RECORD.size - 4])
        if good and sequence % RING == slot:
            found[slot] = sequence
    return found


def record(sequence: int, uptime_ms: int = 0, boot: int = 0) -> bytes:
    """One sector as the guest writes it (for tests)."""
    plain = RECORD.pack(MAGIC, sequence, uptime_ms, boot, 0)[:-4]
    return (plain + struct.pack("<I", zlib.crc32(plain))).ljust(SECTOR, b"\0")


def pauses(ticks_s: Sequence[float]) -> float:
    """The longest gap between two arrivals, in seconds."""
    return max((b - a for a, b in pairwise(ticks_s)), default=0.0)
