"""Over libvirt: measurements that cost the guest or the host something (dirty rate, migration abilities)."""

from __future__ import annotations

from fleet.hypervisor.libvirt_calls import LibvirtCalls


class LibvirtGauging(LibvirtCalls):
    """See `interface.Gauging`."""
