"""One migration between fake hosts, moved on step by step by the test that holds it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from fleet.hypervisor.errors import Aborted, GuestNotFound, HostUnreachable, HypervisorError, JobBusy, NoJob
from fleet.hypervisor.facts import GuestEvent, JobSample
from fleet.hypervisor.interface import MigrationOrder

if TYPE_CHECKING:
    from fleet.hypervisor.fake import FakeFleet
    from fleet.hypervisor.fake_host import FakeHost

#: A caller never waits longer for a test that forgot to drive its migration.
FORGOTTEN_S = 60.0


class FakeMigration:
    """Under way from `start` until one of the endings; `commands` lists what was asked of it meanwhile."""

    def __init__(self, *, fleet: FakeFleet, source: FakeHost, uuid: str, order: MigrationOrder) -> None:
        self.fleet, self.source, self.uuid, self.order = fleet, source, uuid, order
        self.sample = JobSample(kind="unbounded", operation="migration_out", elapsed_ms=1)
        self.commands: list[tuple[str, int]] = []
        self.in_post_copy = False
        #: What the guest goes on as, wherever the migration ends.
        self.state_before = "running"
        #: Post-copy broke off: the source is stopped, the destination runs and lacks memory, and no call is under way.
        self.broken = False
        #: How often an attempt to mend it is still refused.
        self.refuse_mending = 0
        #: An abort then changes nothing any more: the guest is being handed over.
        self.abort_is_too_late = False
        self.finished = False
        self.error: HypervisorError | None = None

    @property
    def destination(self) -> FakeHost:
        """Where the guest goes."""
        return self.fleet.get(self.order.destination)

    def start(self) -> None:
        """Reserve both ends as libvirt does: one job per guest, a paused newcomer at the destination."""
        guest = self.source.guest_rows.get(self.uuid)
        if guest is None:
            raise GuestNotFound(f"{self.source.name} knows no guest {self.uuid}", host=self.source.name)
        if self.order.resume_post_copy:
            self._mend()
            return
        if any(run.uuid == self.uuid and not run.finished for run in self.fleet.migrations if run is not self):
            raise JobBusy("another migration job is already running for the domain", host=self.source.name)
        if self.destination.faults_on("*"):
            raise HypervisorError(f"unable to connect to server at '{self.order.destination.address}'")
        self.state_before = guest.state
        if self.order.definition_only and guest.state != "shutoff":
            raise HypervisorError("Requested operation is not valid: domain is not shut off", host=self.source.name)
        if not self.order.definition_only and guest.state == "shutoff":
            raise HypervisorError("Requested operation is not valid: domain is not running", host=self.source.name)
        state = "shutoff" if self.order.definition_only else "paused"
        self.destination.incoming(dataclasses.replace(guest, state=state, persistent=False), self.order)
        if not self.order.live and guest.state == "running":
            self.source.set_state(self.uuid, "paused", reason="migration")

    # -- steps, called by the test ------------------------------------------------------------------------------------

    def copy_disks(self, *, done_bytes: int, total_bytes: int, rate_bytes_s: int = 100 << 20) -> None:
        """Disks are mirrored this far."""
        self._show(
            disk_total_bytes=total_bytes,
            disk_processed_bytes=done_bytes,
            disk_remaining_bytes=total_bytes - done_bytes,
            disk_rate_bytes_s=rate_bytes_s,
        )

    def copy_memory(
        self, *, done_bytes: int, remaining_bytes: int, iteration: int = 1, dirty_pages_s: int = 0, **more: int
    ) -> None:
        """Memory is copied this far in pass `iteration`; tells subscribers about a new pass."""
        new_pass = iteration != self.sample.iteration
        guest = self.source.guest_rows[self.uuid]
        self._show(
            iteration=iteration,
            memory_total_bytes=guest.memory_mib << 20,
            memory_processed_bytes=done_bytes,
            memory_remaining_bytes=remaining_bytes,
            memory_dirty_rate_pages_s=dirty_pages_s,
            **{"memory_rate_bytes_s": 100 << 20, **more},
        )
        if new_pass:
            self.source.tell(GuestEvent(kind="iteration", uuid=self.uuid, name=guest.name, iteration=iteration))

    # -- endings, called by the test ----------------------------------------------------------------------------------

    def succeed(self, *, downtime_ms: int = 40) -> None:
        """The guest runs at the destination; the source knows it no more (with undefine_source)."""
        self._hand_over(downtime_ms)
        self._end(None)

    def succeed_but_raise(self, error: HypervisorError | None = None) -> None:
        """It worked, yet the caller is told that it did not: a restarted libvirtd does that."""
        self._hand_over(40)
        self._end(error or HostUnreachable("End of file while reading data", host=self.source.name))

    def succeed_unconfirmed(self) -> None:
        """It runs at the destination, and the source's libvirtd died before it forgot the definition."""
        self.order = dataclasses.replace(self.order, undefine_source=False)
        self.succeed_but_raise(HypervisorError("End of file while reading data", host=self.source.name))

    def return_without_moving(self) -> None:
        """libvirt's call returns without an error, but the guest never left."""
        self._give_back()
        self._end(None)

    def fail(self, error: HypervisorError | None = None) -> None:
        """The guest goes on at the source; the destination forgets it."""
        self._give_back()
        self._end(error or HypervisorError("operation failed: migration failed", host=self.source.name))

    def go_on_by_itself(self) -> None:
        """A stream that libvirt has given up brings the rest after all, and both libvirts notice."""
        self._hand_over(40)

    def lose_guest(self) -> None:
        """Both copies are gone, as when the source host dies."""
        with self.fleet.lock:
            self.source.guest_rows.pop(self.uuid, None)
            self.destination.guest_rows.pop(self.uuid, None)
        self._end(HostUnreachable("End of file while reading data", host=self.source.name))

    def leave_paused_on_both(self) -> None:
        """Cut off in the hand-over: neither side runs it, both have it."""
        self.source.set_state(self.uuid, "paused", reason="postmigrate")
        self.destination.set_state(self.uuid, "paused", reason="migration")
        self._end(HostUnreachable("connection lost in the hand-over", host=self.source.name))

    def run_on_both(self) -> None:
        """The catastrophe an auditor must see."""
        self.source.set_state(self.uuid, "running")
        self.destination.set_state(self.uuid, "running")
        self._end(None)

    def break_post_copy(self, *, noticed: bool = True) -> None:
        """The link is cut in post-copy: stopped at the source, running at the destination, and the call fails.

        Not `noticed`: libvirt has given up, while the destination's QEMU waits for a stream that may yet go on.
        """
        with self.fleet.lock:
            self.broken = True
            self.source.set_state(self.uuid, "paused", reason="postcopy_failed")
            self.destination.set_state(self.uuid, "running", reason="postcopy_failed" if noticed else "postcopy")
            self._end(HypervisorError("operation failed: job 'migration out' failed in post-copy phase"))

    # -- asked by callers ---------------------------------------------------------------------------------------------

    def abort(self) -> None:
        """What `Hypervisor.abort` does to it."""
        with self.fleet.lock:
            if self.in_post_copy:
                raise HypervisorError("cannot abort migration in post-copy mode", host=self.source.name)
            self.commands.append(("abort", 0))
            if not self.abort_is_too_late:
                self._give_back()
                self._end(Aborted("operation aborted: canceled by client", host=self.source.name))

    def command(self, name: str, value: int = 0) -> None:
        """Note a setter's call."""
        with self.fleet.lock:
            self.commands.append((name, value))
            self.fleet.lock.notify_all()

    def start_post_copy(self) -> None:
        """Refused without permission in the order and while disks are copied, like libvirt."""
        if not self.order.post_copy:
            raise HypervisorError("switching to post-copy was not enabled", host=self.source.name)
        if self.sample.disk_remaining_bytes or not self.sample.iteration:
            text = "post-copy can only be started while outgoing migration is in progress"
            raise HypervisorError(text, host=self.source.name)
        self.in_post_copy = True
        self.source.set_state(self.uuid, "paused", reason="postcopy")
        self.destination.set_state(self.uuid, "running", reason="postcopy")
        self.command("post_copy")

    def suspend(self) -> None:
        """What `Hypervisor.suspend` does to it."""
        self.source.set_state(self.uuid, "paused", reason="migration")
        self.command("suspend")

    def break_off(self) -> None:
        """What `Hypervisor.break_off_post_copy` does to it."""
        if not self.in_post_copy:
            raise NoJob("current migration is not in post-copy phase", host=self.source.name)
        self.command("break_off")
        if not self.finished:
            self.break_post_copy()

    def wait(self) -> None:
        """Block the migrate call until an ending, then return or raise as that ending says."""
        with self.fleet.lock:
            if not self.fleet.lock.wait_for(lambda: self.finished, FORGOTTEN_S):
                raise AssertionError("the test never ended this migration")
        if self.error is not None:
            raise self.error

    # -- inside -------------------------------------------------------------------------------------------------------

    def _mend(self) -> None:
        broken = next((run for run in self.fleet.migrations if run.uuid == self.uuid and run.broken), None)
        if broken is None:
            raise HypervisorError("migration of the domain is not in post-copy phase", host=self.source.name)
        if broken.refuse_mending > 0:
            broken.refuse_mending -= 1
            raise HypervisorError("QEMU reports migration is still running", host=self.source.name)
        broken.broken, self.in_post_copy, self.sample = False, True, broken.sample
        self.state_before = broken.state_before

    def _show(self, **numbers: int) -> None:
        with self.fleet.lock:
            elapsed = self.sample.elapsed_ms + 500
            self.sample = dataclasses.replace(self.sample, elapsed_ms=elapsed, **numbers)  # type: ignore[arg-type]
            self.fleet.lock.notify_all()

    def _hand_over(self, downtime_ms: int) -> None:
        with self.fleet.lock:
            guest = self.source.guest_rows[self.uuid]
            if guest.state != "running":  # somebody may have let a paused guest run meanwhile
                guest = dataclasses.replace(guest, state=self.state_before)
            total = guest.memory_mib << 20
            done = dataclasses.replace(
                self.sample,
                kind="completed",
                downtime_ms=downtime_ms,
                downtime_net_ms=max(downtime_ms - 5, 0),
                memory_total_bytes=total,
                memory_processed_bytes=self.sample.memory_processed_bytes or total,
                memory_remaining_bytes=0,
                disk_processed_bytes=self.sample.disk_total_bytes,
                disk_remaining_bytes=0,
                iteration=max(self.sample.iteration, 1),
            )
            self.sample = done
            self.destination.arrived(guest, self.order, done)
            self.source.departed(self.uuid, undefine=self.order.undefine_source)

    def _give_back(self) -> None:
        with self.fleet.lock:
            self.destination.never_came(self.uuid)
            guest = self.source.guest_rows.get(self.uuid)
            if guest is not None and guest.state not in {self.state_before, "running"}:
                self.source.set_state(self.uuid, self.state_before, reason="migration_canceled")

    def _end(self, error: HypervisorError | None) -> None:
        with self.fleet.lock:
            self.error, self.finished = error, True
            self.fleet.lock.notify_all()
        self.source.tell(GuestEvent(kind="job_completed", uuid=self.uuid))
