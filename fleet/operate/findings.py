"""What the doctor finds, in words and with the line that mends it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`topic` is what `doctor --only` picks; `fix` is empty when all is well."""

    topic: str
    subject: str
    text: str
    fix: str = ""

    @property
    def is_good(self) -> bool:
        """Nothing to mend."""
        return not self.fix

    def __str__(self) -> str:
        line = f"{'good' if self.is_good else 'BAD ':<5} {self.subject:<12} {self.text}"
        return line if self.is_good else f"{line}\n{'':<18} -> {self.fix}"
