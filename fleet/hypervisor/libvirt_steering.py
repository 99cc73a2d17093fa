"""Over libvirt: what changes a running migration beyond its limits, and brings a broken post-copy back."""

from __future__ import annotations

from fleet.hypervisor.libvirt_calls import LibvirtCalls


class LibvirtSteering(LibvirtCalls):
    """See `interface.Steering`."""
