"""Which rules a cut becomes."""

from __future__ import annotations

from lab.cuts import Cut, rules_of, ruleset

ADDRESSES = {"alpha": "10.213.1.11", "beta": "10.213.1.12", "manager": "10.213.1.1"}


def test_two_hosts_are_cut_both_ways() -> None:
    assert rules_of(Cut("alpha", "beta"), ADDRESSES) == [
        "ip saddr 10.213.1.11 ip daddr 10.213.1.12 drop",
        "ip saddr 10.213.1.12 ip daddr 10.213.1.11 drop",
    ]


def test_a_host_alone_loses_its_guests_network_too() -> None:
    assert rules_of(Cut("alpha"), ADDRESSES) == ['iifname "h-alpha" drop', 'oifname "h-alpha" drop']


def test_a_lossy_link_drops_some() -> None:
    assert rules_of(Cut("alpha", "manager", 20), ADDRESSES)[0].endswith("numgen random mod 100 < 20 drop")


def test_one_port_is_cut_whoever_opened_the_connection() -> None:
    here, there = ADDRESSES["alpha"], ADDRESSES["beta"]
    assert rules_of(Cut("alpha", "beta", port=16514), ADDRESSES) == [
        f"ip saddr {here} ip daddr {there} tcp dport 16514 drop",
        f"ip saddr {here} ip daddr {there} tcp sport 16514 drop",
        f"ip saddr {there} ip daddr {here} tcp dport 16514 drop",
        f"ip saddr {there} ip daddr {here} tcp sport 16514 drop",
    ]


def test_no_cuts_are_an_empty_chain() -> None:
    assert "drop" not in ruleset([], ADDRESSES).replace("drover", "")


def test_healing_means_the_cuts_it_names() -> None:
    cut = Cut("alpha", "beta")
    assert cut.touches(None, None)
    assert cut.touches("beta", None)
    assert cut.touches("beta", "alpha")
    assert not cut.touches("alpha", "manager")
    assert not cut.touches("gamma", None)
