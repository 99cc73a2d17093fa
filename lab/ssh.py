"""Boundary. Keys for ssh: the manager's own pair, which every host's root holds too, and the hosts' keys."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from lab import processes
from lab.places import Places

SSHD_CONFIG = """\
Port 22
HostKey /etc/ssh/lab_host_key
AuthorizedKeysFile /etc/ssh/lab_authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
PidFile /run/sshd.pid
UseDNS no
MaxStartups 100
Subsystem sftp internal-sftp
"""

CLIENT_CONFIG = """\
Host *
    User root
    IdentityFile /etc/ssh/lab_key
    UserKnownHostsFile /etc/ssh/lab_known_hosts
    StrictHostKeyChecking yes
"""


def make_key(path: Path, comment: str) -> None:
    """A new Ed25519 key pair."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    processes.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])


def make_manager(places: Places) -> None:
    """The key Drover would be given."""
    make_key(places.ssh / "id_ed25519", f"drover-lab-{places.name}")


def make_host(places: Places, host: str) -> None:
    """The host's own key."""
    make_key(places.ssh / "hosts" / host, f"{host}.{places.name}")


def known_hosts(places: Places, addresses: Mapping[str, str]) -> str:
    """The pinned keys of all hosts, by name and by address."""
    keys = {name: (places.ssh / "hosts" / f"{name}.pub").read_text().split() for name in addresses}
    return "".join(f"{name},{addresses[name]} {kind} {key}\n" for name, (kind, key, *_) in keys.items())


def install(places: Places, host: str, known: str, etc: Path) -> None:
    """A host's sshd and ssh settings in its private /etc."""
    folder = etc / "ssh"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(places.ssh / "hosts" / host, folder / "lab_host_key")
    shutil.copy(places.ssh / "id_ed25519", folder / "lab_key")
    shutil.copy(places.ssh / "id_ed25519.pub", folder / "lab_authorized_keys")
    (folder / "lab_known_hosts").write_text(known)
    (folder / "lab_sshd_config").write_text(SSHD_CONFIG)
    (folder / "ssh_config").write_text(CLIENT_CONFIG)
