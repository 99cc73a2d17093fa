"""Pure: what a host says of itself and its guests, as frozen values that can be stored as JSON and read back."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class HostAddress:
    """Where and how to reach one host; every libvirt URI is built from these checked fields and nothing else."""

    name: str
    transport: str
    address: str
    port: int | None = None
    username: str = ""
    #: `known_hosts` lines (type and base64 key, no host part) an operator approved; ssh only.
    ssh_host_key: str = ""
    #: Where other hosts send guests to; empty means `address`.
    migration_address: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolFacts:
    """A storage pool of a host."""

    name: str
    uuid: str
    kind: str
    path: str
    active: bool
    capacity_bytes: int = 0
    available_bytes: int = 0
    #: Where a network pool's data really is, as "kind://server/path"; empty for a local folder.
    source: str = ""
    #: UUIDs of the hosts whose marker volume is seen in this pool: equal sets prove a shared folder.
    markers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkFacts:
    """A libvirt network of a host, or a plain bridge (`kind` "bridge")."""

    name: str
    kind: str
    bridge: str
    active: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class HostFacts:
    """A host's identity and abilities; changes only when somebody works on the host."""

    uuid: str
    hostname: str
    hypervisor: str
    libvirt_version: str
    hypervisor_version: str
    arch: str
    cpus: int
    memory_mib: int
    cpu_model: str
    cpu_vendor: str
    #: The host's CPU as libvirt's XML, for comparing a guest's CPU with it.
    cpu_xml: str = ""
    #: Guest CPU models that this host can run, by `domain_type` ("kvm", "qemu").
    cpu_models: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: Machine types by `domain_type`, aliases included.
    machines: dict[str, tuple[str, ...]] = field(default_factory=dict)
    networks: tuple[NetworkFacts, ...] = ()
    #: What libvirt calls migration transports, for example ("tcp", "rdma").
    migration_transports: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class HostLoad:
    """A cheap sample of a host: cumulative CPU nanoseconds (idle and total) and free memory."""

    cpu_idle_ns: int
    cpu_total_ns: int
    memory_free_mib: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DiskFacts:
    """One disk of a guest."""

    target: str
    bus: str
    #: "disk", "cdrom", "floppy" or "lun".
    device: str
    #: libvirt's source type: "file", "block", "network", "volume"; "" for an empty drive.
    kind: str
    source: str
    format: str = ""
    pool: str = ""
    volume: str = ""
    capacity_bytes: int = 0
    allocation_bytes: int = 0
    readonly: bool = False
    shareable: bool = False
    cache: str = ""
    #: The file right under it, and those under that one in order; a guest that is off does not tell.
    backing: str = ""
    deeper: tuple[str, ...] = ()
    serial: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class InterfaceFacts:
    """One network card of a guest."""

    mac: str
    model: str
    #: libvirt's interface type: "network", "bridge", "direct", "user", "hostdev" ...
    kind: str
    #: The network's, bridge's or device's name.
    source: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceFacts:
    """A device that matters to migration: hostdev, filesystem, tpm, shmem, vsock, nvram, launch security ..."""

    kind: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GuestFacts:
    """A guest as its host describes it."""

    uuid: str
    name: str
    state: str
    persistent: bool
    autostart: bool
    memory_mib: int
    vcpus: int
    domain_type: str
    arch: str
    machine: str
    #: "custom", "host-model", "host-passthrough", "maximum" or "" for libvirt's default.
    cpu_mode: str = ""
    cpu_model: str = ""
    #: The live guest's <cpu> element, for comparing with a destination.
    cpu_xml: str = ""
    title: str = ""
    description: str = ""
    disks: tuple[DiskFacts, ...] = ()
    interfaces: tuple[InterfaceFacts, ...] = ()
    devices: tuple[DeviceFacts, ...] = ()
    #: Absolute paths the guest needs to find at the destination that are no disks: kernel, initrd, loader.
    boot_files: tuple[str, ...] = ()
    #: Addresses of its host alone on which its consoles listen.
    listens: tuple[str, ...] = ()
    #: Networks of libvirt's from which its consoles get their addresses.
    console_networks: tuple[str, ...] = ()
    snapshots: int = 0
    managed_save: bool = False
    #: libvirt's XML without secrets, as the host gave it.
    xml: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class GuestGlimpse:
    """What the cheap state round sees of one guest."""

    uuid: str
    name: str
    state: str
    persistent: bool
    #: libvirt's reason code for the state, for example "migration" for a paused incoming guest.
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class GuestStatistics:
    """A costly sample of one running guest; counters are cumulative."""

    uuid: str
    cpu_time_ns: int
    memory_used_mib: int | None = None
    disk_read_bytes: int = 0
    disk_write_bytes: int = 0
    net_rx_bytes: int = 0
    net_tx_bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class DirtyRate:
    """A finished measurement of how much memory a guest writes anew, each page counted once within `seconds`."""

    uuid: str
    seconds: int
    bytes_s: int


@dataclass(frozen=True, kw_only=True, slots=True)
class VolumeFacts:
    """A storage volume."""

    path: str
    pool: str
    name: str
    format: str
    capacity_bytes: int
    allocation_bytes: int
    backing: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileUser:
    """Who uses a file at a host: a guest with a disk on it (or based on it), or a volume that is based on it."""

    path: str
    #: "guest" or "volume".
    kind: str
    name: str
    #: The guest's libvirt UUID; "" for a volume.
    uuid: str = ""
    #: Whether the guest has a process now.
    active: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class JobSample:
    """Numbers of a migration job as libvirt reports them (virDomainGetJobStats); bytes and milliseconds."""

    #: "none", "unbounded", "bounded", "completed", "failed", "cancelled".
    kind: str
    operation: str = ""
    elapsed_ms: int = 0
    downtime_ms: int | None = None
    downtime_net_ms: int | None = None
    setup_ms: int | None = None
    data_total_bytes: int = 0
    data_processed_bytes: int = 0
    data_remaining_bytes: int = 0
    memory_total_bytes: int = 0
    memory_processed_bytes: int = 0
    memory_remaining_bytes: int = 0
    memory_rate_bytes_s: int = 0
    memory_dirty_rate_pages_s: int = 0
    memory_page_size: int = 4096
    #: Pages that were empty: they cost next to nothing to send.
    memory_constant_pages: int = 0
    iteration: int = 0
    disk_total_bytes: int = 0
    disk_processed_bytes: int = 0
    disk_remaining_bytes: int = 0
    disk_rate_bytes_s: int = 0
    auto_converge_throttle: int = 0
    error: str = ""

    @property
    def dirty_rate_bytes_s(self) -> int:
        """How fast the guest writes memory again."""
        return self.memory_dirty_rate_pages_s * self.memory_page_size


@dataclass(frozen=True, kw_only=True, slots=True)
class GuestEvent:
    """Something libvirt told without being asked; `kind` is "lifecycle", "iteration", "job_completed" or "closed"."""

    kind: str
    uuid: str = ""
    name: str = ""
    #: For lifecycle: "started", "stopped", "suspended", "resumed", "defined", "undefined", "crashed", "shutdown".
    detail: str = ""
    reason: str = ""
    iteration: int = 0


def dump(value: Any) -> dict[str, Any]:
    """A fact as plain values that JSON can store (it makes lists of the tuples)."""
    return dataclasses.asdict(value)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def load(kind: type[Value], document: dict[str, Any]) -> Value:
    """The frozen value that `dump` wrote; keys of another version of Drover are left out."""
    known = {item.name for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = _hints(kind)  # type: ignore[arg-type]
    return kind(**{key: _revive(hints[key], value) for key, value in document.items() if key in known})


def _revive(hint: Any, value: Any) -> Any:
    if isinstance(value, dict) and not dataclasses.is_dataclass(hint):
        return {key: tuple(item) if isinstance(item, list | tuple) else item for key, item in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return load(hint, value)  # type: ignore[arg-type]
    if isinstance(value, list | tuple):
        item_hint = (get_args(hint) or (Any,))[0]
        return tuple(_revive(item_hint, item) for item in value)
    return value
