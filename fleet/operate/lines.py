"""One calm line per step, as the scripts in setup/ print them."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

from fleet.operate.places import Places
from fleet.refusals import Refused


class Lines:
    """Writes to a stream; everything at once, so that a pipe shows it as it comes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout

    def step(self, name: str, text: str) -> None:
        """What has been done."""
        self.text(f"  {name:<11} {text}")

    def text(self, text: str = "") -> None:
        """As it is."""
        self.stream.write(f"{text}\n")
        self.stream.flush()


def log_to(places: Places) -> None:
    """This command's own log goes to a file, so that its lines stay readable."""
    handler = logging.FileHandler(places.log("command"))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.getLogger().handlers[:] = [handler]


def explain(refusal: Refused) -> str:
    """A refusal for a terminal: what is wrong, and what helps."""
    checks = [f"  {check.get('message', '')} {check.get('remedy', '')}".rstrip() for check in refusal.checks]
    remedy = [f"  {refusal.remedy}"] if refusal.remedy else []
    return "\n".join([refusal.text, *checks, *remedy])
