"""What becomes different in a guest's definition, as people read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fleet.hypervisor.domain_xml import guest_facts
from migrations_app.map_rules import Wire
from migrations_app.preflight.situation import DiskAction, DiskPlan, Findings, Rewrites
from migrations_app.xml_difference import difference, planned, rewritten

XML = (Path(__file__).parents[1] / "fleet/hypervisor/golden/domain-running.xml").read_text()
DISK = guest_facts(XML).disks[0]


def changed(lines: list[str]) -> list[str]:
    return [line for line in lines if line[:1] in "+-"]


def test_where_nothing_changes_there_is_no_line_and_no_other_definition():
    findings = Findings(checks=(), disks=(DiskPlan(disk=DISK, action=DiskAction.SHARED),))
    assert rewritten(XML, findings) == ""
    assert planned(XML, findings) == []
    assert planned("", findings) == [], "a guest whose definition nobody has read yet"


def test_layout_is_no_difference():
    assert difference("<a><b x='1'/></a>", '<a>\n    <b x="1"/>\n</a>') == []


def test_a_moved_disk_and_a_mapped_card_are_the_lines_that_change():
    mac = next(line.split("'")[1] for line in XML.splitlines() if "<mac address" in line)
    copy = DiskPlan(disk=DISK, action=DiskAction.COPY, pool="ssd", path="/mnt/ssd/web.qcow2")
    findings = Findings(checks=(), disks=(copy,), rewrites=Rewrites(cards={mac: Wire("network", "prod")}))
    lines = planned(XML, findings)
    assert any("/mnt/ssd/web.qcow2" in line for line in changed(lines) if line.startswith("+"))
    assert any(DISK.source in line for line in changed(lines) if line.startswith("-"))
    assert any('<source network="prod"/>' in line for line in changed(lines) if line.startswith("+"))
    assert lines[0].startswith("@@")


def test_a_copy_under_another_name_is_what_is_written():
    copy = DiskPlan(disk=DISK, action=DiskAction.COPY, pool="shared", path=DISK.source)
    findings = Findings(checks=(), disks=(copy,))
    assert rewritten(XML, findings) == ""
    assert "/srv/web.0123-1.qcow2" in rewritten(XML, findings, {DISK.target: "/srv/web.0123-1.qcow2"})


def test_a_consoles_password_is_in_no_line():
    before = "<domain><devices><graphics type='vnc' passwd='geheim' listen='192.0.2.1'/></devices></domain>"
    after = before.replace("192.0.2.1", "192.0.2.2")
    lines = difference(before, after)
    assert any("192.0.2.2" in line for line in lines)
    assert "geheim" not in "".join(lines)


def test_a_disk_that_leaves_its_backing_file_is_another_one_even_at_the_same_path():
    layered = replace(DISK, backing="/srv/base.qcow2")
    copy = DiskPlan(disk=layered, action=DiskAction.COPY, path=layered.source)
    assert "-      <backingStore/>" in planned(XML, Findings(checks=(), disks=(copy,)))


def test_a_drive_that_arrives_empty_is_a_change():
    eject = DiskPlan(disk=DISK, action=DiskAction.EJECT)
    assert any(DISK.source in line for line in planned(XML, Findings(checks=(), disks=(eject,))) if line[0] == "-")
