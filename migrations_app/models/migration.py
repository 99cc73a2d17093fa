"""A migration: what was asked, how it is done, and the receipt."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from fleet.models import Guest, Host, Job


class Migration(models.Model):
    """The move behind one job of kind `migration`."""

    class Mode(models.TextChoices):
        LIVE = "live"
        OFFLINE = "offline"
        COLD = "cold"
        #: The disks of a running guest move to another pool of the same host.
        STORAGE = "storage"

    class Route(models.TextChoices):
        DIRECT = "direct"
        #: Through the worker, for hosts that cannot reach each other.
        RELAY = "relay"

    class Storage(models.TextChoices):
        NONE = "none"
        COPY = "copy"
        COPY_INCREMENTAL = "copy_incremental"

    job = models.OneToOneField(Job, on_delete=models.CASCADE, primary_key=True, related_name="migration")
    guest = models.ForeignKey(Guest, null=True, on_delete=models.SET_NULL, related_name="migrations")
    source = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="migrations_out")
    destination = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="migrations_in")
    #: The guest's libvirt UUID and both names, kept for the day a row is gone.
    guest_uuid = models.UUIDField()
    source_name = models.CharField(max_length=100)
    destination_name = models.CharField(max_length=100)
    mode = models.CharField(max_length=10, choices=Mode.choices)
    storage = models.CharField(max_length=20, choices=Storage.choices)
    route = models.CharField(max_length=10, choices=Route.choices, default=Route.DIRECT)
    #: `migrations_app.options.Options` as a document.
    options = models.JSONField(default=dict)
    #: `migrations_app.terms.Terms` as a document: the policy with the options over it, as decided at the start.
    terms = models.JSONField(default=dict)
    #: `map_rules.MapRules` with its name, as decided at the start; {}: no map.
    map_rules = models.JSONField(default=dict)
    #: The wish as it was asked, so that it can be tried again: {"destination": id or null, "mode", "storage"}.
    wish = models.JSONField(default=dict)
    not_before = models.DateTimeField(null=True, blank=True)
    #: MiB/s it may take of its way now, as the queue shares it out; 0: nothing limits it, null: not shared out yet.
    allotted_mib_s = models.PositiveIntegerField(null=True, blank=True)
    #: When all its bytes were across: its part of the links is free from then on.
    carried_at = models.DateTimeField(null=True, blank=True)
    #: How far a relayed move is, so that any worker can go on: files, their sizes and digests of what arrived.
    relay = models.JSONField(default=dict)
    #: Memory the guest will need at the destination; unfinished migrations count as taken there.
    memory_mib = models.PositiveBigIntegerField()
    #: Room its disks will need at the destination, in bytes by pool; taken there as well.
    pool_bytes = models.JSONField(default=dict)
    #: What this job made at the destination and must remove if the guest does not arrive:
    #: [{"path", "pool", "target", "source"}], where `source` is the file at the source that was copied.
    artefacts = models.JSONField(default=list)
    #: When libvirt's migrate call was entered; with it set a new worker adopts instead of starting again.
    call_entered_at = models.DateTimeField(null=True, blank=True)
    #: The proof of what happened: times, bytes, downtime, iterations, where the single copy runs.
    receipt = models.JSONField(default=dict)
    #: Ed25519 over the receipt's canonical JSON, as base64, and which key made it: see `receipts.seal`.
    receipt_signature = models.CharField(max_length=100, blank=True)
    receipt_key = models.CharField(max_length=16, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_migration_goes_somewhere_else_unless_only_disks_move",
                condition=Q(source__isnull=True)
                | Q(destination__isnull=True)
                | (~Q(source=F("destination")) & ~Q(mode="storage"))
                | (Q(source=F("destination")) & Q(mode="storage")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.guest_uuid} from {self.source_name} to {self.destination_name}"

    @property
    def way(self) -> str:
        """How it is carried out: a name in `flows.ways`."""
        if self.mode == self.Mode.STORAGE:
            return "storage"
        return "relay" if self.route == self.Route.RELAY else "peer"
