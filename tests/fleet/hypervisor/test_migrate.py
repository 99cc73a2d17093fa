"""Orders become libvirt's flags and parameters; libvirt's numbers become samples."""

from __future__ import annotations

import pytest

from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.facts import HostAddress
from fleet.hypervisor.interface import MigrationOrder
from fleet.hypervisor.migrate import Flag, destination_uri, flags, job_sample, parameters
from fleet.refusals import Refused

BETA = HostAddress(name="beta", transport="tls", address="beta.example")
ALWAYS = Flag.PEER2PEER | Flag.PERSIST_DEST | Flag.ABORT_ON_ERROR
USUAL = ALWAYS | Flag.LIVE | Flag.UNDEFINE_SOURCE


def order(**choices):
    return MigrationOrder(**{"destination": BETA, **choices})


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({}, USUAL),
        ({"live": False}, USUAL & ~Flag.LIVE),
        ({"undefine_source": False}, USUAL & ~Flag.UNDEFINE_SOURCE),
        ({"copy_disks": ("vda",)}, USUAL | Flag.NON_SHARED_DISK),
        ({"copy_disks": ("vda",), "incremental": True}, USUAL | Flag.NON_SHARED_INC),
        ({"incremental": True}, USUAL),
        # libvirt takes none of the flags about memory and disks for a guest that is off
        (
            {"definition_only": True, "proven_shared": True, "auto_converge": True, "live": False},
            Flag.OFFLINE | Flag.PEER2PEER | Flag.PERSIST_DEST | Flag.UNDEFINE_SOURCE,
        ),
        ({"proven_shared": True}, USUAL | Flag.UNSAFE),
        ({"tls": True, "parallel_connections": 4}, USUAL | Flag.TLS | Flag.PARALLEL),
        ({"compression": "xbzrle", "auto_converge": True}, USUAL | Flag.COMPRESSED | Flag.AUTO_CONVERGE),
        ({"post_copy": True}, USUAL | Flag.POSTCOPY),
    ],
)
def test_flags(choices, expected):
    assert flags(order(**choices)) == expected


def test_our_flags_are_libvirts():
    libvirt = pytest.importorskip("libvirt")
    for flag in Flag:
        assert flag == getattr(libvirt, f"VIR_MIGRATE_{flag.name}")


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({}, {"migrate_uri": "tcp://beta.example"}),
        (
            {"copy_disks": ("vda", "vdb"), "bandwidth_mib_s": 50, "max_downtime_ms": 300},
            {"migrate_uri": "tcp://beta.example", "migrate_disks": ["vda", "vdb"], "bandwidth": 50},
        ),
        (
            {"parallel_connections": 2, "compression": "xbzrle", "destination_xml": "<a/>", "persistent_xml": "<b/>"},
            {
                "migrate_uri": "tcp://beta.example",
                "parallel.connections": 2,
                "compression": "xbzrle",
                "destination_xml": "<a/>",
                "persistent_xml": "<b/>",
            },
        ),
    ],
)
def test_parameters(choices, expected):
    assert parameters(order(**choices)) == expected


def test_a_definition_alone_is_described_as_it_is_kept():
    assert parameters(order(definition_only=True)) == {}
    asked = order(definition_only=True, destination_xml="<live/>", persistent_xml="<kept/>", bandwidth_mib_s=5)
    assert parameters(asked) == {"destination_xml": "<kept/>"}


def test_a_migration_network_carries_data_and_certificates_keep_the_hosts_name():
    beta = HostAddress(name="beta", transport="tls", address="beta.example", migration_address="10.9.0.2")
    assert parameters(order(destination=beta, tls=True)) == {
        "migrate_uri": "tcp://10.9.0.2",
        "listen_address": "10.9.0.2",
        "tls.destination": "beta.example",
    }


def test_the_destination_is_checked_like_any_address():
    assert destination_uri(order(), EdgeConfig()) == "qemu+tls://beta.example/system"
    bad = HostAddress(name="beta", transport="tls", address="beta/system?command=x")
    with pytest.raises(Refused):
        destination_uri(order(destination=bad), EdgeConfig())
    with pytest.raises(HypervisorError, match="zstd"):
        destination_uri(order(compression="zstd"), EdgeConfig())


def test_a_job_as_the_lab_reported_it():
    sample = job_sample(
        {
            "type": 2,
            "operation": 5,
            "time_elapsed": 2138,
            "downtime": 414,
            "setup_time": 1,
            "data_total": 369_958_912,
            "data_processed": 345_129_851,
            "memory_total": 101_457_920,
            "memory_processed": 76_628_859,
            "memory_bps": 55_268_219,
            "memory_iteration": 3,
            "memory_dirty_rate": 10,
            "memory_page_size": 4096,
            "disk_total": 268_500_992,
            "disk_processed": 268_500_992,
        }
    )
    assert (sample.kind, sample.operation, sample.elapsed_ms, sample.downtime_ms) == (
        "unbounded",
        "migration_out",
        2138,
        414,
    )
    assert (sample.iteration, sample.disk_total_bytes, sample.disk_remaining_bytes) == (3, 268_500_992, 0)
    assert sample.dirty_rate_bytes_s == 40_960
    assert sample.downtime_net_ms is None


@pytest.mark.parametrize(("number", "kind"), [(0, "none"), (3, "completed"), (4, "failed"), (5, "cancelled")])
def test_job_kinds(number, kind):
    assert job_sample({"type": number}).kind == kind
