"""Boundary. The guests' kernel (Debian's cloud kernel, unpacked, not installed) and an initramfs of one program."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab import processes
from lab.places import cache_home, locked
from lab.processes import LabError

PACKAGE = "linux-image-cloud-amd64"
MODULES = (
    *("virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"),
    *("failover", "net_failover", "virtio_net", "virtio_blk", "virtio_console", "evdev", "button"),
)
#: Beside the modules: which of them were wanted.
LIST = "modules.txt"
SOURCE = Path(__file__).with_name("guest_init.c")


@dataclass(frozen=True)
class Image:
    """What a guest boots; both paths are the same on every host."""

    kernel: Path
    initramfs: Path


def ready() -> Image:
    """The cached image, made where it is missing: the first time it takes some seconds and 27 MB of download."""
    cache = cache_home()
    with locked(cache / ".lock"):
        kernel = cache / "vmlinuz"
        if not kernel.exists() or unpacked(cache) != MODULES:
            unpack_kernel(cache)
        wanted = cache / f"initramfs-{fingerprint(kernel)}.img"
        if not wanted.exists():
            build_initramfs(cache, wanted)
    return Image(kernel, wanted)


def fingerprint(kernel: Path) -> str:
    """Changes with the program and with the kernel."""
    return hashlib.sha256(SOURCE.read_bytes() + str(kernel.stat().st_mtime_ns).encode()).hexdigest()[:12]


def unpacked(cache: Path) -> tuple[str, ...]:
    """The modules that were looked for when the kernel was unpacked."""
    listed = cache / LIST
    return tuple(listed.read_text().split()) if listed.exists() else ()


def unpack_kernel(cache: Path) -> None:
    """Fetch the kernel's package with apt and keep the kernel and the few modules a guest needs."""
    with tempfile.TemporaryDirectory(dir=cache) as name:
        folder = Path(name)
        subprocess.run(["apt-get", "download", kernel_package()], cwd=folder, check=True, capture_output=True)
        processes.run(["dpkg-deb", "-x", str(next(folder.glob("*.deb"))), str(folder / "tree")])
        modules = cache / "modules"
        modules.mkdir(exist_ok=True)
        for module in MODULES:
            found = next((folder / "tree").rglob(f"{module}.ko"), None)
            if found:  # else it is built in
                shutil.copy(found, modules)
        shutil.copy(next((folder / "tree/boot").glob("vmlinuz-*")), cache / "vmlinuz.new")
        (cache / "vmlinuz.new").replace(cache / "vmlinuz")
        (cache / LIST).write_text("\n".join(MODULES))


def kernel_package() -> str:
    """The versioned package behind Debian's meta package."""
    for line in processes.run(["apt-cache", "depends", PACKAGE]).splitlines():
        if "Depends: linux-image-" in line:
            return line.split()[-1]
    raise LabError(f"apt knows no {PACKAGE}: run apt-get update")


def build_initramfs(cache: Path, target: Path) -> None:
    """Compile the guest's one program and pack it."""
    program = cache / "guest_init"
    processes.run(["gcc", "-O2", "-static", "-s", "-o", str(program), str(SOURCE)])
    files = [("init", program.read_bytes(), 0o100755), ("dev", b"", 0o040755), ("modules", b"", 0o040755)]
    files += [(f"modules/{path.name}", path.read_bytes(), 0o100644) for path in sorted((cache / "modules").iterdir())]
    fresh = target.with_suffix(".new")
    fresh.write_bytes(gzip.compress(cpio(files), 6, mtime=0))
    fresh.replace(target)


def cpio(files: Iterable[tuple[str, bytes, int]]) -> bytes:
    """Pure. An archive in the "newc" format the kernel unpacks (Documentation/driver-api/early-userspace)."""
    parts = []
    for inode, (name, content, mode) in enumerate([*files, ("TRAILER!!!", b"", 0)], start=1):
        fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        parts += [padded(header + name.encode() + b"\0"), padded(content)]
    return b"".join(parts)


def padded(data: bytes) -> bytes:
    """Up to the next multiple of four."""
    return data + b"\0" * (-len(data) % 4)
