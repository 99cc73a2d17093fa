"""Sites, and the links between them."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q


class Site(models.Model):
    """A place where hosts stand."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=100)
    latitude = models.FloatField(null=True, blank=True)
    longitude = models.FloatField(null=True, blank=True)
    #: IANA name; schedules of this site are meant in it.
    time_zone = models.CharField(max_length=64, default="UTC")
    #: Moves at once that begin or end here; null: no limit but those of hosts and links.
    max_moves = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="site_latitude_is_on_earth",
                condition=Q(latitude__isnull=True) | Q(latitude__gte=-90, latitude__lte=90),
            ),
            models.CheckConstraint(
                name="site_longitude_is_on_earth",
                condition=Q(longitude__isnull=True) | Q(longitude__gte=-180, longitude__lte=180),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SiteLink(models.Model):
    """What the network between two sites can carry, in one direction."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="links_out")
    target = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="links_in")
    bandwidth_mbps = models.PositiveIntegerField()
    round_trip_ms = models.FloatField(null=True, blank=True)
    #: Moves at once over this link; null: as many as its bandwidth carries well.
    max_moves = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["source__name", "target__name"]
        constraints = [
            models.UniqueConstraint(name="one_link_per_direction", fields=["source", "target"]),
            models.CheckConstraint(name="a_link_joins_two_sites", condition=~Q(source=F("target"))),
        ]

    def __str__(self) -> str:
        return f"{self.source} to {self.target}"
