"""What the edge needs to know of this installation: where its keys lie, its deadlines, what is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

#: Transports that reach a host over the network with an identity proven on both sides.
SAFE_TRANSPORTS = ("tls", "ssh")


@dataclass(frozen=True, kw_only=True, slots=True)
class EdgeConfig:
    """Set once per process by `connect.configure`; nothing in it comes from a person at a page."""

    #: Holds cacert.pem, clientcert.pem and clientkey.pem.
    pki_dir: Path = Path("/etc/pki/drover")
    #: The private key for ssh, mode 0600.
    ssh_key: Path = Path("/var/lib/drover/ssh/id_ed25519")
    #: Folder for one pinned known_hosts file per ssh host; made with mode 0700.
    known_hosts_dir: Path = Path("/var/lib/drover/ssh/known_hosts")
    #: Seconds until opening a connection, or one ordinary call, is given up.
    open_deadline_s: float = 6.0
    call_deadline_s: float = 8.0
    transports: tuple[str, ...] = SAFE_TRANSPORTS
    #: Where hosts may be; empty allows everything but loopback, link-local, multicast and unspecified addresses.
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    #: Seconds between keepalive messages, and how many may stay unanswered before the connection is dead.
    keepalive_s: int = 3
    keepalive_count: int = 3
