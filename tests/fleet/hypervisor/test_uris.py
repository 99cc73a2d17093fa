"""Nobody types a URI: what becomes one, and what is refused with the field's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.facts import HostAddress
from fleet.hypervisor.uris import checked, control_uri, known_hosts_path, migrate_uri, peer_uri
from fleet.refusals import Refused

EVERY = ("tls", "ssh", "tcp", "unix", "test")
CONFIG = EdgeConfig(
    pki_dir=Path("/var/lib/drover/pki & co"),
    ssh_key=Path("/var/lib/drover/ssh/id"),
    known_hosts_dir=Path("/var/lib/drover/known"),
    transports=EVERY,
)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDP79qtY8IjEhAbbGsZB"


def host(**fields):
    return HostAddress(**{"name": "alpha", "transport": "tls", "address": "alpha.example", **fields})


SSH_QUERY = (
    "keyfile=%2Fvar%2Flib%2Fdrover%2Fssh%2Fid&known_hosts=%2Fvar%2Flib%2Fdrover%2Fknown%2F{file}"
    "&known_hosts_verify=normal&sshauth=privkey&no_tty=1&proxy=native"
)


@pytest.mark.parametrize(
    ("fields", "uri"),
    [
        ({}, "qemu+tls://alpha.example/system?pkipath=%2Fvar%2Flib%2Fdrover%2Fpki%20%26%20co"),
        (
            {"address": "2001:db8::7", "port": 1234},
            "qemu+tls://[2001:db8::7]:1234/system?pkipath=%2Fvar%2Flib%2Fdrover%2Fpki%20%26%20co",
        ),
        (
            {"transport": "ssh", "username": "ops"},
            "qemu+libssh2://ops@alpha.example/system?" + SSH_QUERY.format(file="alpha.example-22"),
        ),
        (
            {"transport": "ssh", "address": "2001:db8::7", "port": 2222},
            "qemu+libssh2://root@[2001:db8::7]:2222/system?" + SSH_QUERY.format(file="2001_db8__7-2222"),
        ),
        ({"transport": "tcp", "address": "127.0.0.1"}, "qemu+tcp://127.0.0.1/system"),
        ({"transport": "unix", "address": "localhost"}, "qemu:///system"),
        (
            {"transport": "unix", "address": "/run/lab/libvirt-sock"},
            "qemu+unix:///system?socket=%2Frun%2Flab%2Flibvirt-sock",
        ),
        ({"transport": "test", "address": "default"}, "test:///default"),
        ({"transport": "test", "address": "/srv/h1.xml", "port": 16509}, "test+tcp://127.0.0.1:16509/srv/h1.xml"),
    ],
)
def test_control_uris(fields, uri):
    assert control_uri(host(**fields), CONFIG) == uri


@pytest.mark.parametrize(
    ("fields", "uri"),
    [
        ({"port": 16514}, "qemu+tls://alpha.example:16514/system"),
        ({"transport": "ssh", "username": "ops"}, "qemu+ssh://ops@alpha.example/system?no_tty=1"),
        ({"transport": "tcp"}, "qemu+tcp://alpha.example/system"),
    ],
)
def test_peer_uris_name_no_file_of_ours(fields, uri):
    assert peer_uri(host(**fields), CONFIG) == uri


def test_guests_travel_to_the_migration_address():
    assert migrate_uri(host()) == "tcp://alpha.example"
    assert migrate_uri(host(migration_address="2001:db8::9")) == "tcp://[2001:db8::9]"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"transport": "ext"}, "transport"),
        ({"transport": "fake"}, "transport"),
        ({"transport": ""}, "transport"),
        ({"address": ""}, "address"),
        ({"address": "-oProxyCommand=x"}, "address"),
        ({"address": "a b"}, "address"),
        ({"address": "alpha/system?command=sh"}, "address"),
        ({"address": "alpha?command=sh"}, "address"),
        ({"address": "alpha#x"}, "address"),
        ({"address": "root@alpha"}, "address"),
        ({"address": "alpha:22"}, "address"),
        ({"address": "[::1]"}, "address"),
        ({"address": "fe80::1%eth0"}, "address"),
        ({"address": "alpha\n"}, "address"),
        ({"address": "2130706433"}, "address"),
        ({"address": "0177.1"}, "address"),
        ({"address": "a" * 64}, "address"),
        ({"address": "alpha.example\x00"}, "address"),
        ({"address": "älpha"}, "address"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": -1}, "port"),
        ({"username": "root"}, "username"),
        ({"transport": "ssh", "username": "-oProxyCommand=x"}, "username"),
        ({"transport": "ssh", "username": "a b"}, "username"),
        ({"transport": "ssh", "username": "root:secret"}, "username"),
        ({"transport": "ssh", "username": "Root"}, "username"),
        ({"migration_address": "-x"}, "migration_address"),
        ({"migration_address": "unix:/run/x"}, "migration_address"),
        ({"transport": "ssh", "ssh_host_key": "ssh-ed25519"}, "ssh_host_key"),
        ({"transport": "ssh", "ssh_host_key": f"@cert-authority * {KEY}"}, "ssh_host_key"),
        ({"transport": "ssh", "ssh_host_key": f"{KEY} comment"}, "ssh_host_key"),
        ({"transport": "unix", "address": "/run/../etc/x y"}, "address"),
        ({"transport": "test", "address": "/etc/passwd"}, "address"),
        ({"transport": "test", "address": "alpha"}, "address"),
    ],
)
def test_every_bad_field_is_named(fields, field):
    with pytest.raises(Refused) as refused:
        control_uri(host(**fields), CONFIG)
    assert refused.value.field == field
    assert refused.value.status == 422


@pytest.mark.parametrize("transport", ["tcp", "unix", "test", "fake"])
def test_transports_without_proof_of_identity_need_permission(transport):
    with pytest.raises(Refused) as refused:
        checked(host(transport=transport), EdgeConfig())
    assert refused.value.field == "transport"


def test_a_good_address_passes_unchanged():
    good = host(transport="ssh", username="ops", ssh_host_key=f"{KEY}\n{KEY}", migration_address="10.0.0.7", port=22)
    assert checked(good, CONFIG) is good


def test_a_known_hosts_file_never_leaves_its_folder():
    assert known_hosts_path(host(address="..", transport="ssh"), CONFIG).parent == CONFIG.known_hosts_dir
