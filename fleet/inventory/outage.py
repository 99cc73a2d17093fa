"""An outage of something we lean on: one line when it begins, one when it ends, a growing pause between tries."""

from __future__ import annotations

import logging
import time

logger = logging.getLogger(__name__)

#: Seconds between tries: first, longest. The longest is how late the watcher notices that a database is back.
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0


class Outage:
    """Counts failures in a row of one thing; not for several threads at once."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._began: float | None = None
        self._failures = 0

    def failed(self, error: Exception) -> float:
        """Note a failure; returns the seconds to wait before the next try."""
        if self._began is None:
            self._began = time.monotonic()
            logger.warning("%s does not answer; trying again until it does: %s", self.what, str(error).strip())
        self._failures += 1
        return min(FIRST_PAUSE_S * 2.0 ** min(self._failures - 1, 8), LONGEST_PAUSE_S)

    def over(self) -> None:
        """Note a success."""
        if self._began is not None:
            logger.warning("%s answers again after %.1f s", self.what, time.monotonic() - self._began)
            self._began, self._failures = None, 0
