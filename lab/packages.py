"""Boundary. Whether the machine has what the lab starts."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.processes import LabError

COMMANDS = {
    "bindfs": "bindfs",
    "gcc": "gcc",
    "ip": "iproute2",
    "tc": "iproute2",
    "virsh": "libvirt-clients",
    "libvirtd": "libvirt-daemon-system",
    "nc": "netcat-openbsd",
    "nft": "nftables",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "openssl": "openssl",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
FILES = {"/usr/lib/x86_64-linux-gnu/libc.a": "libc6-dev"}
PATHS = "/usr/sbin:/usr/bin:/sbin:/bin"


def missing() -> list[str]:
    """Packages that are not there, in order."""
    absent = {package for command, package in COMMANDS.items() if not shutil.which(command, path=PATHS)}
    return sorted(absent | {package for path, package in FILES.items() if not Path(path).exists()})


def require() -> None:
    """Refuse with the line to type."""
    absent = missing()
    if absent:
        line = "apt-get install --no-install-recommends " + " ".join(absent)
        raise LabError(f"these packages are missing: {', '.join(absent)}\n  apt-get update && {line}")
