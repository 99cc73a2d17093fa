"""Boundary. The sleeping process that keeps a host's (or the fabric's) namespaces alive.

A host's daemons can die and come back: its network, its mounts and its name stay as long as the holder sleeps. It is
also process 1 of the host, and ignores SIGCHLD so that the kernel takes the dead away at once: libvirt waits for a
destroyed QEMU to be gone, and a machine without a proper init may leave it a zombie for seconds.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from lab import processes
from lab.places import Places
from lab.plan import HostPlan, LabPlan
from lab.processes import FABRIC, LabError, Process

PRIVATE = ("/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt")

FABRIC_SCRIPT = """
set -e
mount -t tmpfs -o size=4k {mark} {mark_folder}
echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null || true
echo ready
exec sleep infinity >/dev/null 2>&1
"""

# Important: /run is a fresh tmpfs, as after a boot; /sys is mounted anew so that it shows the namespace's own links.
# bindfs makes libvirt believe, rightly, that the shared folder is shared: it knows FUSE's glusterfs as a cluster file
# system, while on a plain bind mount it refuses to migrate ("Migration without shared storage is unsafe").
# The locks of virtlockd lie in a folder of their own, bound plainly: bindfs carries none from mount to mount,
# not even when it is told to forward them (1.14.7: a second host got the lock).
HOST_SCRIPT = """
set -e
mount -t tmpfs -o size=4k {mark} {mark_folder}
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/sshd /run/lock /run/libvirt
mount --bind {folder}/etc /etc
{binds}
mount -t tmpfs -o mode=755 srv /srv
mkdir /srv/shared /srv/local /srv/locks
mount --bind {locks} /srv/locks
mount -t tmpfs -o size={local_mib}m,mode=711 local /srv/local
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null || true
hostname {host}
ip link set lo up
echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null || true
bindfs -o subtype=glusterfs,fsname=storage.{site}:/shared,attr_timeout=0,entry_timeout=0,negative_timeout=0 \
 --multithreaded --forward-odirect=4096 {shared} /srv/shared
echo ready
exec env --ignore-signal=CHLD sleep infinity >/dev/null 2>&1
"""

HOST_NAMESPACES = ("--mount", "--net", "--uts", "--pid")


def hold_fabric(places: Places) -> None:
    """Make the namespace all bridges live in."""
    owner = processes.mark(places.name, FABRIC)
    script = FABRIC_SCRIPT.format(mark=owner, mark_folder=places.mark)
    start(["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", script, owner])


def hold_host(places: Places, plan: LabPlan, host: HostPlan) -> None:
    """Make a host's namespaces, with its private folders mounted."""
    owner = processes.mark(places.name, host.name)
    folder = places.host(host.name)
    script = HOST_SCRIPT.format(
        mark=owner,
        mark_folder=places.mark,
        folder=folder,
        binds="\n".join(f"mount --bind {folder}{path} {path}" for path in PRIVATE),
        local_mib=plan.local_mib,
        host=host.name,
        site=host.site,
        shared=places.shared(host.site),
        locks=places.locks(host.site),
    )
    more = ["--fork", "--mount-proc", "--propagation", "private"]
    start(["unshare", *HOST_NAMESPACES, *more, "sh", "-c", script, owner])


def start(argv: Sequence[str]) -> None:
    """Start a holder; return when it says that its namespaces are ready."""
    with subprocess.Popen(
        ["setsid", "--fork", *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=processes.clean_environment(),
    ) as starting:
        assert starting.stdout
        said = ""
        while (line := starting.stdout.readline()) and line != "ready\n":
            said += line
        if line != "ready\n":
            raise LabError(f"{argv[-1]} did not come up: {said.strip()}")


def find(lab: str, owner: str, among: Sequence[Process] | None = None) -> Process | None:
    """The holder of a host or the fabric, if it lives."""
    for process in processes.lab_processes(lab) if among is None else among:
        if process.owner == owner and process.argv == ("sleep", "infinity"):
            return process
    return None


def pid(lab: str, owner: str) -> int:
    """Its pid; LabError where there is none."""
    found = find(lab, owner)
    if found is None:
        raise LabError(f"{owner} of lab {lab} is not up")
    return found.pid


def entered(lab: str, owner: str, argv: Sequence[str]) -> list[str]:
    """The command as it has to be started to run inside a host, or inside the fabric."""
    namespaces = ("--mount", "--net") if owner == FABRIC else HOST_NAMESPACES
    return ["nsenter", "--target", str(pid(lab, owner)), *namespaces, "--", *argv]
