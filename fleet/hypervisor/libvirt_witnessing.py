"""Over libvirt: what proves where a guest is: its agent, its addresses, who has its disks open."""

from __future__ import annotations

from fleet.hypervisor.libvirt_calls import LibvirtCalls


class LibvirtWitnessing(LibvirtCalls):
    """See `interface.Witnessing`."""
