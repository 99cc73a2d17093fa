"""Boundary. One host: its private folders, its libvirtd and its sshd."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from lab import domain, holders, pki, processes
from lab.places import Places, cache_home
from lab.plan import TLS_PORT, HostPlan, stable_uuid
from lab.processes import Process

LIBVIRTD_CONF = """\
listen_tls = 1
listen_tcp = 0
tls_port = "{port}"
listen_addr = "0.0.0.0"
auth_unix_rw = "none"
auth_unix_ro = "none"
auth_tls = "none"
unix_sock_group = "root"
host_uuid = "{uuid}"
max_clients = 500
max_anonymous_clients = 100
log_level = 3
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""

QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
remember_owner = 0
stdio_handler = "file"
lock_manager = "lockd"
default_tls_x509_cert_dir = "/etc/pki/qemu"
default_tls_x509_verify = 1
"""

# Locks are named by paths, so that a guest's copy at an equal path of another host counts as the same disk: right here,
# where no two guests have equal paths, and a guest that moves lets go at the source before it runs at the destination.
LOCKD_CONF = """\
auto_disk_leases = 1
require_lease_for_disks = 1
file_lockspace_dir = "/srv/locks"
"""

# libvirt looks for hooks only when it starts, so this one is always there and asks the folder what to wait for.
# Important: it must print nothing, a hook's output would replace the incoming guest's XML.
HOOK = """\
#!/bin/sh
for name in "any.$2" "$1.$2"; do
  [ -p "{folder}/$name" ] || continue
  : > "{folder}/$name.reached"
  cat "{folder}/$name" >/dev/null 2>&1
done
exit 0
"""


def host_uuid(lab: str, host: str) -> str:
    """What the host calls itself."""
    return stable_uuid(lab, "host", host)


def furnish(places: Places, host: HostPlan, addresses: dict[str, str]) -> None:
    """Make the host's private folders, with everything in them that does not change while the lab runs."""
    folder = places.host(host.name)
    for path in holders.PRIVATE:
        (folder / path[1:]).mkdir(parents=True, exist_ok=True)
    etc = folder / "etc"
    shutil.copytree("/etc", etc, symlinks=True, ignore_dangling_symlinks=True, ignore=leave_out, dirs_exist_ok=True)
    (etc / "hosts").write_text(hosts_file(addresses))
    (etc / "hostname").write_text(host.name + "\n")
    (etc / "libvirt/libvirtd.conf").parent.mkdir(exist_ok=True)
    uuid = host_uuid(places.name, host.name)
    (etc / "libvirt/libvirtd.conf").write_text(LIBVIRTD_CONF.format(port=TLS_PORT, uuid=uuid))
    (etc / "libvirt/qemu.conf").write_text(QEMU_CONF)
    (etc / "libvirt/qemu-lockd.conf").write_text(LOCKD_CONF)
    write_definitions(places, host, etc / "libvirt")
    write_hook(places, host.name, etc / "libvirt/hooks/qemu")
    pki.install(places, host.name, addresses[host.name], etc)
    seed_capabilities(folder / "var/cache/libvirt/qemu/capabilities")


def leave_out(folder: str, names: list[str]) -> set[str]:
    """Of the machine's /etc, what a host must not inherit: its libvirt settings, its certificates, its ssh keys."""
    if folder == "/etc":
        return {"libvirt", "pki", "hosts", "hostname", "mtab"} & set(names)
    return {name for name in names if folder == "/etc/ssh" and name.startswith("ssh_host_")}


def hosts_file(addresses: dict[str, str]) -> str:
    """Every host of the lab by name: libvirt gives its own name to its peers, and they must resolve it."""
    return "127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in addresses.items())


def write_definitions(places: Places, host: HostPlan, folder: Path) -> None:
    """The network and the pools, started by libvirtd itself."""
    pools = {name: domain.pool_xml(places.name, name, host.site, host.name) for name in domain.POOL_FOLDERS}
    put_autostarted(folder / "qemu/networks/lan.xml", domain.network_xml(places.name))
    for name, xml in pools.items():
        put_autostarted(folder / f"storage/{name}.xml", xml)


def put_autostarted(path: Path, xml: str) -> None:
    """A definition where libvirtd finds it, marked to be started with it."""
    (path.parent / "autostart").mkdir(parents=True, exist_ok=True)
    path.write_text(xml)
    link = path.parent / "autostart" / path.name
    link.unlink(missing_ok=True)
    link.symlink_to("/etc/" + str(path).partition("/etc/")[2])


def write_hook(places: Places, host: str, path: Path) -> None:
    """The hook that can be told to wait (see holds.py)."""
    folder = places.host(host) / "hold"
    folder.mkdir(exist_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.write_text(HOOK.format(folder=folder))
    path.chmod(0o755)


def seed_capabilities(folder: Path) -> None:
    """What libvirtd found out about QEMU in an earlier lab; it checks for itself whether that still holds."""
    cached = cache_home() / "capabilities"
    folder.mkdir(parents=True, exist_ok=True)
    for path in cached.glob("*.xml"):
        shutil.copy2(path, folder)


def keep_capabilities(places: Places, host: str) -> None:
    """Keep that for the next lab."""
    cached = cache_home() / "capabilities"
    cached.mkdir(parents=True, exist_ok=True)
    for path in (places.host(host) / "var/cache/libvirt/qemu/capabilities").glob("*.xml"):
        shutil.copy2(path, cached)


def daemon(found: Sequence[Process], host: str) -> Process | None:
    """The host's libvirtd among a lab's processes."""
    return next((p for p in found if p.owner == host and p.program == "libvirtd"), None)


def start_daemons(places: Places, host: str) -> None:
    """Start libvirtd and sshd where they do not run."""
    found = [p for p in processes.lab_processes(places.name) if p.owner == host]
    log = places.host(host) / "daemons.log"
    if not any(p.program == "virtlockd" for p in found):
        run_folder(places.name, host, "virtlockd.pid").unlink(missing_ok=True)
        processes.spawn(holders.entered(places.name, host, ["/usr/sbin/virtlockd"]), log)
        wait_for_locks(places, host)
    if daemon(found, host) is None:
        for stale in ("libvirt/libvirt-sock", "libvirtd.pid"):
            run_folder(places.name, host, stale).unlink(missing_ok=True)
        processes.spawn(holders.entered(places.name, host, ["/usr/sbin/libvirtd", "--listen"]), log)
    if not any(p.argv[0].startswith("sshd: /usr/sbin/sshd") for p in found):
        sshd = ["/usr/sbin/sshd", "-f", "/etc/ssh/lab_sshd_config"]
        processes.run(holders.entered(places.name, host, sshd))


def wait_for_locks(places: Places, host: str, timeout_s: float = 20) -> None:
    """Until virtlockd listens: a guest that is started before gets no lock and so does not start."""
    socket_file = run_folder(places.name, host, "libvirt/virtlockd-sock")
    processes.wait_until(socket_file.exists, timeout_s, f"{host}: virtlockd does not start")


def run_folder(lab: str, host: str, path: str) -> Path:
    """A path in the host's own /run."""
    return Path(f"/proc/{holders.pid(lab, host)}/root/run/{path}")


def forget_run(lab: str, host: str) -> None:
    """What a power cut does to /run: the state files of guests that ran are gone."""
    shutil.rmtree(run_folder(lab, host, "libvirt"), ignore_errors=True)


def wait_for_daemon(places: Places, host: str, address: str, timeout_s: float = 40) -> None:
    """Until libvirtd answers a question and its TLS port is open."""
    socket_file = run_folder(places.name, host, "libvirt/libvirt-sock")
    processes.wait_until(socket_file.exists, timeout_s, f"{host}: libvirtd does not start")
    processes.wait_until(lambda: answers(places.name, host), timeout_s, f"{host}: libvirtd does not answer")
    processes.wait_until(lambda: is_open(address, TLS_PORT), timeout_s, f"{host}: port {TLS_PORT} stays closed")


def answers(lab: str, host: str) -> bool:
    """Whether both pools and the network are running there."""
    asked = virsh(lab, host, ["pool-list --name; net-list --name"], check=False)
    return {"local", "shared", "lan"} <= set(asked.split())


def is_open(address: str, port: int) -> bool:
    """Whether something listens there."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def virsh(lab: str, host: str, argv: Sequence[str], check: bool = True, timeout_s: float = 120) -> str:
    """Run virsh inside the host; one argument with semicolons runs several commands over one connection."""
    inside = ["virsh", "--quiet", "--connect", "qemu:///system", *argv]
    return processes.run(holders.entered(lab, host, inside), check=check, timeout_s=timeout_s)
