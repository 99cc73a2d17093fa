"""Guests, and where each was seen."""

from __future__ import annotations

import uuid
from typing import Any

from django.apps import apps
from django.db import models

from fleet.hypervisor.facts import GuestFacts, load
from fleet.models.host import Host
from fleet.states import UNFINISHED, GuestState, choices


class GuestQuerySet(models.QuerySet["Guest"]):
    """Guests as lists and documents need them."""

    def running_twice(self) -> GuestQuerySet:
        """The alarm of alarms; an index of their own makes it cheap to ask for none."""
        return self.filter(runs_twice_since__isnull=False)

    def for_documents(self) -> GuestQuerySet:
        """With host, site and unfinished job, in two queries."""
        jobs = apps.get_model("fleet", "Job").objects.filter(state__in=UNFINISHED)
        return self.select_related("host__site").prefetch_related(
            models.Prefetch("jobs", jobs, to_attr="prefetched_unfinished_jobs")
        )


class Guest(models.Model):
    """A virtual machine, known by its libvirt UUID wherever it runs."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    uuid = models.UUIDField(unique=True)
    name = models.CharField(max_length=255, db_index=True)
    #: Where it is by the newest truth; sightings hold what every host says. None: no host knows it any more.
    host = models.ForeignKey(Host, null=True, blank=True, on_delete=models.SET_NULL, related_name="guests")
    state = models.CharField(
        max_length=12, choices=choices(GuestState), default=GuestState.UNKNOWN.value, db_index=True
    )
    memory_mib = models.PositiveBigIntegerField(default=0)
    vcpus = models.PositiveIntegerField(default=0)
    cpu_percent = models.FloatField(null=True, blank=True)
    tags = models.JSONField(default=list, blank=True)
    #: An operator's "leave it where it is": plans and best-destination choices never move it.
    pinned = models.BooleanField(default=False)
    #: Name of the migration policy that its operators chose; "" leaves it to tag, site and default.
    policy = models.CharField(max_length=60, blank=True)
    #: Memory it writes anew, by libvirt's measurement while it was left in peace; null: never measured.
    dirty_bytes_s = models.PositiveBigIntegerField(null=True, blank=True)
    dirty_measured_at = models.DateTimeField(null=True, blank=True)
    #: The same over `gauging.LONG_S`, each page once: with it flat, a guest writes one small set again and again.
    dirty_set_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    #: What it really uses of its memory; null: not known.
    memory_used_mib = models.PositiveBigIntegerField(null=True, blank=True)
    #: Names of the hosts that run it at once: the alarm of alarms. Empty when all is well.
    runs_twice_on = models.JSONField(default=list, blank=True)
    #: Since when; null when all is well. Every page asks for it.
    runs_twice_since = models.DateTimeField(null=True, blank=True)
    #: Where an operator says that it answers; its silence during a move is measured there. Null: as its host knows it.
    watch_address = models.GenericIPAddressField(null=True, blank=True)
    #: `facts.GuestFacts` as a document.
    facts = models.JSONField(default=dict)
    version = models.PositiveBigIntegerField(default=0)
    first_seen_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = GuestQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        indexes = [
            # The banner on every page: an index of the guests in trouble, which is empty when all is well.
            models.Index(
                name="guests_that_run_twice",
                fields=["runs_twice_since"],
                condition=models.Q(runs_twice_since__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.name

    def guest_facts(self) -> GuestFacts:
        """The stored facts as a value."""
        return load(GuestFacts, self.facts)

    @property
    def unfinished_jobs(self) -> list[Any]:
        """At most one; the database sees to that."""
        prefetched: list[Any] | None = getattr(self, "prefetched_unfinished_jobs", None)
        return list(self.jobs.filter(state__in=UNFINISHED)) if prefetched is None else prefetched

    @property
    def disks(self) -> list[dict[str, Any]]:
        """Disk documents (`facts.DiskFacts`)."""
        return list(self.facts.get("disks", []))

    @property
    def interfaces(self) -> list[dict[str, Any]]:
        """Interface documents (`facts.InterfaceFacts`)."""
        return list(self.facts.get("interfaces", []))


class Sighting(models.Model):
    """What one host says about one guest; two active sightings of a guest are the alarm of alarms."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="sightings")
    guest = models.ForeignKey(Guest, on_delete=models.CASCADE, related_name="sightings")
    state = models.CharField(max_length=12, choices=choices(GuestState))
    reason = models.CharField(max_length=40, blank=True)
    persistent = models.BooleanField(default=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="one_sighting_per_host_and_guest", fields=["host", "guest"])]

    def __str__(self) -> str:
        return f"{self.guest_id} on {self.host_id}: {self.state}"
