"""Over libvirt: what changes a running migration beyond its limits, and brings a broken post-copy back."""

from __future__ import annotations

import libvirt

from fleet.hypervisor.libvirt_calls import LibvirtCalls


class LibvirtSteering(LibvirtCalls):
    """See `interface.Steering`."""

    # ruff: noqa: D102 - the Protocol says what its methods mean

    def suspend(self, uuid: str) -> None:
        self._steer(uuid, lambda domain: domain.suspend())

    def break_off_post_copy(self, uuid: str) -> None:
        self._ask_guest(uuid, lambda _, domain: domain.abortJobFlags(libvirt.VIR_DOMAIN_ABORT_JOB_POSTCOPY))
