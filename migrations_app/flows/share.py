"""A running move's part of the links: what it may take now is in its row, and is carried out here."""

from __future__ import annotations

from django.db import connection
from django.db.models.functions import Now

from fleet.hypervisor.errors import HypervisorError
from migrations_app.flows import admit
from migrations_app.flows.errand import Errand
from migrations_app.models import Migration


def allotted(errand: Errand) -> int:
    """MiB/s it may take now; 0: nothing limits it."""
    rows = Migration.objects.filter(pk=errand.migration.pk)
    return rows.values_list("allotted_mib_s", flat=True).first() or errand.terms.bandwidth_mib_s


class Share:
    """Keeps a migration at what its row allots; `given` is what libvirt was told last."""

    def __init__(self, errand: Errand, given: int | None = None) -> None:
        self.errand, self.given = errand, given

    def apply(self) -> None:
        """Tell libvirt if it is something else by now; a migration that is just beginning or ending is told later."""
        now = allotted(self.errand)
        if now in {0, self.given}:
            return
        try:
            self.errand.source.set_bandwidth(self.errand.uuid, now)
        except HypervisorError:
            return
        self.given = now

    def let_go(self) -> None:
        """All bytes are across: the next one may take over at once, not only when this job has ended.

        For the thread that made libvirt's call, beside the one that settles.
        """
        if not self.given:
            return
        try:
            rows = Migration.objects.filter(pk=self.errand.migration.pk, carried_at__isnull=True)
            if rows.update(carried_at=Now()):
                admit.tidy()
        finally:
            connection.close()
