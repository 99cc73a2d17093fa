"""Maps: what a guest's networks, pools and folders are called where it goes."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from fleet.models import Site
from migrations_app import map_rules
from migrations_app.map_rules import MapRules


class TargetMap(models.Model):
    """A stored map; with two sites it holds by itself for every move from the one to the other."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=60, unique=True)
    description = models.CharField(max_length=200, blank=True)
    #: `map_rules.MapRules` as a document.
    rules = models.JSONField(default=dict)
    # A site that a map speaks of is not removed under it: the map would hold somewhere else, or nowhere, unseen.
    source_site = models.ForeignKey(Site, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    target_site = models.ForeignKey(Site, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["name"]
        verbose_name = "map"
        constraints = [
            models.CheckConstraint(
                name="a_map_names_both_sites_or_none",
                condition=Q(source_site__isnull=True, target_site__isnull=True)
                | Q(source_site__isnull=False, target_site__isnull=False),
            ),
            models.UniqueConstraint(
                name="one_map_holds_by_itself_between_two_sites", fields=["source_site", "target_site"]
            ),
            # The option `map` says no to every map with this word.
            models.CheckConstraint(name="no_map_is_called_none", condition=~Q(name="none")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def map_rules(self) -> MapRules:
        """The rules as a value."""
        return map_rules.parse(self.rules, name=self.name)
