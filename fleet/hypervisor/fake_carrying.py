"""The `Carrying` family on a fake host."""

from __future__ import annotations

from fleet.hypervisor.fake_calls import FakeCalls


class FakeCarrying(FakeCalls):
    """See `interface.Carrying`."""
