"""The `Mirroring` family over libvirt: copies of a running guest's disk within one host."""

from __future__ import annotations

from fleet.hypervisor.libvirt_calls import LibvirtCalls


class LibvirtMirroring(LibvirtCalls):
    """See `interface.Mirroring`."""
