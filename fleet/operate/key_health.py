"""The doctor's look at keys and certificates: there, readable for us only, and not about to end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from cryptography import x509
from django.conf import settings
from django.utils import timezone

from fleet.models import Host
from fleet.operate.findings import Finding

SOON = timedelta(days=30)
CERTIFICATES = ("cacert.pem", "clientcert.pem")
KEY = "clientkey.pem"


def certificates() -> list[Finding]:
    """For qemu+tls; nothing is said while no host needs them."""
    if not Host.objects.filter(transport=Host.Transport.TLS).exists():
        return []
    return [_certificate(settings.PKI_DIR / name) for name in CERTIFICATES] + [_private(settings.PKI_DIR / KEY)]


def ssh_key() -> list[Finding]:
    """For qemu+ssh; nothing is said while no host needs it."""
    if not Host.objects.filter(transport=Host.Transport.SSH).exists():
        return []
    return [_private(Path(settings.SSH_KEY))]


def _certificate(path: Path) -> Finding:
    fix = f"Put a good one there; for qemu+tls Drover needs {', '.join((*CERTIFICATES, KEY))} in {path.parent}"
    try:
        end = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        return Finding(topic="keys", subject=path.name, text=f"cannot be read: {error}", fix=fix)
    left = end - timezone.now()
    if left < timedelta(0):
        return Finding(topic="keys", subject=path.name, text=f"expired on {end:%Y-%m-%d}", fix=fix)
    if left < SOON:
        return Finding(topic="keys", subject=path.name, text=f"expires in {left.days} days", fix=fix)
    return Finding(topic="keys", subject=path.name, text=f"holds until {end:%Y-%m-%d}")


def _private(path: Path) -> Finding:
    try:
        mode = path.stat().st_mode
        path.open("rb").close()
    except OSError as error:
        fix = f"Put the key there, readable by Drover's own user only: {path}"
        return Finding(topic="keys", subject=path.name, text=f"cannot be read: {error}", fix=fix)
    if mode & 0o077:
        fix = f"chmod 600 {path}"
        return Finding(topic="keys", subject=path.name, text="can be read by other users", fix=fix)
    return Finding(topic="keys", subject=path.name, text="is there, for us only")
