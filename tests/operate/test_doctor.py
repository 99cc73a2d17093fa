"""What is wrong is named, with the line that mends it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.management import CommandError, call_command

from fleet.models import Host


def doctor(*topics: str) -> tuple[str, bool]:
    """What it says, and whether all was well."""
    said = StringIO()
    try:
        call_command("doctor", only=list(topics), stdout=said)
    except CommandError:
        return said.getvalue(), False
    return said.getvalue(), True


def pki(folder: Path, days: int) -> None:
    """Certificates that hold for so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    for file in ("cacert.pem", "clientcert.pem"):
        (folder / file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = folder / "clientkey.pem"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    private.chmod(0o600)


@pytest.fixture
def tls_host(cast, settings, tmp_path: Path) -> Path:
    """A host that needs certificates; the folder for them."""
    Host.objects.filter(name="alpha").update(transport="tls")
    settings.PKI_DIR = tmp_path
    return tmp_path


def test_a_good_database_is_said_to_be_good(db) -> None:
    said, good = doctor("database")
    assert good
    assert "up to date" in said


def test_a_missing_redis_comes_with_the_command_that_starts_it(settings) -> None:
    settings.REDIS_CONNECTION_URL = "unix:///nowhere/redis.sock?db=0"
    said, good = doctor("redis")
    assert not good
    assert "-> Start it: manage.py up" in said


@pytest.mark.parametrize(
    ("days", "good", "words"),
    [(365, True, "holds until"), (10, False, "expires in 9 days"), (-3, False, "expired on")],
)
def test_certificates_are_told_before_they_end(tls_host: Path, days: int, good: bool, words: str) -> None:
    pki(tls_host, days)
    said, well = doctor("keys")
    assert well is good
    assert words in said


def test_missing_keys_are_named_with_their_place(tls_host: Path) -> None:
    said, good = doctor("keys")
    assert not good
    assert str(tls_host) in said
    assert "clientkey.pem" in said


def test_a_key_for_everybody_is_named_with_chmod(tls_host: Path) -> None:
    pki(tls_host, 365)
    (tls_host / "clientkey.pem").chmod(0o640)
    said, good = doctor("keys")
    assert not good
    assert f"chmod 600 {tls_host / 'clientkey.pem'}" in said


def test_hosts_that_nobody_watches_are_counted(cast) -> None:
    said, good = doctor("watcher")
    assert not good
    assert "3 of 3 hosts are watched by nobody" in said
