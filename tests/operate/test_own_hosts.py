"""Own hosts on the command line."""

from __future__ import annotations

import pytest

from fleet.operate.own_hosts import OwnHost, parse
from fleet.refusals import Refused


def test_hosts_are_read_with_user_and_port() -> None:
    assert parse("tls://kvm1.example.org, ssh://root@192.0.2.4:2222") == [
        OwnHost(name="kvm1.example.org", transport="tls", address="kvm1.example.org"),
        OwnHost(name="192.0.2.4", transport="ssh", address="192.0.2.4", port=2222, username="root"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kvm1",
        "qemu+tls://kvm1/system",
        "tls://kvm1/system",
        "tls://kvm1?pkipath=/tmp",
        "ssh://root:secret@kvm1",
        "ssh://root@kvm1?command=/bin/sh",
        "tls://kvm1:99999",
        "unix:///var/run/libvirt/libvirt-sock",
        "tls://",
    ],
)
def test_nothing_but_transport_user_address_and_port_is_taken(text: str) -> None:
    with pytest.raises(Refused):
        parse(text)
