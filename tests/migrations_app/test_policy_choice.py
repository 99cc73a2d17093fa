"""Which policy holds for a guest, and what it promises in words."""

from __future__ import annotations

import pytest

from fleet.refusals import Refused
from migrations_app import promises
from migrations_app.options import Options
from migrations_app.policy_choice import Candidate, choose
from migrations_app.terms import Encryption, Terms, resolve

DEFAULT = Candidate(terms=Terms(policy="Balanced"), is_default=True)
GOLD = Candidate(terms=Terms(policy="Gold"), tags=frozenset({"gold", "shop"}))
SHOP = Candidate(terms=Terms(policy="Shop"), tags=frozenset({"shop"}))
NORTH = Candidate(terms=Terms(policy="North"), sites=frozenset({"north"}))
OWN = Candidate(terms=Terms(policy="Own"))
ALL = [SHOP, NORTH, OWN, GOLD, DEFAULT]


@pytest.mark.parametrize(
    ("wish", "name", "because"),
    [
        ({"asked": "Own", "own": "Gold", "tags": ["shop"], "site": "north"}, "Own", "asked for with this move"),
        ({"own": "Own", "tags": ["shop"], "site": "north"}, "Own", "the guest's own"),
        ({"tags": ["shop"], "site": "north"}, "Gold", "for guests tagged shop"),
        ({"own": "long gone", "site": "north"}, "North", "for guests at north"),
        ({"site": "south"}, "Balanced", "the default"),
    ],
)
def test_the_nearest_policy_holds_and_equals_go_by_name(wish, name, because) -> None:
    found = choose(ALL, **wish)
    assert (found.terms.policy, found.because) == (name, because)


def test_the_order_of_the_rows_does_not_matter() -> None:
    assert choose(reversed(ALL), tags=["shop"]) == choose(ALL, tags=["shop"])


def test_a_policy_that_is_asked_for_must_exist() -> None:
    with pytest.raises(Refused, match="no migration policy 'Silver'") as refused:
        choose(ALL, asked="Silver")
    assert refused.value.field == "options/policy"
    assert "Gold" in refused.value.remedy


def test_without_any_policy_drovers_own_terms_hold() -> None:
    assert choose([]).terms == Terms()


def test_each_option_is_stronger_than_the_policy() -> None:
    policy = Terms(policy="Gold", max_pause_ms=50, may_post_copy=True, encryption=Encryption.REQUIRED)
    assert resolve(Options(), policy) == policy
    options = Options(max_downtime_ms=700, post_copy=False, tls=False)
    found = resolve(options, policy)
    assert (found.max_pause_ms, found.may_post_copy, found.encryption) == (700, False, Encryption.OFF)


def test_a_promise_is_a_sentence() -> None:
    assert promises.sentence(Terms()) == (
        "At most 300 ms of pause; if it writes too fast, Drover slows the guest's CPUs down."
    )
    terms = Terms(
        max_pause_ms=5000,
        max_duration_s=600,
        may_throttle=False,
        encryption=Encryption.OPPORTUNISTIC,
        bandwidth_share_percent=50,
    )
    assert promises.sentence(terms) == (
        "At most 5 s of pause; given up after 10 min; a guest that writes too fast is left alone and stays where it "
        "is; encrypted where both hosts can; at most 50 % of the link."
    )
