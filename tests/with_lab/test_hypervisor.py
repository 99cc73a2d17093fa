"""The hypervisor edge against real hosts: facts, storage, events, moves, and a libvirtd that hangs."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from fleet.hypervisor import connect, errors, hostkeys
from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.facts import GuestEvent, HostAddress
from fleet.hypervisor.interface import Hypervisor, MigrationOrder
from fleet.hypervisor.probe import probe
from lab import Lab
from tests.with_lab.installation import until

#: A limit under which the dirtying guest stays in its memory stage until somebody acts.
SLOW_MIB_S = 3


class Pair:
    """alpha and beta of the lab, who share a folder, with what the tests ask of them."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.alpha, self.beta = self.host("alpha"), self.host("beta")

    def address(self, name: str) -> HostAddress:
        return HostAddress(name=name, transport="tls", address=self.lab.hosts[name].address)

    def host(self, name: str) -> Hypervisor:
        return connect.get(self.address(name))

    def uuid(self, guest: str) -> str:
        return next(found.uuid for host in (self.alpha, self.beta) for found in host.glimpses() if found.name == guest)

    def start(self, guest: str, **choices: object) -> tuple[threading.Thread, list[errors.HypervisorError | None]]:
        """Migrate from alpha to beta in a thread; its outcome comes into the list."""
        outcome: list[errors.HypervisorError | None] = []
        order = MigrationOrder(destination=self.address("beta"), **choices)  # type: ignore[arg-type]
        uuid = self.uuid(guest)

        def move() -> None:
            try:
                self.alpha.migrate(uuid, order)
                outcome.append(None)
            except errors.HypervisorError as error:
                outcome.append(error)

        thread = threading.Thread(target=move)
        thread.start()
        return thread, outcome


@pytest.fixture
def pair(real_lab: Lab, tmp_path) -> Iterator[Pair]:
    before = connect.configuration()
    real_lab.heal_hosts()
    real_lab.reset()
    connect.configure(
        EdgeConfig(
            pki_dir=real_lab.pki_dir,
            ssh_key=real_lab.ssh_key,
            known_hosts_dir=tmp_path / "known",
            open_deadline_s=2,
            call_deadline_s=3,
            transports=("tls", "ssh"),
        )
    )
    yield Pair(real_lab)
    connect.configure(before)


def test_facts_pools_and_guests_agree_with_the_lab(pair: Pair) -> None:
    facts = pair.alpha.facts()
    assert (facts.hostname, facts.hypervisor) == ("alpha", "QEMU")
    assert "pc-q35-7.2" in facts.machines["qemu"]
    assert "qemu64" in facts.cpu_models["qemu"]
    guests = {guest.name: guest for guest in pair.alpha.guests()}
    assert guests["db2"].disks[0].pool == "local"
    assert guests["web1"].interfaces[0].kind == "network"
    web = guests["web1"]
    verdict = pair.beta.compare_cpu(
        cpu_xml=web.cpu_xml, domain_type=web.domain_type, arch=web.arch, machine=web.machine
    )
    assert verdict.compatible
    new = "<cpu mode='custom'><model>Skylake-Server</model></cpu>"
    verdict = pair.beta.compare_cpu(cpu_xml=new, domain_type="qemu", arch=web.arch, machine=web.machine)
    assert "avx512f" in verdict.missing


def test_markers_prove_which_folders_are_shared(pair: Pair) -> None:
    uuids = {host.address.name: host.facts().uuid for host in (pair.alpha, pair.beta)}
    for host in (pair.alpha, pair.beta):
        for pool in ("shared", "local"):
            host.place_marker(pool, uuids[host.address.name])
    seen = {
        (host.address.name, pool.name): set(pool.markers)
        for host in (pair.alpha, pair.beta)
        for pool in host.pools(refresh=True)
    }
    assert seen["alpha", "shared"] == seen["beta", "shared"] == set(uuids.values())
    assert seen["alpha", "local"] == {uuids["alpha"]}
    assert seen["beta", "local"] == {uuids["beta"]}


def test_volumes_are_thin_and_never_overwritten(pair: Pair) -> None:
    made = pair.beta.create_volume(pool="local", name="new.qcow2", capacity_bytes=1 << 28, format="qcow2")
    try:
        assert made.allocation_bytes < 1 << 20
        with pytest.raises(errors.VolumeExists):
            pair.beta.create_volume(pool="local", name="new.qcow2", capacity_bytes=1, format="qcow2")
    finally:
        pair.beta.delete_volume(made.path)
    pair.beta.delete_volume(made.path)
    assert pair.beta.volume(made.path) is None


def test_a_guest_moves_over_shared_storage_with_events_and_numbers(pair: Pair) -> None:
    heard: list[GuestEvent] = []
    end = pair.alpha.subscribe(heard.append)
    uuid = pair.uuid("web1")
    thread, outcome = pair.start("web1", proven_shared=True, tls=True, max_downtime_ms=500)
    thread.join(60)
    end()
    assert outcome == [None]
    assert pair.alpha.glimpse(uuid) is None
    there = pair.beta.glimpse(uuid)
    assert there is not None
    assert (there.state, there.reason, there.persistent) == ("running", "migrated", True)
    done = pair.beta.completed_job(uuid)
    assert done is not None
    assert done.kind == "completed"
    assert done.downtime_ms is not None
    kinds = [(event.kind, event.detail, event.reason) for event in heard if event.uuid == uuid]
    assert ("iteration", "", "") in kinds
    assert ("lifecycle", "stopped", "migrated") in kinds
    assert ("job_completed", "", "") in kinds


def test_a_copied_disk_stays_thin_and_the_source_is_left_alone(pair: Pair) -> None:
    uuid = pair.uuid("db2")
    guest = pair.alpha.guest(uuid)
    assert guest is not None
    disk = guest.disks[0]
    pair.beta.create_volume(pool="local", name=disk.volume, capacity_bytes=disk.capacity_bytes, format=disk.format)
    thread, outcome = pair.start("db2", copy_disks=("vda",))
    thread.join(60)
    assert outcome == [None]
    assert pair.lab.check_counter("db2").ok
    arrived = pair.beta.volume(disk.source)
    assert arrived is not None
    assert arrived.allocation_bytes < disk.capacity_bytes / 2
    assert pair.alpha.volume(disk.source) is not None


def test_numbers_come_at_once_while_the_call_waits_and_an_abort_leaves_the_guest(pair: Pair) -> None:
    uuid = pair.uuid("cache1")
    thread, outcome = pair.start("cache1", proven_shared=True, bandwidth_mib_s=SLOW_MIB_S)
    until(lambda: _copied(pair.alpha, uuid), 20, "memory is copied")
    slowest = 0.0
    for _ in range(40):
        began = time.monotonic()
        assert pair.alpha.job(uuid) is not None
        pair.alpha.glimpses()
        slowest = max(slowest, time.monotonic() - began)
    # Two calls on one connection would wait for a keepalive message, which comes every 3 s.
    assert slowest < 1
    pair.alpha.set_bandwidth(uuid, SLOW_MIB_S + 1)
    pair.alpha.set_max_downtime(uuid, 50)
    pair.alpha.abort(uuid)
    thread.join(30)
    assert isinstance(outcome[0], errors.Aborted)
    assert pair.lab.running_copies("cache1") == ["alpha"]
    with pytest.raises(errors.NoJob):
        pair.alpha.abort(uuid)


def test_a_destination_that_the_source_cannot_reach_is_not_the_source_that_is_gone(pair: Pair) -> None:
    order = MigrationOrder(destination=replace(pair.address("beta"), port=1), proven_shared=True)
    with pytest.raises(errors.PeerUnreachable, match="Connection refused"):
        pair.alpha.migrate(pair.uuid("web1"), order)
    assert pair.alpha.alive()


def test_a_hung_libvirtd_is_given_up_refused_and_found_again(pair: Pair) -> None:
    closed = threading.Event()
    pair.alpha.subscribe(lambda event: closed.set() if event.kind == "closed" else None)
    pair.alpha.glimpses()
    pair.lab.kill("alpha", daemon=True, number=signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(errors.HostUnreachable, match="did not answer within 3 s"):
            pair.alpha.glimpses()
        assert time.monotonic() - began < 4
        assert closed.wait(1)
        began = time.monotonic()
        with pytest.raises(errors.HostUnreachable, match="has not answered since"):
            pair.alpha.facts()
        assert time.monotonic() - began < 0.5
        assert pair.beta.facts().hostname == "beta"
        # Nobody has talked to this one yet: opening hangs too, and is given up too.
        connect.drop(pair.address("alpha"))
        with pytest.raises(errors.HostUnreachable, match="nobody answers there within 2 s"):
            pair.host("alpha").facts()
    finally:
        pair.lab.kill("alpha", daemon=True, number=signal.SIGCONT)
    again = pair.host("alpha")
    until(lambda: _answers(again), 15, "alpha answers again")


def test_ssh_goes_only_to_the_approved_key(pair: Pair) -> None:
    address = replace(pair.address("alpha"), transport="ssh", username="root")
    with pytest.raises(errors.HostKeyUnknown) as unknown:
        probe(address, deadline_s=20)
    approved = replace(address, ssh_host_key=unknown.value.key)
    assert hostkeys.fingerprint(unknown.value.key) == unknown.value.fingerprint
    found = probe(approved, deadline_s=20)
    assert found.facts.hostname == "alpha"
    assert {guest.name for guest in found.guests} >= {"web1", "db2"}
    with pytest.raises(errors.HostKeyUnknown) as other:
        probe(replace(pair.address("beta"), transport="ssh"), deadline_s=20)
    with pytest.raises(errors.HostKeyChanged):
        probe(replace(address, ssh_host_key=other.value.key), deadline_s=20)


def test_a_certificate_of_another_authority_is_named(pair: Pair, tmp_path, real_lab: Lab) -> None:
    for name in ("clientcert.pem", "clientkey.pem"):
        (tmp_path / name).write_bytes((real_lab.pki_dir / name).read_bytes())
    (tmp_path / "cacert.pem").write_bytes((real_lab.pki_dir / "clientcert.pem").read_bytes())
    connect.configure(replace(connect.configuration(), pki_dir=tmp_path))
    with pytest.raises(errors.BadCertificate, match="certificate"):
        probe(pair.address("alpha"), deadline_s=20)


def _answers(host: Hypervisor) -> bool:
    try:
        return bool(host.glimpses())
    except errors.HostUnreachable:
        return False


def _copied(host: Hypervisor, uuid: str) -> int:
    sample = host.job(uuid)
    return sample.memory_processed_bytes if sample else 0
