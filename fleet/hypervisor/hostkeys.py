"""ssh host keys: what a host shows now, what was approved, and the pinned known_hosts file that libssh2 reads."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
from pathlib import Path

from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.environment import clean_environment
from fleet.hypervisor.errors import HostKeyChanged, HostKeyUnknown, HostUnreachable
from fleet.hypervisor.facts import HostAddress
from fleet.hypervisor.uris import DEFAULT_PORTS, known_hosts_path

#: In the order in which libssh2 asks for them: the first one a host has is the one it will be known by.
#: Only that one is approved. ssh-keyscan proves nothing of the keys it prints, so pinning a second one unseen would
#: let somebody in between show the real key for comparing and a key of his own for connecting.
KEY_TYPES = ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-ed25519", "ssh-rsa")


def fingerprint(key: str) -> str:
    """SHA256 of one "type base64" key, as ssh-keygen -l prints it."""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def key_file(key: str) -> str:
    """Where an ordinary host keeps this key: what its administrator compares the fingerprint with."""
    kind = key.split(maxsplit=1)[0].split("-")
    return f"/etc/ssh/ssh_host_{kind[0] if kind[0] == 'ecdsa' else kind[1]}_key.pub"


def scan(address: HostAddress, ip: str, *, deadline_s: float) -> tuple[str, ...]:
    """The host's keys as "type base64", the one libssh2 will use first; raises HostUnreachable when it shows none."""
    port = address.port or DEFAULT_PORTS["ssh"]
    argv = ["ssh-keyscan", "-T", str(max(int(deadline_s), 1)), "-p", str(port), "-t", "ed25519,ecdsa,rsa", "--", ip]
    try:
        run = subprocess.run(
            argv, capture_output=True, text=True, timeout=deadline_s + 1, env=clean_environment(), check=False
        )
    except subprocess.TimeoutExpired:
        text = f"{address.address} port {port} did not show its ssh host key within {deadline_s:g} s"
        raise HostUnreachable(text, host=address.name) from None
    keys = {" ".join(line.split()[1:3]) for line in run.stdout.splitlines() if line and not line.startswith("#")}
    ranked = sorted(
        (key for key in keys if key.split()[0] in KEY_TYPES), key=lambda key: KEY_TYPES.index(key.split()[0])
    )
    if not ranked:
        raise HostUnreachable(f"{address.address} port {port} shows no ssh host key", host=address.name)
    return tuple(ranked)


def verify(address: HostAddress, shown: tuple[str, ...]) -> None:
    """Raises HostKeyUnknown or HostKeyChanged (with the key to approve) unless the key to be used is approved."""
    approved = set(address.ssh_host_key.splitlines())
    best = shown[0]
    if best in approved:
        return
    changed = bool(approved) and not approved & set(shown)
    kind, text = (
        (HostKeyChanged, "now shows another ssh host key than the approved one")
        if changed
        else (HostKeyUnknown, f"is known by its {best.split()[0]} host key, which nobody has approved yet")
    )
    seen = fingerprint(best)
    raise kind(f"{address.address} {text}: {seen}", host=address.name, fingerprint=seen, key=best)


def pin(address: HostAddress, config: EdgeConfig) -> Path:
    """Write the approved keys, and only those, into this host's own known_hosts file (0600)."""
    port = address.port or DEFAULT_PORTS["ssh"]
    name = address.address if port == DEFAULT_PORTS["ssh"] else f"[{address.address}]:{port}"
    wanted = "".join(f"{name} {key}\n" for key in address.ssh_host_key.splitlines())
    path = known_hosts_path(address, config)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.read_text() == wanted:
        return path
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{id(address):x}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(wanted)
    temporary.replace(path)
    return path
