"""Who has which address."""

from __future__ import annotations

import pytest

from lab import addresses
from lab.plan import BadPlan


def test_the_first_subnet_that_overlaps_nothing_is_taken() -> None:
    taken = ["0.0.0.0/0", "10.213.1.0/24", "10.213.2.128/25", "192.0.2.0/24"]
    assert addresses.free_subnet(taken) == "10.213.3.0/24"


def test_a_machine_whose_own_network_covers_all_of_them_is_refused() -> None:
    with pytest.raises(BadPlan):
        addresses.free_subnet(["10.0.0.0/8"])


def test_manager_hosts_and_guests_have_their_own_ranges() -> None:
    subnet = "10.213.7.0/24"
    assert addresses.manager(subnet) == "10.213.7.1"
    assert addresses.host(subnet, 0) == "10.213.7.11"
    assert addresses.guest(subnet, 0) == "10.213.7.101"


def test_macs_differ_between_labs() -> None:
    assert addresses.guest_mac("10.213.7.0/24", 0) == "52:54:00:d0:07:01"
    assert addresses.guest_mac("10.213.8.0/24", 0) != addresses.guest_mac("10.213.7.0/24", 0)


@pytest.mark.parametrize("lab", ["demo", "test-abcdefg", "test-with-a-long-name"])
def test_interface_names_fit(lab: str) -> None:
    assert len(addresses.manager_interface(lab, "10.213.254.0/24")) <= 15
