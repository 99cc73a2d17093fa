"""Hosts, and which watcher looks after them."""

from __future__ import annotations

import uuid
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from fleet.hypervisor.facts import HostAddress, HostFacts, PoolFacts, load
from fleet.models.site import Site
from fleet.states import HostState


class HostQuerySet(models.QuerySet["Host"]):
    """Hosts as lists and documents need them."""

    def for_documents(self) -> HostQuerySet:
        """With the site and the number of guests, in one query."""
        guests = apps.get_model("fleet", "Guest").objects.filter(host=models.OuterRef("pk")).order_by().values("host")
        counted = models.Subquery(guests.annotate(total=models.Count("pk")).values("total"))
        # Important: a plain Count would group by every column, big documents too, and forget the order by name.
        return self.select_related("site").annotate(guests_total=Coalesce(counted, 0))


class Host(models.Model):
    """A machine with libvirt. Facts are documents as the host told them; columns are what lists sort and filter by."""

    class Transport(models.TextChoices):
        TLS = "tls"
        SSH = "ssh"
        TCP = "tcp"
        UNIX = "unix"
        TEST = "test"
        FAKE = "fake"

    class Contact(models.TextChoices):
        """What was seen last; the operator's wish is `maintenance`."""

        UP = HostState.UP.value
        UNREACHABLE = HostState.UNREACHABLE.value
        POWERED_OFF = HostState.POWERED_OFF.value

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True)
    address = models.CharField(max_length=253)
    transport = models.CharField(max_length=8, choices=Transport.choices)
    port = models.PositiveIntegerField(null=True, blank=True)
    username = models.CharField(max_length=32, blank=True)
    #: The approved ssh host key, as "type base64"; empty for the other transports.
    ssh_host_key = models.TextField(blank=True)
    migration_address = models.CharField(max_length=253, blank=True)
    site = models.ForeignKey(Site, null=True, blank=True, on_delete=models.PROTECT, related_name="hosts")
    tags = models.JSONField(default=list, blank=True)
    #: Moves at once from and to here; null: Drover's own default.
    max_moves_out = models.PositiveSmallIntegerField(null=True, blank=True)
    max_moves_in = models.PositiveSmallIntegerField(null=True, blank=True)
    #: What its network card gives to moving guests; null: not known.
    migration_bandwidth_mbps = models.PositiveIntegerField(null=True, blank=True)

    contact = models.CharField(max_length=12, choices=Contact.choices, default=Contact.UNREACHABLE)
    #: Why it is unreachable, in words; empty while it is up.
    contact_text = models.TextField(blank=True)
    maintenance = models.BooleanField(default=False)
    last_seen_at = models.DateTimeField(null=True, blank=True)

    #: The host's own UUID as libvirt reports it: the same machine is never added twice.
    hardware_uuid = models.UUIDField(unique=True)
    cpus = models.PositiveIntegerField(default=0)
    memory_mib = models.PositiveBigIntegerField(default=0)
    memory_used_mib = models.PositiveBigIntegerField(default=0)
    cpu_percent = models.FloatField(null=True, blank=True)
    #: `facts.HostFacts` as a document.
    facts = models.JSONField(default=dict)
    #: A list of `facts.PoolFacts` documents.
    pools = models.JSONField(default=list)

    #: Counts every change that pages show; live messages carry it so that an old one is dropped.
    version = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = HostQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="host_port_is_a_port", condition=Q(port__isnull=True) | Q(port__gte=1, port__lte=65535)
            ),
            models.UniqueConstraint(name="one_host_per_address", fields=["transport", "address", "port"]),
            # For SQL two nulls differ, and SQLite knows no other way to say it.
            models.UniqueConstraint(
                name="one_host_per_address_and_usual_port",
                fields=["transport", "address"],
                condition=Q(port__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> HostState:
        """What people and programs see: maintenance shows only on a host that answers."""
        if self.contact == self.Contact.UP and self.maintenance:
            return HostState.MAINTENANCE
        return HostState(self.contact)

    @property
    def guests_count(self) -> int:
        """Guests here; read from the list's own query where there is one."""
        counted: int | None = getattr(self, "guests_total", None)
        return self.guests.count() if counted is None else counted

    def where(self) -> HostAddress:
        """How to reach this host."""
        return HostAddress(
            name=self.name,
            transport=self.transport,
            address=self.address,
            port=self.port,
            username=self.username,
            ssh_host_key=self.ssh_host_key,
            migration_address=self.migration_address,
        )

    def host_facts(self) -> HostFacts:
        """The stored facts as a value."""
        return load(HostFacts, self.facts)

    def pool_facts(self) -> tuple[PoolFacts, ...]:
        """The stored pools as values."""
        return tuple(load(PoolFacts, pool) for pool in self.pools)


class HostLease(models.Model):
    """Which watcher looks after a host; database time decides when it ends."""

    host = models.OneToOneField(Host, on_delete=models.CASCADE, primary_key=True, related_name="lease")
    owner = models.CharField(max_length=100, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.host_id} by {self.owner or 'nobody'}"


def allowed_transports() -> list[Any]:
    """The transports this installation lets people add hosts with, as form choices."""
    return [choice for choice in Host.Transport.choices if choice[0] in settings.TRANSPORTS]
