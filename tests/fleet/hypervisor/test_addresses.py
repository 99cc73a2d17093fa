"""Where hosts may be: names are looked up first, and no answer may point inside."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from fleet.hypervisor.addresses import allowed
from fleet.hypervisor.config import EdgeConfig
from fleet.hypervisor.errors import HostUnreachable
from fleet.hypervisor.facts import HostAddress
from fleet.refusals import Refused

OPEN = EdgeConfig(transports=("tls", "ssh", "tcp", "unix", "test"))
NARROW = EdgeConfig(networks=(ip_network("10.20.0.0/16"), ip_network("2001:db8::/32")))


def host(address="alpha.example", transport="tls"):
    return HostAddress(name="alpha", transport=transport, address=address)


@pytest.mark.parametrize("found", [["10.1.2.3"], ["192.168.1.1", "2001:db8::1"], ["203.0.113.9"]])
def test_ordinary_addresses_are_allowed(found):
    assert allowed(host(), OPEN, lambda _: found) == found


@pytest.mark.parametrize(
    "found",
    [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "0.0.0.0",
        "::",
        "169.254.169.254",
        "fe80::1",
        "224.0.0.1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
    ],
)
def test_addresses_that_are_no_hosts_are_refused(found):
    for answers in ([found], ["10.1.2.3", found]):
        with pytest.raises(Refused) as refused:
            allowed(host(), OPEN, lambda _, answers=answers: answers)
        assert (refused.value.field, refused.value.code) == ("address", "address_not_allowed")


@pytest.mark.parametrize(
    ("found", "fine"),
    [("10.20.3.4", True), ("::ffff:10.20.3.4", True), ("2001:db8::5", True), ("10.21.0.1", False), ("8.8.8.8", False)],
)
def test_an_allow_list_decides_alone(found, fine):
    if fine:
        assert allowed(host(), NARROW, lambda _: [found]) == [found]
    else:
        with pytest.raises(Refused):
            allowed(host(), NARROW, lambda _: [found])


def test_clear_text_for_tests_may_stay_on_this_machine():
    assert allowed(host("127.0.0.1", "tcp"), OPEN, lambda name: [name]) == ["127.0.0.1"]


@pytest.mark.parametrize("transport", ["unix", "test"])
def test_transports_without_a_network_are_not_looked_up(transport):
    assert allowed(host("/x", transport), OPEN, lambda _: pytest.fail("looked up")) == []


def test_an_unknown_name_is_an_unreachable_host():
    def unknown(_):
        raise OSError(-2, "Name or service not known")

    with pytest.raises(HostUnreachable, match=r"'alpha\.example' is unknown here: Name or service not known"):
        allowed(host(), OPEN, unknown)
