"""The joint log: what every process writes, as it comes, with the process's name before each line."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from fleet.operate.places import Places

COLOURS = (36, 32, 33, 35, 34, 31)
PAUSE_S = 0.2


@dataclass
class Tail:
    """One file that is followed, also when it is replaced by a new one of the same name."""

    path: Path
    handle: IO[bytes] | None = None
    rest: bytes = b""
    identity: int = field(default=0)

    def lines(self) -> list[str]:
        """What came since the last call, whole lines only."""
        found = self._read()
        if self._was_replaced():
            self.close()
            found += self._read()
        return [line.decode(errors="replace") for line in found]

    def _read(self) -> list[bytes]:
        if self.handle is None:
            try:
                self.handle = self.path.open("rb")
            except FileNotFoundError:
                return []
            self.identity = os.fstat(self.handle.fileno()).st_ino
        *whole, self.rest = (self.rest + self.handle.read()).split(b"\n")
        return whole

    def _was_replaced(self) -> bool:
        try:
            return self.handle is not None and self.path.stat().st_ino != self.identity
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Let the file go."""
        if self.handle is not None:
            self.handle.close()
        self.handle, self.rest = None, b""


def follow(
    places: Places,
    names: Sequence[str],
    *,
    write: Callable[[str], object],
    go_on: Callable[[], bool],
    colour: bool = False,
    from_now: bool = False,
) -> None:
    """Until `go_on` says no; begins with what the logs hold already, unless only what is new is wanted."""
    tails = {name: Tail(places.log(name)) for name in names}
    for tail in tails.values() if from_now else ():
        tail.lines()
    width = max(len(name) for name in names)
    try:
        while True:
            last_round = not go_on()
            for number, (name, tail) in enumerate(tails.items()):
                label = name.ljust(width)
                if colour:
                    label = f"\x1b[{COLOURS[number % len(COLOURS)]}m{label}\x1b[0m"
                for line in tail.lines():
                    write(f"{label} | {line}")
            if last_round:
                return
            time.sleep(PAUSE_S)
    finally:
        for tail in tails.values():
            tail.close()
