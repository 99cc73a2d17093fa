"""What the demo writes into an installation: sites with their links, and hosts. The admin comes with the first link."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.db import connection

from fleet.access.principal import Principal
from fleet.inventory.register import add_host, change_host, remove_host
from fleet.inventory.site_links import add_link, change_link
from fleet.inventory.sites import add_site, change_site
from fleet.models import Host, Site, SiteLink
from fleet.operate.own_hosts import OwnHost
from fleet.refusals import Busy, Refused

ADMIN = "admin"
#: Marks hosts of a lab, which go when the lab goes.
LAB_TAG = "lab"
LINK_MINUTES = 60


def login_link(url: str) -> str:
    """A fresh one-time link for the admin, who is made with the first one."""
    said = StringIO()
    call_command("login_link", user=ADMIN, create_admin=True, minutes=LINK_MINUTES, address=url, stdout=said)
    return said.getvalue().strip()


def lab_sites(about: Mapping[str, Any]) -> None:
    """The lab's sites and the links between them, both ways."""
    for site in about["sites"]:
        known = Site.objects.filter(slug=site["slug"]).first()
        fields = {field: site[field] for field in ("name", "latitude", "longitude", "time_zone")}
        if known is None:
            add_site(principal=_drover(), slug=site["slug"], **fields)
        elif any(getattr(known, field) != value for field, value in fields.items()):
            change_site(principal=_drover(), site=known, **fields)
    by_slug = {site.slug: site for site in Site.objects.all()}
    for link in about["links"]:
        ends = by_slug[link["source"]], by_slug[link["target"]]
        for source, target in (ends, ends[::-1]):
            _lab_link(source, target, link["mbit"])


def _lab_link(source: Site, target: Site, mbit: int) -> None:
    known = SiteLink.objects.filter(source=source, target=target).first()
    if known is None:
        add_link(principal=_drover(), source=source, target=target, bandwidth_mbps=mbit)
    elif known.bandwidth_mbps != mbit:
        change_link(principal=_drover(), link=known, bandwidth_mbps=mbit)


def lab_hosts(about: Mapping[str, Any]) -> list[Host]:
    """All hosts of the lab, side by side; those of an earlier run get their new address."""
    forget_lab_hosts(keep=[host["uuid"] for host in about["hosts"]])
    by_slug = {site.slug: site for site in Site.objects.all()}

    def register(host: Mapping[str, Any]) -> Host:
        fields = {"address": host["address"], "transport": host["transport"], "port": host["port"]}
        known = Host.objects.filter(hardware_uuid=host["uuid"]).first()
        if known is not None:
            return change_host(principal=_drover(), host=known, **fields)
        site = by_slug[host["site"]]
        return add_host(principal=_drover(), name=host["name"], site=site, tags=(LAB_TAG,), **fields)

    return _side_by_side(register, about["hosts"])


def wait_for_shared_folders(about: Mapping[str, Any], timeout_s: float = 30) -> bool:
    """Until the watcher has proven which folders the hosts share: a guest moved before that has its disks copied."""
    deadline = time.monotonic() + timeout_s
    while not _shared_folders_are_proven(about):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)
    return True


def _shared_folders_are_proven(about: Mapping[str, Any]) -> bool:
    sharers: dict[str, set[str]] = {}
    for host in about["hosts"]:
        for pool_uuid in host["pool_uuids"].values():
            sharers.setdefault(pool_uuid, set()).add(host["uuid"])
    for host in Host.objects.filter(hardware_uuid__in=[host["uuid"] for host in about["hosts"]]):
        for pool in host.pool_facts():
            if not sharers.get(pool.uuid, set()) <= set(pool.markers):
                return False
    return True


def forget_lab_hosts(keep: Iterable[str] = ()) -> None:
    """Hosts of a lab that is not there any more; one with an unfinished job stays until that is settled."""
    for host in Host.objects.exclude(hardware_uuid__in=list(keep)):
        if LAB_TAG in host.tags:
            try:
                remove_host(principal=_drover(), host=host)
            except Busy:
                continue


def own_hosts(hosts: Iterable[OwnHost], approve: Callable[[OwnHost, Mapping[str, Any]], bool]) -> list[Host]:
    """One after the other, because a person may be asked; `approve(host, shown)` answers for its ssh key."""
    return [_own_host(host, approve) for host in hosts]


def _own_host(host: OwnHost, approve: Callable[[OwnHost, Mapping[str, Any]], bool]) -> Host:
    known = Host.objects.filter(transport=host.transport, address=host.address, port=host.port).first()
    if known is not None:
        return known
    fields = vars(host)
    try:
        return add_host(principal=_drover(), **fields)
    except Refused as refusal:
        if refusal.code != "host_key_unknown" or not approve(host, refusal.data):
            raise
        return add_host(principal=_drover(), **fields, ssh_host_key=refusal.data["key"])


def _drover() -> Principal:
    return Principal.system(door="command")


def _side_by_side(work: Callable[[Any], Host], items: Iterable[Any]) -> list[Host]:
    """In threads, each with a database connection of its own."""

    def closing(item: Any) -> Host:
        try:
            return work(item)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(closing, items))
