"""The doctor's look at every host: each is asked anew, whatever the lists say."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from fleet.inventory import probing
from fleet.models import Host
from fleet.operate.findings import Finding
from fleet.refusals import Refused

SIDE_BY_SIDE = 4


def hosts() -> list[Finding]:
    """One finding per host, by name; a hung one costs its deadline and no more."""
    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
        return list(pool.map(_host, Host.objects.order_by("name")))


def _host(host: Host) -> Finding:
    try:
        found = probing.ask(host.where())
    except Refused as refusal:
        return Finding(topic="hosts", subject=host.name, text=refusal.text, fix=refusal.remedy or "See its own log.")
    if found.facts.uuid != str(host.hardware_uuid):
        fix = "Check the address. If the machine was replaced, remove the host and add the new one."
        return Finding(topic="hosts", subject=host.name, text="another machine answers there", fix=fix)
    versions = f"libvirt {found.facts.libvirt_version}, QEMU {found.facts.hypervisor_version}"
    return Finding(topic="hosts", subject=host.name, text=f"{versions}, {len(found.guests)} guests")
