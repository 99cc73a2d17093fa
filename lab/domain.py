"""Pure. The XML that libvirt gets: guests, the network they are plugged into, and the pools their disks are in."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from lab import addresses
from lab.plan import GuestPlan, describe_guest, stable_uuid

POOL_FOLDERS = {"shared": "/srv/shared", "local": "/srv/local"}

# QEMU before 9.0 forgets pages that a TCG guest writes while it migrates if its memory is a whole number of 256 KiB
# (upstream: "physmem: Fix migration dirty bitmap coherency with TCG memory access"): one move in twenty or so then
# ends with a guest that hangs or went back in time. libvirt rounds to whole MiB, so the real size is given past it.
CROOKED_KIB = 8

# What saves a quarter of the boot under TCG; nothing in a lab guest needs what is left out. The clock is the HPET: a
# kernel that boots on a busy machine may misjudge its TSC, and its time then runs five times as fast.
BOOT = (
    "console=ttyS0 quiet loglevel=1 panic=-1 nokaslr mitigations=off rcupdate.rcu_expedited=1 8250.nr_uarts=1 "
    "cryptomgr.notests no_timer_check tsc=reliable clocksource=hpet"
)

GUEST = """\
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <title>{title}</title>
  <description>{description}</description>
  <memory unit='MiB'>{memory_mib}</memory>
  <vcpu>{vcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initramfs}</initrd>
    <cmdline>{cmdline}</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='custom' match='exact' check='none'><model fallback='forbid'>qemu64</model></cpu>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none' io='threads' discard='unmap'/>
      <source file='{disk}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <controller type='usb' model='none'/>
    <interface type='network'>
      <mac address='{mac}'/>
      <source network='lan'/>
      <model type='virtio'/>
    </interface>
    <serial type='file'>
      <source path='{serial}' append='on'/>
      <target port='0'/>
    </serial>
    <memballoon model='none'/>{agent}
  </devices>
  <qemu:commandline>
    <qemu:arg value='-object'/><qemu:arg value='memory-backend-ram,id=lab.ram,size={memory_kib}k'/>
    <qemu:arg value='-machine'/><qemu:arg value='memory-backend=lab.ram'/>
    <qemu:arg value='-m'/><qemu:arg value='size={memory_kib}k'/>
  </qemu:commandline>
</domain>
"""

AGENT = """
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"""

NETWORK = """\
<network>
  <name>lan</name>
  <uuid>{uuid}</uuid>
  <forward mode='bridge'/>
  <bridge name='br0'/>
</network>
"""

POOL = """\
<pool type='dir'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <target><path>{path}</path></target>
</pool>
"""


def guest_xml(lab: str, guest: GuestPlan, subnet: str, kernel: Path, initramfs: Path, serial: Path) -> str:
    """The definition of a guest."""
    return GUEST.format(
        name=guest.name,
        uuid=guest_uuid(lab, guest.name),
        title=escape(f"{guest.name} ({guest.temperament})"),
        description=escape(describe_guest(guest)),
        memory_mib=guest.memory_mib,
        memory_kib=guest.memory_mib * 1024 - CROOKED_KIB,
        vcpus=guest.vcpus,
        kernel=kernel,
        initramfs=initramfs,
        cmdline=cmdline(guest, subnet),
        disk=disk_path(guest),
        mac=addresses.guest_mac(subnet, guest.number),
        serial=serial,
        agent=AGENT if guest.agent else "",
    )


def cmdline(guest: GuestPlan, subnet: str) -> str:
    """The kernel's command line, where the guest's program finds its temperament."""
    words = [BOOT, f"lab.ip={addresses.guest(subnet, guest.number)}"]
    if guest.temperament == "dirty":
        words.append(f"lab.dirty_mib_s={guest.rate}")
    if guest.temperament == "counter":
        words.append(f"lab.counter_hz={guest.rate}")
    if guest.ticks_ms:
        words.append(f"lab.ticks_ms={guest.ticks_ms}")
    if guest.agent:
        words.append("lab.agent=1")
    return " ".join([*words, f"lab.set_mib={guest.set_mib}"])


def disk_path(guest: GuestPlan) -> str:
    """The disk as its host sees it."""
    return f"{POOL_FOLDERS[guest.pool]}/{guest.name}.qcow2"


def guest_uuid(lab: str, guest: str) -> str:
    """The same in every run of a lab."""
    return stable_uuid(lab, "guest", guest)


def network_xml(lab: str) -> str:
    """The one stretched network, equal on all hosts."""
    return NETWORK.format(uuid=stable_uuid(lab, "network", "lan"))


def pool_uuid(lab: str, pool: str, site: str, host: str) -> str:
    """The truth about sharing: equal UUIDs are the same storage, whatever names and paths say."""
    return stable_uuid(lab, "pool", pool, site if pool == "shared" else host)


def pool_xml(lab: str, pool: str, site: str, host: str) -> str:
    """A host's definition of one of its two pools."""
    return POOL.format(name=pool, uuid=pool_uuid(lab, pool, site, host), path=POOL_FOLDERS[pool])
