"""What happens in one row of the matrix: the lab, Drover, the move under test, and what was noted on the way."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

from lab import Lab
from lab.processes import LabError
from tests.faults.database import Postgres
from tests.faults.installation import Installation
from tests.with_lab.installation import until

SOURCE, DESTINATION, OTHER = "alpha", "beta", "gamma"


class Scene:
    """Everything a stage and a fault may touch."""

    def __init__(self, lab: Lab, drover: Installation, *, guest: str, wish: dict[str, Any], postgres: Postgres | None):
        self.lab, self.drover, self.postgres = lab, drover, postgres
        self.guest, self.wish = guest, wish
        self.job: dict[str, Any] = {}
        #: What the row wants to remember for its check and its line in the docs.
        self.notes: dict[str, Any] = {}

    def begin(self) -> None:
        """Ask for the move."""
        status, self.job = self.drover.api("POST", "migrations/", self.document())
        assert status == 202, self.job

    def document(self) -> dict[str, Any]:
        """What is posted; a disk that only changes its pool has no destination."""
        wish = {"guest": self.drover.guest(self.guest)["id"], **self.wish}
        stays = self.wish.get("mode") == "storage"
        return wish if stays else wish | {"destination": self.drover.host(DESTINATION)["id"]}

    @property
    def now(self) -> dict[str, Any]:
        """The job as it stands."""
        return self.drover.job(self.job)

    def state(self, wanted: str, timeout_s: float = 45) -> None:
        """Until the job is in this state."""
        until(lambda: self.now["state"] == wanted, timeout_s, f"the job is {wanted}", self.drover.story(self.job))

    def event(self, code: str, timeout_s: float = 45) -> None:
        """Until the job's log has a line with this code."""
        until(lambda: self.has(code), timeout_s, f"the log says {code}", self.drover.story(self.job))

    def has(self, code: str) -> bool:
        """Whether the log has such a line."""
        return any(event["code"] == code for event in self.drover.events(self.job))

    def stage(self, name: str, percent: float = 1) -> None:
        """Until the job is in a stage and its numbers move."""
        self.drover.in_stage(self.job, name, percent=percent, timeout_s=60)

    def ended(self, timeout_s: float = 90) -> dict[str, Any]:
        """The job when it has ended; what crawled so that a fault could come may run now."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.hurry()
            if (now := self.drover.get(f"jobs/{self.job['id']}/?wait=done&timeout=2"))["finished_at"]:
                return now
        raise AssertionError(f"not ended within {timeout_s} s\n{self.drover.told(self.job)}")

    def hurry(self) -> None:
        """Lift the bandwidth limits, behind Drover's back and without a word if nothing moves."""
        with contextlib.suppress(LabError):
            words = f"migrate-setspeed {self.guest} 1000; migrate-setspeed {self.guest} 1000 --postcopy"
            self.lab.virsh(SOURCE, words, check=False, timeout_s=5)
        # libvirt keeps its own hands off a disk's job while it migrates, so QEMU is told.
        for job in self._monitor("query-block-jobs") or []:
            self._monitor("block-job-set-speed", device=job["device"], speed=0)

    def _monitor(self, command: str, **arguments: Any) -> Any:
        words = json.dumps({"execute": command, "arguments": arguments})
        with contextlib.suppress(LabError, ValueError):
            told = self.lab.virsh(SOURCE, "qemu-monitor-command", self.guest, words, check=False, timeout_s=5)
            return json.loads(told).get("return")
        return None

    def domstate(self, host: str) -> str:
        """What virsh says of the guest there, with the reason; "" for nothing."""
        return self.lab.virsh(host, "domstate", "--reason", self.guest, check=False, timeout_s=10).strip()

    def daemons(self, host: str) -> int:
        """How many libvirtd run there."""
        return sum(process.program == "libvirtd" for process in self.lab.processes(host))

    def thaw(self) -> None:
        """A frozen worker goes on."""
        self.drover.thaw("worker")
