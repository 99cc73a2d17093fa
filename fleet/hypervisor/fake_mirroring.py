"""The `Mirroring` family on a fake host."""

from __future__ import annotations

from fleet.hypervisor.fake_calls import FakeCalls


class FakeMirroring(FakeCalls):
    """See `interface.Mirroring`."""
