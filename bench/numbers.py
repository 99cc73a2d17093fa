"""Pure: medians, percentiles and the lines a bench prints."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

median = statistics.median


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


@dataclass
class Report:
    """Prints `name  value  target  ok|MISSED` as numbers come; targets are limits unless `least`."""

    write: Callable[[str], None]
    missed: list[str] = field(default_factory=list)
    met: int = 0

    def line(self, name: str, value: float, target: float | None = None, *, least: bool = False) -> None:
        """One number; without a target it is only told."""
        if target is None:
            self.write(f"{name:<58} {value:>10.4g}")
            return
        ok = value >= target if least else value <= target
        self.write(f"{name:<58} {value:>10.4g}  {'>=' if least else '<='} {target:<8g} {'ok' if ok else 'MISSED'}")
        self._count(name, ok)

    def spread(self, name: str, values: Sequence[float], target: float | None = None) -> None:
        """Median and 95 %; the target is the median's."""
        self.line(f"{name}.median", median(values), target)
        self.line(f"{name}.95_percent", percentile(values, 95))

    def note(self, text: str) -> None:
        """A remark between the numbers."""
        self.write(f"# {text}")

    def adopt(self, line: str) -> None:
        """A finished line of another program, counted like our own."""
        self.write(line)
        word = line.rsplit(" ", 1)[-1].strip()
        if not line.startswith("#") and word in {"ok", "MISSED"}:
            self._count(line.split(maxsplit=1)[0], word == "ok")

    def close(self) -> None:
        """The summary."""
        total = self.met + len(self.missed)
        self.note(f"{self.met} of {total} targets met" + (f"; missed: {', '.join(self.missed)}" if self.missed else ""))

    def _count(self, name: str, ok: bool) -> None:
        if ok:
            self.met += 1
        else:
            self.missed.append(name)
