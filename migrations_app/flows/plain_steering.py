"""What operators may ask of a move whose guest stands still or stays on its host: another bandwidth, or an end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleet.models import JobCommand
from migrations_app.flows.errand import Errand

_WHY_NOT = {
    "downtime": "libvirt's limits are for moves from host to host",
    "pause": "there is nothing to pause in this kind of move",
    "post-copy": "post-copy is for moves from host to host",
}


class PlainSteering:
    """Keeps the limit that holds, also for the next worker: it stands in the job's progress."""

    def __init__(self, errand: Errand) -> None:
        self.errand = errand
        before = errand.pen.job.progress.get("steering") or {}
        #: 0: nothing limits it.
        self.bandwidth_mib_s = int(before.get("bandwidth_mib_s", errand.terms.bandwidth_mib_s))

    def document(self, why_no_cancel: str = "") -> dict[str, Any]:
        """As the job's progress shows it; see `flows.steering`."""
        why_not = _WHY_NOT | ({"cancel": why_no_cancel} if why_no_cancel else {})
        can = [action for action in ("bandwidth", "cancel") if action not in why_not]
        limit = self.bandwidth_mib_s
        return {"bandwidth_mib_s": limit, "allowed_mib_s": limit, "can": can, "why_not": why_not}

    def obey(self, command: JobCommand, set_limit: Callable[[int], object] = lambda _: None) -> bool:
        """Whether it was dealt with; a cancel is the caller's."""
        if command.kind == JobCommand.Kind.CANCEL:
            return False
        if command.kind == JobCommand.Kind.BANDWIDTH:
            mib_s = int(command.arguments["mib_s"])
            set_limit(mib_s)
            self.bandwidth_mib_s = mib_s
            words = f"the copy may use {mib_s} MiB/s now" if mib_s else "the copy may use the whole link now"
            self.errand.pen.settle(command, words)
            return True
        reason = _WHY_NOT.get(command.kind, "this kind of move knows no such wish")
        self.errand.pen.settle(command, f"not done: {reason}")
        return True
