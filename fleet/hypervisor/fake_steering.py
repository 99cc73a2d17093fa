"""The `Steering` family on a fake host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleet.hypervisor.errors import NoJob
from fleet.hypervisor.fake_calls import FakeCalls

if TYPE_CHECKING:
    from fleet.hypervisor.fake_migration import FakeMigration


class FakeSteering(FakeCalls):
    """See `interface.Steering`."""

    # ruff: noqa: D102 - the Protocol says what its methods mean

    def suspend(self, uuid: str) -> None:
        self._do("suspend", lambda: self._underway(uuid).suspend())

    def break_off_post_copy(self, uuid: str) -> None:
        self._do("break_off_post_copy", lambda: self._underway(uuid).break_off())

    def _underway(self, uuid: str) -> FakeMigration:
        self._known(uuid)
        run = next((run for run in reversed(self.fleet.migrations) if run.uuid == uuid and run.source is self), None)
        if run is None or (run.finished and not run.broken):
            raise NoJob("no job is active on the domain", host=self.name)
        return run
