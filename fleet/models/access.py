"""Who may do what, and the record of what was done."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from fleet.models.job import Job
from fleet.models.site import Site
from fleet.states import Role, choices


class Grant(models.Model):
    """A role for a person, everywhere or at one site."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="grants")
    role = models.CharField(max_length=10, choices=choices(Role))
    site = models.ForeignKey(Site, null=True, blank=True, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="one_grant_per_user_and_site", fields=["user", "site"]),
            # For SQL two nulls differ, and SQLite knows no other way to say it.
            models.UniqueConstraint(
                name="one_grant_per_user_everywhere", fields=["user"], condition=Q(site__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} at {self.site or 'every site'}"


class ApiToken(models.Model):
    """A program's key; only the hash of its secret half is kept, and it never exceeds its owner's role."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100, blank=True)
    #: The public half, by which the row is found.
    key = models.CharField(max_length=16, unique=True)
    digest = models.CharField(max_length=64)
    role = models.CharField(max_length=10, choices=choices(Role))
    site = models.ForeignKey(Site, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name or self.key


class LoginLink(models.Model):
    """A link that signs one person in once; only its hash is kept."""

    digest = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"for {self.user}"


class AuditEvent(models.Model):
    """One change: who, what, and how it ended. The database refuses to change or delete a row (migration 0002)."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(auto_now_add=True)
    #: Empty for Drover itself (watcher, schedules).
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    user_name = models.CharField(max_length=150, blank=True)
    #: "page", "api:<token key>", "command", "worker".
    door = models.CharField(max_length=40)
    address = models.GenericIPAddressField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    #: Stable word for what was wished, for example "host.add", "migration.submit", "job.cancel", "migration.outcome".
    verb = models.CharField(max_length=60, db_index=True)
    subject_kind = models.CharField(max_length=30)
    subject_id = models.CharField(max_length=64, db_index=True)
    subject_name = models.CharField(max_length=255, blank=True)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    #: "done", "accepted", "refused", "succeeded", "failed", "cancelled", "unknown"; never claimed before it is proven.
    outcome = models.CharField(max_length=20)
    detail = models.TextField(blank=True)
    job = models.ForeignKey(Job, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    #: SHA-256 over the row before it and this row's content.
    chain = models.CharField(max_length=64)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.user_name or 'Drover'} {self.verb} {self.subject_name}: {self.outcome}"
