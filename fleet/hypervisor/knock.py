"""Does something that can talk to us listen there? Asked with our own sockets, which libvirt's opening cannot offer.

`libvirt.open` has no timeout before the connection stands, and a thread that hangs in it is lost; a knock is not. It
proves nothing about identity: libvirt itself checks certificates and host keys right afterwards.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence

from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.errors import BadCertificate, HostUnreachable
from fleet.hypervisor.facts import HostAddress
from fleet.hypervisor.uris import DEFAULT_PORTS


def knock(address: HostAddress, ips: Sequence[str], config: EdgeConfig, *, deadline_s: float) -> None:
    """Return when the host's port answers in its protocol; raises HostUnreachable or BadCertificate with the reason."""
    until = time.monotonic() + deadline_s
    port = address.port or DEFAULT_PORTS[address.transport]
    with _connect(address, ips, port, until) as stream:
        stream.settimeout(max(until - time.monotonic(), 0.1))
        try:
            if address.transport == "ssh":
                _expect_ssh(stream, address, port)
            elif address.transport == "tls":
                _shake_hands(stream, address, config)
        except TimeoutError:
            text = f"{address.address} port {port} is open, but nobody answers there within {deadline_s:.0f} s"
            raise HostUnreachable(text, host=address.name) from None
        except OSError as error:
            text = f"{address.address} port {port} closed the connection: {error.strerror or error}"
            raise HostUnreachable(text, host=address.name) from error


def what_is_wrong(address: HostAddress, ips: Sequence[str], config: EdgeConfig, *, deadline_s: float) -> str:
    """Why the host's certificate is not accepted, in OpenSSL's words; libvirt's error only says that it is not."""
    context = ssl.create_default_context(cafile=config.pki_dir / "cacert.pem")
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        context.load_cert_chain(config.pki_dir / "clientcert.pem", config.pki_dir / "clientkey.pem")
        until = time.monotonic() + deadline_s
        with _connect(address, ips, address.port or DEFAULT_PORTS["tls"], until) as stream:
            stream.settimeout(deadline_s)
            context.wrap_socket(stream, server_hostname=address.address).close()
    except ssl.SSLCertVerificationError as error:
        return str(error.verify_message)
    except (OSError, HostUnreachable) as error:
        return str(error)
    return "the host closed the connection: it may not accept our client certificate"


def _connect(address: HostAddress, ips: Sequence[str], port: int, until: float) -> socket.socket:
    reason = "no address"
    for ip in ips:
        try:
            return socket.create_connection((ip, port), timeout=max(until - time.monotonic(), 0.1))
        except TimeoutError:
            reason = "no answer (the host is off, or a firewall drops us)"
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
    raise HostUnreachable(f"{address.address} port {port}: {reason}", host=address.name)


def _expect_ssh(stream: socket.socket, address: HostAddress, port: int) -> None:
    banner = stream.recv(64)
    if not banner.startswith(b"SSH-"):
        raise HostUnreachable(f"{address.address} port {port} is no ssh server", host=address.name)


def _shake_hands(stream: socket.socket, address: HostAddress, config: EdgeConfig) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Only liveness is asked here; GnuTLS in libvirt verifies authority and name, by its own rules.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        context.load_cert_chain(config.pki_dir / "clientcert.pem", config.pki_dir / "clientkey.pem")
    except (OSError, ssl.SSLError) as error:
        text = f"Our own client certificate in {config.pki_dir} cannot be used: {error}"
        raise BadCertificate(text, host=address.name) from error
    try:
        context.wrap_socket(stream, server_hostname=address.address).close()
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        if "version number" in reason or "unexpected eof" in reason:
            text = f"What listens at {address.address} speaks no TLS"
            raise HostUnreachable(text, host=address.name) from error
        text = f"The TLS handshake with {address.address} failed: {reason}"
        raise BadCertificate(text, host=address.name) from error
