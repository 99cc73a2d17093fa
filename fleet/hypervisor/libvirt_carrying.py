"""Moves through the worker, over libvirt: save and restore, definitions, starting paused, raw volume data."""

from __future__ import annotations

from fleet.hypervisor.libvirt_calls import LibvirtCalls


class LibvirtCarrying(LibvirtCalls):
    """See `interface.Carrying`."""
