"""The `Mirroring` family on a fake host: a copy is whole at once unless a test holds it."""

# ruff: noqa: D102 - the Protocol says what its methods mean

from __future__ import annotations

import dataclasses
from typing import Any

from fleet.hypervisor import destination_xml
from fleet.hypervisor.errors import HypervisorError, JobBusy
from fleet.hypervisor.facts import DiskFacts
from fleet.hypervisor.fake_calls import FakeCalls
from fleet.hypervisor.interface import BlockJob


class FakeMirroring(FakeCalls):
    """See `interface.Mirroring`; tests also set `copies_held`."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(**facts)
        #: New copies stay half-way until a test sets their `ready`.
        self.copies_held = False
        self.block_jobs: dict[tuple[str, str], BlockJob] = {}

    def block_copy(self, uuid: str, target: str, *, path: str, format: str, bandwidth_mib_s: int = 0) -> None:
        def begin() -> None:
            disk = self._disk_of(uuid, target)
            if (uuid, target) in self.block_jobs:
                raise JobBusy(f"disk '{target}' already in active block job", host=self.name)
            total = disk.capacity_bytes
            done = total // 2 if self.copies_held else total
            self.block_jobs[uuid, target] = BlockJob(
                path=path, done_bytes=done, total_bytes=total, ready=not self.copies_held
            )

        self._do("block_copy", begin)

    def block_job(self, uuid: str, target: str) -> BlockJob | None:
        return self._do("block_job", lambda: self.block_jobs.get((uuid, target)))

    def set_block_bandwidth(self, uuid: str, target: str, mib_s: int) -> None:
        self._do("set_block_bandwidth", lambda: self._disk_of(uuid, target))

    def block_pivot(self, uuid: str, target: str) -> None:
        def pivot() -> None:
            job = self.block_jobs.get((uuid, target))
            if job is None or not job.ready:
                raise HypervisorError(f"disk '{target}' is not ready for pivot yet", host=self.name)
            self._move_disk(uuid, target, self.block_jobs.pop((uuid, target)).path)

        self._do("block_pivot", pivot)

    def block_abort(self, uuid: str, target: str) -> None:
        self._do("block_abort", lambda: self.block_jobs.pop((uuid, target), None))

    def finish_copy(self, uuid: str, target: str) -> None:
        """For tests: a held copy is whole now."""
        with self.fleet.lock:
            job = self.block_jobs[uuid, target]
            self.block_jobs[uuid, target] = dataclasses.replace(job, done_bytes=job.total_bytes, ready=True)

    def _disk_of(self, uuid: str, target: str) -> DiskFacts:
        guest = self._known(uuid)
        found = next((disk for disk in guest.disks if disk.target == target), None)
        if found is None or guest.state not in {"running", "paused"}:
            raise HypervisorError(f"no disk '{target}' of a running guest", host=self.name)
        return found

    def _move_disk(self, uuid: str, target: str, path: str) -> None:
        guest = self._known(uuid)
        pool = next((name for name, (folder, _) in self.pool_folders.items() if path.startswith(f"{folder.path}/")), "")
        disks = tuple(
            dataclasses.replace(disk, source=path, pool=pool, volume=path.rpartition("/")[2])
            if disk.target == target
            else disk
            for disk in guest.disks
        )
        xml = destination_xml.rewrite(guest.xml, disk_sources={target: path})
        self.guest_rows[uuid] = dataclasses.replace(guest, disks=disks, xml=xml)
