"""Boundary. The lab's certificates: one authority, one certificate per host, one for the manager."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from lab import processes
from lab.places import Places


def make_authority(places: Places) -> None:
    """The authority all hosts of a lab trust."""
    places.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    processes.run(
        [
            *request(f"/CN=Drover lab {places.name} authority", places.pki / "ca.key", places.pki / "ca.pem"),
            *extension("basicConstraints=critical,CA:TRUE"),
            *extension("keyUsage=critical,keyCertSign"),
        ]
    )


def request(subject: str, key: Path, certificate: Path) -> list[str]:
    """The beginning of every `openssl req`: a new P-256 key, because RSA keys cost seconds."""
    return [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "365"),
        *("-subj", subject, "-keyout", str(key), "-out", str(certificate)),
    ]


def extension(text: str) -> list[str]:
    """One X.509 extension."""
    return ["-addext", text]


def sign(places: Places, name: str, alternatives: Sequence[str], folder: Path) -> None:
    """A certificate good for both ends, as cert.pem and key.pem in a folder."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = extension("subjectAltName=" + ",".join(alternatives)) if alternatives else []
    processes.run(
        [
            *request(f"/O=Drover lab {places.name}/CN={name}", folder / "key.pem", folder / "cert.pem"),
            *("-CA", str(places.pki / "ca.pem"), "-CAkey", str(places.pki / "ca.key")),
            *extension("basicConstraints=critical,CA:FALSE"),
            *extension("keyUsage=critical,digitalSignature,keyEncipherment"),
            *extension("extendedKeyUsage=serverAuth,clientAuth"),
            *names,
        ]
    )
    (folder / "key.pem").chmod(0o600)


def client_folder(places: Places) -> Path:
    """What goes into `?pkipath=` or a credential of Drover's: cacert.pem, clientcert.pem, clientkey.pem."""
    return places.pki / "client"


def make_client(places: Places) -> None:
    """The manager's certificate."""
    folder = client_folder(places)
    sign(places, "manager", [], folder)
    (folder / "cert.pem").rename(folder / "clientcert.pem")
    (folder / "key.pem").rename(folder / "clientkey.pem")
    shutil.copy(places.pki / "ca.pem", folder / "cacert.pem")


def install(places: Places, host: str, address: str, etc: Path) -> None:
    """A host's certificate in all the places libvirt and QEMU look for it by themselves."""
    made = places.pki / "hosts" / host
    sign(places, host, [f"DNS:{host}", f"IP:{address}"], made)
    authority, certificate, key = places.pki / "ca.pem", made / "cert.pem", made / "key.pem"
    copies = {
        "CA/cacert.pem": authority,
        "libvirt/servercert.pem": certificate,
        "libvirt/clientcert.pem": certificate,
        "libvirt/private/serverkey.pem": key,
        "libvirt/private/clientkey.pem": key,
        "qemu/ca-cert.pem": authority,
        "qemu/server-cert.pem": certificate,
        "qemu/client-cert.pem": certificate,
        "qemu/server-key.pem": key,
        "qemu/client-key.pem": key,
    }
    for name, source in copies.items():
        target = etc / "pki" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
