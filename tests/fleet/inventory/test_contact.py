"""When a host counts as unreachable, and when it is asked again."""

from __future__ import annotations

import pytest

from fleet.inventory.contact import (
    FIRST_PAUSE_S,
    GRACE_S,
    HURRY_S,
    JITTER,
    LONGEST_PAUSE_S,
    Contact,
    answered,
    failed,
    pause_s,
)

UP = Contact(up=True)


def test_one_quick_refusal_is_forgiven_and_tried_again_at_once() -> None:
    contact = failed(UP, began=100.0, now=100.1, text="connection refused")
    assert contact.up
    assert pause_s(contact, chance=0.5) == HURRY_S


def test_trouble_that_lasts_is_unreachable_with_the_newest_reason() -> None:
    contact = failed(UP, began=100.0, now=100.1, text="connection lost")
    contact = failed(contact, began=100.6, now=100.0 + GRACE_S, text="connection refused")
    assert not contact.up
    assert contact.text == "connection refused"


def test_a_call_that_hung_until_its_deadline_needs_no_second_one() -> None:
    assert not failed(UP, began=100.0, now=108.0, text="no answer").up


def test_an_answer_ends_all_trouble() -> None:
    contact = failed(UP, began=100.0, now=108.0, text="no answer")
    assert answered(contact) == UP
    assert failed(answered(contact), began=200.0, now=200.1, text="again").up


def test_pauses_double_up_to_the_longest() -> None:
    contact, pauses = UP, []
    for number in range(8):
        contact = failed(contact, began=100.0 * number, now=100.0 * number + 8, text="no answer")
        pauses.append(pause_s(contact, chance=0.5))
    assert pauses[:4] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S, 8 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S


@pytest.mark.parametrize(("chance", "part"), [(0.0, 1 - JITTER), (1.0, 1 + JITTER)])
def test_pauses_are_spread_so_that_a_rack_is_not_asked_in_one_moment(chance: float, part: float) -> None:
    contact = failed(UP, began=0.0, now=8.0, text="no answer")
    assert pause_s(contact, chance=chance) == pytest.approx(FIRST_PAUSE_S * part)


def test_a_host_that_was_never_up_is_unreachable_at_its_first_failure() -> None:
    assert not failed(Contact(up=False), began=0.0, now=0.1, text="connection refused").up
