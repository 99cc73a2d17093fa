"""Disks that moved away: the source's files, kept for a while after the proven arrival of their copies."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from fleet.models import Host, Job


class QuarantineQuerySet(models.QuerySet["QuarantinedDisk"]):
    """Quarantined disks as lists and documents need them."""

    def for_documents(self) -> QuarantineQuerySet:
        """With host and site, in one query."""
        return self.select_related("host__site", "wished_by")

    def kept(self) -> QuarantineQuerySet:
        """Those whose file is still there on purpose."""
        return self.filter(state=QuarantinedDisk.State.KEPT)


class QuarantinedDisk(models.Model):
    """One file at one host that no guest needs any more, as far as anybody knows."""

    class State(models.TextChoices):
        KEPT = "kept"
        #: Taken out: the file stays as an ordinary volume.
        RESTORED = "restored"
        DELETED = "deleted"
        #: Somebody removed the file behind Drover's back.
        GONE = "gone"

    class Wish(models.TextChoices):
        """What an operator asked for; a worker does it, for the web process speaks to no host."""

        NONE = ""
        RESTORE = "restore"
        DELETE = "delete"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="quarantined_disks")
    host_name = models.CharField(max_length=100)
    #: "" for a file outside all pools, which libvirt can neither mark nor remove.
    pool = models.CharField(max_length=255, blank=True)
    path = models.CharField(max_length=4096)
    #: What it takes on the host's storage; null until a worker has measured it.
    size_bytes = models.PositiveBigIntegerField(null=True)
    guest_uuid = models.UUIDField(db_index=True)
    guest_name = models.CharField(max_length=255)
    #: The move that left it behind.
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+")
    since = models.DateTimeField()
    #: Null: kept until somebody deletes it.
    expires_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.KEPT)
    ended_at = models.DateTimeField(null=True)
    #: Path of the note beside the file that tells people at the host what it is; "" until it is written.
    note = models.CharField(max_length=4096, blank=True)
    wish = models.CharField(max_length=10, choices=Wish.choices, default=Wish.NONE, blank=True)
    wished_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    #: Why it could not be dealt with the last time, in words.
    trouble = models.TextField(blank=True)
    #: No worker looks before: another one is at it, or the last try failed.
    rests_until = models.DateTimeField(null=True)

    objects = QuarantineQuerySet.as_manager()

    class Meta:
        ordering = ["-since", "id"]
        constraints = [
            models.UniqueConstraint(
                name="one_kept_disk_per_host_and_path", fields=["host", "path"], condition=Q(state="kept")
            ),
            models.CheckConstraint(
                name="quarantine_state_is_known", condition=Q(state__in=["kept", "restored", "deleted", "gone"])
            ),
            models.CheckConstraint(
                name="only_kept_disks_have_no_end",
                condition=Q(state="kept", ended_at__isnull=True) | (~Q(state="kept") & Q(ended_at__isnull=False)),
            ),
        ]
        indexes = [
            # The sweep looks at kept disks only.
            models.Index(name="kept_disks_by_expiry", fields=["expires_at"], condition=Q(state="kept")),
            models.Index(name="newest_quarantined_disks", fields=["-since", "id"]),
        ]

    def __str__(self) -> str:
        return f"{self.path} on {self.host_name}"
