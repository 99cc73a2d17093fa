"""Moves through a map between real hosts: another network, another pool and another address for the console there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from lab import Lab
from tests.with_lab.installation import Installation, until

FOLDER = "/srv/local/ssd"
#: Another network over the same bridge, so that the guest can be reached through it.
NETWORK = "<network><name>prod</name><forward mode='bridge'/><bridge name='br0'/></network>"
RULES = {
    "networks": [{"from": "network:lan", "to": "network:prod"}],
    "pools": [{"from": "local", "to": "ssd"}],
}


@pytest.fixture
def other_names(drover: Installation, real_lab: Lab) -> Iterator[str]:
    """beta with a network and a pool that alpha has not, and a map that knows them; all gone afterwards."""
    real_lab.exec("beta", "sh", "-c", f'echo "{NETWORK}" > /srv/local/prod.xml; mkdir {FOLDER}')
    real_lab.virsh("beta", "net-define", "/srv/local/prod.xml")
    real_lab.virsh("beta", "net-start", "prod")
    real_lab.virsh("beta", "pool-create-as", "ssd", "dir", "--target", FOLDER)
    refresh(drover, "beta")
    status, made = drover.api("POST", "maps/", {"name": "to prod", "rules": RULES})
    assert status == 201, made
    yield made["name"]
    drover.api("DELETE", f"maps/{made['id']}/", If_Match="*")
    real_lab.reset()
    real_lab.virsh("beta", "pool-destroy", "ssd")
    real_lab.virsh("beta", "net-destroy", "prod")
    real_lab.virsh("beta", "net-undefine", "prod")
    real_lab.exec("beta", "rm", "-rf", FOLDER, "/srv/local/prod.xml")
    refresh(drover, "beta")


def refresh(drover: Installation, host: str) -> None:
    status, answer = drover.api("POST", f"hosts/{drover.host(host)['id']}/refresh/", {})
    assert status in {200, 202}, answer


def came(lines: list[str]) -> set[str]:
    return {line[1:].strip() for line in lines if line.startswith("+")}


def test_a_guest_gets_network_and_pool_of_the_map_and_what_was_shown_is_what_is_done(
    drover: Installation, real_lab: Lab, other_names: str
) -> None:
    beta = drover.host("beta")["id"]
    shown = drover.get(f"guests/{drover.guest('db2')['id']}/xml-difference/?destination={beta}&map=to+prod")["lines"]
    assert f'<source file="{FOLDER}/db2.qcow2"/>' in came(shown)
    assert '<source network="prod"/>' in came(shown)

    job = drover.finished(drover.move("db2", "beta", options={"map": other_names}))
    assert job["state"] == "succeeded", job
    for definition in (
        real_lab.virsh("beta", "dumpxml", "db2"),
        real_lab.virsh("beta", "dumpxml", "db2", "--inactive"),
    ):
        assert "network='prod'" in definition
        assert f"file='{FOLDER}/db2.qcow2'" in definition
        assert "network='lan'" not in definition
    [said] = [event for event in drover.events(job) if event["code"] == "definition.changed"]
    assert {f'<source file="{FOLDER}/db2.qcow2"/>', '<source network="prod"/>'} <= came(said["data"]["xml_difference"])
    assert real_lab.running_copies("db2") == ["beta"]
    assert real_lab.check_counter("db2").ok
    disk = json.loads(real_lab.exec("beta", "qemu-img", "info", "-U", "--output=json", f"{FOLDER}/db2.qcow2"))
    assert disk["actual-size"] < 100 << 20, "thin stays thin"
    migration = drover.get(f"migrations/{job['id']}/")
    assert (migration["map"], migration["storage"]) == (other_names, "copy")


@pytest.fixture
def console(drover: Installation, real_lab: Lab) -> Iterator[str]:
    """A guest without a disk whose console listens on alpha's own address."""
    address = real_lab.hosts["alpha"].address
    xml = real_lab.virsh("alpha", "dumpxml", "web1", "--inactive")
    xml = re.sub(r"<uuid>.*?</uuid>|<disk .*?</disk>|<serial .*?</serial>|<console .*?</console>", "", xml, flags=re.S)
    xml = re.sub(r"<mac address='[^']*'/>", "<mac address='52:54:00:d0:ff:01'/>", xml)
    xml = xml.replace("<name>web1</name>", "<name>screen1</name>")
    graphics = f"<graphics type='vnc' autoport='yes' listen='{address}'/><video><model type='vga'/></video>"
    xml = xml.replace("</devices>", f"{graphics}</devices>")
    real_lab.exec("alpha", "sh", "-c", f"cat > /srv/local/screen1.xml <<'END'\n{xml}\nEND")
    real_lab.virsh("alpha", "define", "/srv/local/screen1.xml")
    real_lab.virsh("alpha", "start", "screen1")
    until(lambda: drover.where("screen1") == "alpha", 20, "the watcher sees the new guest")
    until(lambda: drover.guest("screen1")["state"] == "running", 20, "it runs")
    yield "screen1"
    for host in ("alpha", "beta"):
        real_lab.virsh(host, "destroy", "screen1", check=False)
        real_lab.virsh(host, "undefine", "screen1", check=False)
    real_lab.exec("alpha", "rm", "/srv/local/screen1.xml")


def test_a_console_on_the_sources_address_listens_on_the_destinations(
    drover: Installation, real_lab: Lab, console: str
) -> None:
    here, there = real_lab.hosts["alpha"].address, real_lab.hosts["beta"].address
    job = drover.finished(drover.move(console, "beta"))
    assert job["state"] == "succeeded", job
    definition = real_lab.virsh("beta", "dumpxml", console)
    assert f"listen='{there}'" in definition
    assert here not in definition
    assert any(event["code"] == "check.console_moves" for event in drover.events(job))
