"""How a move went against its forecasts: the error that is shown, and what the next forecasts learn from."""

from __future__ import annotations

from django.db import models

from fleet.models import Guest, Host, Job


class ForecastError(models.Model):
    """One per move that arrived. Errors are (forecast - actual) / actual: -0.2 is a fifth too short."""

    job = models.OneToOneField(Job, on_delete=models.CASCADE, primary_key=True, related_name="forecast_error")
    guest = models.ForeignKey(Guest, null=True, on_delete=models.SET_NULL, related_name="+")
    source = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="+")
    destination = models.ForeignKey(Host, null=True, on_delete=models.SET_NULL, related_name="+")
    guest_name = models.CharField(max_length=255)
    source_name = models.CharField(max_length=100)
    destination_name = models.CharField(max_length=100)
    mode = models.CharField(max_length=10)
    copied_disks = models.BooleanField()
    at = models.DateTimeField(auto_now_add=True)

    #: `estimate.Forecast` as a document, as promised when the move was asked for.
    foreseen = models.JSONField(default=dict)
    #: `outlook.Outlook` as a document, when 30 % were done; null where nobody looked in that moment.
    foreseen_at_30 = models.JSONField(null=True, blank=True)
    duration_ms = models.PositiveBigIntegerField()
    sent_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    downtime_ms = models.PositiveIntegerField(null=True, blank=True)

    duration_error = models.FloatField(null=True, blank=True)
    bytes_error = models.FloatField(null=True, blank=True)
    pause_error = models.FloatField(null=True, blank=True)
    duration_error_at_30 = models.FloatField(null=True, blank=True)
    pause_error_at_30 = models.FloatField(null=True, blank=True)

    #: What `history.Past` knows of the move beside who and where.
    taught = models.JSONField(default=dict)

    class Meta:
        ordering = ["-at", "pk"]
        indexes = [
            # The page's last fifty, and what forecasts learn of the fleet and of one guest.
            models.Index(name="forecast_errors_newest", fields=["-at"]),
            models.Index(name="forecast_errors_of_a_guest", fields=["guest", "-at"]),
        ]

    def __str__(self) -> str:
        return f"{self.guest_name} from {self.source_name} to {self.destination_name}"
