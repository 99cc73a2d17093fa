"""The fleet app: what exists and what is being done."""

from __future__ import annotations

from ipaddress import ip_network

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class FleetConfig(AppConfig):
    """Sites, hosts, guests, jobs and who may touch them."""

    name = "fleet"
    verbose_name = "Fleet"

    def ready(self) -> None:
        """Tell Celery's tasks their broker, and the hypervisor edge where its keys lie; libvirt is not loaded here."""
        # Important: without its app a shared task rings at Celery's default broker, which nobody listens to.
        from fleet import celery  # noqa: F401, PLC0415 - settings are not ready earlier
        from fleet.hypervisor import connect  # noqa: PLC0415 - models are not ready earlier
        from fleet.hypervisor.config import EdgeConfig  # noqa: PLC0415

        try:
            networks = tuple(ip_network(text, strict=False) for text in settings.HOST_NETWORKS)
        except ValueError as error:
            raise ImproperlyConfigured(f"DROVER_HOST_NETWORKS: {error}") from None
        connect.configure(
            EdgeConfig(
                pki_dir=settings.PKI_DIR,
                ssh_key=settings.SSH_KEY,
                # Beside our own state: the key may lie in a folder that is not ours to write to.
                known_hosts_dir=settings.HOME / "known_hosts",
                open_deadline_s=settings.OPEN_DEADLINE_S,
                call_deadline_s=settings.CALL_DEADLINE_S,
                transports=tuple(settings.TRANSPORTS),
                networks=networks,
            )
        )
