"""Private libvirtd daemons on loopback, each in its own mount namespace, for hosts of libvirt's test driver."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

FOLDERS = ("/run/libvirt", "/var/lib/libvirt", "/etc/libvirt", "/var/log/libvirt", "/var/cache/libvirt")


class PrivateLibvirtd:
    """Serves `test+tcp://127.0.0.1:PORT/FILE.xml` without any authentication; needs root."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, _free_port()
        folder.mkdir(parents=True)
        config = folder / "libvirtd.conf"
        config.write_text(
            f'listen_tls = 0\nlisten_tcp = 1\nlisten_addr = "127.0.0.1"\ntcp_port = "{self.port}"\nauth_tcp = "none"\n'
            f'unix_sock_dir = "{folder}"\nmax_clients = 5000\nmax_anonymous_clients = 5000\n'
        )
        mounts = "; ".join(f"mkdir -p {path} && mount -t tmpfs tmpfs {path}" for path in FOLDERS)
        command = f"{mounts}; ulimit -n 65536; exec libvirtd --listen --config {config} --pid-file {folder}/pid"
        self.process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", command],
            stdout=subprocess.DEVNULL,
            stderr=(folder / "log").open("w"),
        )
        self._wait()

    def stop(self) -> None:
        """End it, hung or not."""
        for number in (signal.SIGCONT, signal.SIGTERM):
            self.signal(number)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP makes it hang: connections stand, nobody answers."""
        if self.process.poll() is None:
            os.kill(self.process.pid, number)

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise SystemExit(f"libvirtd did not start; see {self.folder}/log")


def write_node(path: Path, guests: int) -> None:
    """A host of the test driver with so many running guests."""
    domains = "".join(
        f"<domain type='test'><name>{path.stem}-{number}</name><uuid>{uuid.uuid4()}</uuid><memory>262144</memory>"
        f"<vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os></domain>"
        for number in range(guests)
    )
    path.write_text(
        "<node><cpu><mhz>2400</mhz><model>qemu64</model><active>8</active><nodes>1</nodes><sockets>2</sockets>"
        f"<cores>4</cores><threads>1</threads></cpu><memory>16777216</memory>{domains}</node>"
    )


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
