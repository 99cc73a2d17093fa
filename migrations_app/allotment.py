"""Pure: how much of its way each running move may take, so that no card and no link is promised more than it has.

Sharing a full link evenly is the wrong thing for guests that write: k moves at b/k each send pages again for k times as
long. So the move that began first takes all it can use; the next one, already admitted, is prepared at a trickle (QEMU
starts, the hosts shake hands) and takes over the moment the first lets go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Enough for a move to come into being; libvirt knows no smaller limit.
TRICKLE_MIB_S = 1
#: One stream's own ceiling, about 18 Gbit/s (what one vMotion stream reaches too): a fatter link takes several.
STREAM_MIB_S = 2200
#: A move that would get less than this part of what it can use is one that gets ready, not one that flows.
WORTH_HAVING = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """One move's flow of bytes; `way` names what it passes: cards and links, whether their speed is known or not."""

    id: str
    way: tuple[str, ...] = ()
    #: At most this much, as operator or policy said; 0: no such limit.
    cap_mib_s: int = 0
    #: Of the narrowest pipe on its way.
    share_percent: int = 100
    #: What it was given and keeps: libvirt cannot change the speed of a disk's copy under way.
    fixed_mib_s: int = 0
    #: Whether its speed can be changed later; one that cannot must not begin at a trickle.
    steerable: bool = True


def allot(streams: Sequence[Stream], pipes: Mapping[str, float]) -> dict[str, int]:
    """MiB/s for each stream by its id, those that began first served first; 0 where nothing limits it.

    `pipes` are the known speeds in MiB/s. What all streams through a pipe get together never exceeds it, unless not
    even a trickle for each fits.
    """
    room = dict(pipes)
    for stream in streams:
        for key in _known(stream, pipes):
            room[key] -= stream.fixed_mib_s or TRICKLE_MIB_S
    return {stream.id: _take(stream, room, pipes) for stream in streams}


def crowded(streams: Sequence[Stream], newcomer: Stream, pipes: Mapping[str, float]) -> str | None:
    """The pipe with neither a share worth having for the newcomer nor the one place for getting ready; else None."""
    demand = useful_mib_s(newcomer, pipes)
    rates = allot(streams, pipes)
    for key in _known(newcomer, pipes):
        others = [stream for stream in streams if key in stream.way]
        left = pipes[key] - sum(rates[stream.id] for stream in others)
        if not others or left >= WORTH_HAVING * demand:
            continue
        too_narrow = (len(others) + 1) * TRICKLE_MIB_S > pipes[key]
        if too_narrow or not newcomer.steerable or any(_gets_ready(one, rates, pipes) for one in others):
            return key
    return None


def useful_mib_s(stream: Stream, pipes: Mapping[str, float]) -> float:
    """What the stream could use if it were alone."""
    known = _known(stream, pipes)
    narrowest = min((pipes[key] for key in known), default=float(STREAM_MIB_S))
    limits = [narrowest * stream.share_percent / 100, float(stream.cap_mib_s or STREAM_MIB_S), float(STREAM_MIB_S)]
    return max(min(limits), float(TRICKLE_MIB_S))


def _take(stream: Stream, room: dict[str, float], pipes: Mapping[str, float]) -> int:
    if stream.fixed_mib_s:
        return stream.fixed_mib_s
    known = _known(stream, pipes)
    if not known:
        return stream.cap_mib_s
    spare = min(room[key] for key in known)
    more = max(int(min(useful_mib_s(stream, pipes) - TRICKLE_MIB_S, spare)), 0)
    for key in known:
        room[key] -= more
    return TRICKLE_MIB_S + more


def _gets_ready(stream: Stream, rates: Mapping[str, int], pipes: Mapping[str, float]) -> bool:
    return not stream.fixed_mib_s and rates[stream.id] < WORTH_HAVING * int(useful_mib_s(stream, pipes))


def _known(stream: Stream, pipes: Mapping[str, float]) -> list[str]:
    return [key for key in stream.way if key in pipes]
