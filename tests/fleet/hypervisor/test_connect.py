"""What a process loads and when, against libvirt's own test driver and against nobody."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from fleet.hypervisor import connect, errors, fake
from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.environment import clean_environment
from fleet.hypervisor.facts import HostAddress
from fleet.hypervisor.probe import probe
from fleet.refusals import Refused

ROOT = Path(__file__).parents[3]
TEST = HostAddress(name="toy", transport="test", address="default")


@pytest.fixture
def edge(tmp_path):
    before = connect.configuration()
    connect.configure(
        EdgeConfig(
            transports=("tls", "ssh", "tcp", "test", "fake"),
            known_hosts_dir=tmp_path / "known",
            open_deadline_s=0.5,
            call_deadline_s=5,
        )
    )
    yield connect
    connect.configure(before)


@pytest.fixture
def silent():
    """A port where connections are taken and nothing is ever said."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def run(code: str, **environment: str) -> str:
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=60,
    )
    return found.stdout.strip()


def test_importing_and_configuring_load_no_libvirt_and_start_no_thread():
    code = (
        "import sys, threading; from fleet.hypervisor import connect, probe, fake, uris, hostkeys\n"
        "from fleet.hypervisor.config import EdgeConfig\n"
        "connect.configure(EdgeConfig()); print('libvirt' in sys.modules, threading.active_count())"
    )
    assert run(code) == "False 1"


def test_a_redirecting_environment_never_reaches_libvirt():
    code = (
        "import os; from fleet.hypervisor import connect\n"
        "from fleet.hypervisor.config import EdgeConfig\n"
        "from fleet.hypervisor.facts import HostAddress\n"
        "connect.configure(EdgeConfig(transports=('test',)))\n"
        "connect.get(HostAddress(name='toy', transport='test', address='default')).glimpses()\n"
        "print([name for name in os.environ if name.startswith(('LIBVIRT_D', 'VIRSH'))])"
    )
    assert run(code, LIBVIRT_DEFAULT_URI="qemu+ext:///x?command=/bin/false", VIRSH_DEFAULT_CONNECT_URI="x") == (
        "['LIBVIRT_DEBUG']"
    )
    assert not any(name.startswith(("LIBVIRT", "SSH_", "DROVER")) for name in clean_environment())


def test_libvirts_test_driver_is_read_like_a_host(edge):
    host = edge.get(TEST)
    assert host.facts().hypervisor == "TEST"
    assert [glimpse.state for glimpse in host.glimpses()] == ["running"]
    assert [guest.name for guest in host.guests()] == ["test"]
    assert host.pools()[0].name == "default-pool"
    assert host.guest("11111111-1111-1111-1111-111111111111") is None
    assert host.alive()


def test_one_connection_object_per_address_until_it_is_dropped(edge):
    first = edge.get(TEST)
    assert edge.get(TEST) is first
    edge.drop(TEST)
    assert edge.get(TEST) is not first


def test_events_reach_subscribers_and_the_end_is_told_once(edge):
    host = edge.get(TEST)
    heard, closed = [], threading.Event()

    def on_event(event):
        heard.append(event.kind)
        if event.kind == "closed":
            closed.set()

    host.subscribe(on_event)
    host.close()
    assert closed.wait(5)
    assert heard.count("closed") == 1
    assert [glimpse.name for glimpse in host.glimpses()] == ["test"]


def test_addresses_are_checked_before_anything_is_opened(edge):
    with pytest.raises(Refused):
        edge.get(HostAddress(name="x", transport="unix", address="localhost"))
    with pytest.raises(Refused) as refused:
        edge.get(HostAddress(name="x", transport="tls", address="127.0.0.1")).facts()
    assert refused.value.code == "address_not_allowed"


def test_a_port_that_is_silent_is_given_up_and_then_refused_at_once(edge, silent):
    host = edge.get(HostAddress(name="mute", transport="tcp", address="127.0.0.1", port=silent))
    with pytest.raises(errors.HostUnreachable, match=r"did not answer within 0\.\d+ s"):
        host.facts()
    with pytest.raises(errors.HostUnreachable, match="has not answered since"):
        host.facts()


def test_a_closed_port_says_so(edge):
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    host = edge.get(HostAddress(name="shut", transport="tcp", address="127.0.0.1", port=port))
    with pytest.raises(errors.HostUnreachable, match=f"127.0.0.1 port {port}: connection refused"):
        host.facts()


def test_the_probe_reads_everything_in_a_process_of_its_own(edge):
    found = probe(TEST, deadline_s=30)
    assert found.facts.hypervisor == "TEST"
    assert [guest.name for guest in found.guests] == ["test"]
    assert [pool.name for pool in found.pools] == ["default-pool"]


def test_the_probe_is_killed_at_its_deadline(edge, silent):
    connect.configure(EdgeConfig(transports=("tcp",), open_deadline_s=60))
    with pytest.raises(errors.HostUnreachable):
        probe(HostAddress(name="mute", transport="tcp", address="127.0.0.1", port=silent), deadline_s=1)


def test_the_probes_errors_and_refusals_cross_the_pipe(edge):
    with pytest.raises(Refused) as refused:
        probe(HostAddress(name="x", transport="tls", address="127.0.0.1"), deadline_s=20)
    assert (refused.value.code, refused.value.field) == ("address_not_allowed", "address")
    with pytest.raises(errors.HostUnreachable, match="unknown here"):
        probe(HostAddress(name="x", transport="tls", address="nobody.invalid"), deadline_s=20)


def test_the_probe_asks_fake_hosts_in_this_process(edge):
    fleet = fake.reset()
    fleet.add_host("alpha").add_guest("web")
    found = probe(HostAddress(name="alpha", transport="fake", address="alpha"), deadline_s=5)
    assert (found.facts.hostname, [guest.name for guest in found.guests]) == ("alpha", ["web"])
    fake.reset()
