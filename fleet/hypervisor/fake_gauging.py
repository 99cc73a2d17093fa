"""The `Gauging` family on a fake host."""

# ruff: noqa: D102 - the Protocol says what its methods mean

from __future__ import annotations

from collections.abc import Sequence

from fleet.hypervisor.errors import JobBusy
from fleet.hypervisor.facts import DirtyRate
from fleet.hypervisor.fake_calls import FakeCalls


class FakeGauging(FakeCalls):
    """See `interface.Gauging`; a measurement is finished as soon as it has begun."""

    def start_dirty_rate(self, uuid: str, seconds: int) -> None:
        def start() -> None:
            guest = self._known(uuid)
            if any(run.uuid == uuid and not run.finished for run in self.fleet.migrations):
                raise JobBusy(f"{guest.name} has a job", host=self.name)
            self.measured[uuid] = DirtyRate(uuid=uuid, seconds=seconds, bytes_s=self.dirty_bytes_s.get(uuid, 0))

        self._do("start_dirty_rate", start)

    def dirty_rates(self, uuids: Sequence[str]) -> tuple[DirtyRate, ...]:
        return self._do("dirty_rates", lambda: tuple(self.measured[uuid] for uuid in uuids if uuid in self.measured))
