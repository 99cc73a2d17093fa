"""Pools, volumes and the markers that prove a folder shared."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.hypervisor.domain_xml import parse
from fleet.hypervisor.errors import HypervisorError
from fleet.hypervisor.pools import marker_name, markers, new_volume_xml, pool_facts, volume_facts

GOLDEN = Path(__file__).parent / "golden"
A, B = "877df0d8-7f5c-5072-b182-34c5452d766c", "c7df8dab-cba1-5051-979e-1eab4cedcc9f"


def test_a_folder_pool_of_the_lab():
    pool = pool_facts((GOLDEN / "pool-dir.xml").read_text(), active=True, volume_names=["db.qcow2", marker_name(A)])
    assert (pool.name, pool.kind, pool.path, pool.source) == ("local", "dir", "/srv/local", "")
    assert pool.capacity_bytes == 1 << 30
    assert pool.markers == (A,)


@pytest.mark.parametrize(
    ("kind", "source", "shown"),
    [
        ("netfs", "<host name='nas'/><dir path='/export/vm'/><format type='nfs'/>", "nfs://nas/export/vm"),
        ("rbd", "<host name='mon' port='6789'/><name>vms</name>", "rbd://mon:6789/vms"),
        ("iscsi", "<host name='san'/><device path='iqn.2026-01.example:vm'/>", "iscsi://san/iqn.2026-01.example:vm"),
        ("gluster", "<host name='g1'/><dir path='/a'/><name>vol</name>", "gluster://g1/vol/a"),
        ("logical", "<device path='/dev/sdb'/><name>vg0</name>", ""),
    ],
)
def test_network_pools_say_where_their_data_really_is(kind, source, shown):
    xml = f"<pool type='{kind}'><name>p</name><source>{source}</source><target><path>/mnt/p</path></target></pool>"
    assert pool_facts(xml, active=True).source == shown


def test_markers_are_whole_names_in_a_fixed_order():
    names = [marker_name(B), marker_name(A), f"x{marker_name(A)}", "drover-host-.marker", marker_name("../x")]
    assert markers(names) == (A, B)


def test_a_volume_of_the_lab():
    volume = volume_facts((GOLDEN / "volume.xml").read_text(), "local")
    assert (volume.path, volume.format, volume.pool) == ("/srv/local/off.qcow2", "qcow2", "local")
    assert (volume.capacity_bytes, volume.allocation_bytes) == (1 << 28, 8_654_848)


def test_new_volumes_are_thin():
    root = parse(new_volume_xml(name="web.qcow2", capacity_bytes=1 << 30, format="qcow2"))
    assert (root.findtext("capacity"), root.findtext("allocation")) == (str(1 << 30), "0")


@pytest.mark.parametrize("name", ["", "-x", ".hidden", "a/b", "../x", "a b", "a<b", "x" * 300])
def test_names_that_could_mean_something_else_are_refused(name):
    with pytest.raises(HypervisorError):
        new_volume_xml(name=name, capacity_bytes=1, format="raw")


def test_formats_with_surprises_are_refused():
    with pytest.raises(HypervisorError, match="vmdk"):
        new_volume_xml(name="x", capacity_bytes=1, format="vmdk")
