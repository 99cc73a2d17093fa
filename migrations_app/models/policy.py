"""Migration policies: what operators promise the owners of guests, and what may be done to keep it."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from fleet.models import Site
from migrations_app.options import MAX_BANDWIDTH_MIB_S, MAX_CONNECTIONS, MAX_DOWNTIME_MS
from migrations_app.terms import Encryption, Terms

#: A week; what takes longer is no live migration.
MAX_DURATION_S = 604_800


class MigrationPolicy(models.Model):
    """Terms under a name, for guests that name it, that carry one of its tags or stand at one of its sites."""

    class Encryptions(models.TextChoices):
        OFF = Encryption.OFF.value, "No"
        OPPORTUNISTIC = Encryption.OPPORTUNISTIC.value, "Where both hosts can"
        REQUIRED = Encryption.REQUIRED.value, "Always"

    class Compressions(models.TextChoices):
        NONE = "", "No"
        XBZRLE = "xbzrle", "xbzrle: only what changed within a page"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=60)
    description = models.CharField(max_length=300, blank=True)
    #: The fields of `terms.Terms`.
    max_pause_ms = models.PositiveIntegerField(default=300)
    max_duration_s = models.PositiveIntegerField(default=0)
    may_throttle = models.BooleanField(default=True)
    may_post_copy = models.BooleanField(default=False)
    may_pause = models.BooleanField(default=False)
    encryption = models.CharField(max_length=13, choices=Encryptions.choices, default=Encryptions.OFF)
    bandwidth_mib_s = models.PositiveIntegerField(default=0)
    bandwidth_share_percent = models.PositiveSmallIntegerField(default=100)
    parallel = models.PositiveSmallIntegerField(default=0)
    compression = models.CharField(max_length=10, blank=True, choices=Compressions.choices, default="")
    #: Whose guests it is for, where the guest itself names none.
    tags = models.JSONField(default=list, blank=True)
    sites = models.ManyToManyField(Site, blank=True, related_name="migration_policies")
    is_default = models.BooleanField(default=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(Lower("name"), name="one_migration_policy_per_name"),
            models.UniqueConstraint(fields=["is_default"], condition=Q(is_default=True), name="one_default_policy"),
            models.CheckConstraint(
                name="a_policy_shares_between_1_and_100_percent",
                condition=Q(bandwidth_share_percent__gte=1, bandwidth_share_percent__lte=100),
            ),
            models.CheckConstraint(
                name="a_policys_numbers_are_in_range",
                condition=Q(max_pause_ms__gte=1, max_pause_ms__lte=MAX_DOWNTIME_MS)
                & Q(max_duration_s__lte=MAX_DURATION_S, bandwidth_mib_s__lte=MAX_BANDWIDTH_MIB_S)
                & Q(parallel__lte=MAX_CONNECTIONS),
            ),
            models.CheckConstraint(
                name="a_policys_encryption_is_known", condition=Q(encryption__in=[one.value for one in Encryption])
            ),
            # QEMU 7.2 refuses both beside parallel connections.
            models.CheckConstraint(
                name="parallel_goes_without_compression_and_post_copy",
                condition=Q(parallel__lte=1) | Q(compression="", may_post_copy=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def terms(self) -> Terms:
        """As a value."""
        return Terms(
            policy=self.name,
            max_pause_ms=self.max_pause_ms,
            max_duration_s=self.max_duration_s,
            may_throttle=self.may_throttle,
            may_post_copy=self.may_post_copy,
            may_pause=self.may_pause,
            encryption=Encryption(self.encryption),
            bandwidth_mib_s=self.bandwidth_mib_s,
            bandwidth_share_percent=self.bandwidth_share_percent,
            parallel=self.parallel,
            compression=self.compression,
        )
