"""Shares: which watcher looks after which hosts, by leases in the database and its clock alone.

A watcher that asks for its share sees who else holds leases, takes what is free or expired up to a fair share, and
takes the surplus from whoever has more. The one it took from notices at its next renewal. That both look after a host
for those seconds is harmless: rows follow what the host says, whoever writes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from fleet.jobs.lease import from_now
from fleet.models import Host, HostLease

#: Seconds a lease lasts without renewal. With one renewal period on top, a dead watcher's hosts are looked after by
#: another within 12 s, and a watcher that waits 5 s for a busy database loses nothing.
LEASE_S = 9.0
#: Seconds between renewals.
RENEW_S = 2.5


class Shares:
    """One watcher's part of the fleet; `name` must be its own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def renew(self) -> frozenset[UUID]:
        """Keep what we have, take what we should have; returns the hosts that are ours now."""
        self._mine().update(expires_at=from_now(LEASE_S))
        self._lease_new_hosts()
        owners = dict(HostLease.objects.filter(expires_at__gte=Now()).exclude(owner="").values_list("host_id", "owner"))
        hosts = sorted(HostLease.objects.values_list("host_id", flat=True))
        wanted = wanted_by(self.name, hosts, owners)
        if wanted:
            self._take(wanted, owners)
        return frozenset(self._mine().values_list("host_id", flat=True))

    def still_ours(self, hosts: Sequence[UUID]) -> set[UUID]:
        """Those of the hosts whose lease is ours and has not run out: whoever lost one writes nothing more about it."""
        return set(self._mine().filter(host_id__in=hosts, expires_at__gte=Now()).values_list("host_id", flat=True))

    def release(self) -> None:
        """Let everything go, so that others need not wait for the leases to run out."""
        self._mine().update(owner="", expires_at=None)

    def _mine(self) -> QuerySet[HostLease]:
        return HostLease.objects.filter(owner=self.name)

    def _lease_new_hosts(self) -> None:
        new = list(Host.objects.filter(lease=None).values_list("pk", flat=True))
        if new:
            HostLease.objects.bulk_create([HostLease(host_id=host) for host in new], ignore_conflicts=True)

    def _take(self, wanted: Sequence[UUID], owners: dict[UUID, str]) -> None:
        """Each lease is taken from the owner we saw, so of two takers one succeeds."""
        with transaction.atomic():
            for owner in {owners.get(host, "") for host in wanted}:
                hosts = [host for host in wanted if owners.get(host, "") == owner]
                unchanged = Q(owner=owner) if owner else Q(owner="") | Q(expires_at=None) | Q(expires_at__lt=Now())
                HostLease.objects.filter(unchanged, host_id__in=hosts).update(
                    owner=self.name, expires_at=from_now(LEASE_S)
                )


def wanted_by(name: str, hosts: Sequence[UUID], owners: dict[UUID, str]) -> list[UUID]:
    """Hosts that `name` should take now; `owners` says who holds a lease that is still good.

    Free ones first, up to a fair share. Others' only as far as they have more than a fair share and we have less, so
    that two watchers with 2 and 3 of 5 hosts leave each other alone. Nobody's host is left over: whoever comes first
    takes the rest, and the others take their part from it.
    """
    counts = Counter(owners.values())
    held = counts.pop(name, 0)
    watchers = len(counts) + 1
    least, most = len(hosts) // watchers, -(-len(hosts) // watchers)
    free = [host for host in hosts if host not in owners]
    take = free[: max(most - held, 0)]
    missing = least - held - len(take)
    for owner, count in counts.most_common():
        surplus = min(count - most, missing)
        if surplus <= 0:
            break
        take += [host for host in hosts if owners.get(host) == owner][:surplus]
        missing -= surplus
    return take
