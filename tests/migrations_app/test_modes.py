"""Which kind of move a guest's state asks for."""

from __future__ import annotations

import pytest

from migrations_app.modes import MODES, WORDS, offered, resolve


@pytest.mark.parametrize(
    ("mode", "state", "meant"),
    [
        ("auto", "running", "live"),
        ("auto", "paused", "live"),
        ("auto", "shutoff", "cold"),
        ("auto", "crashed", "cold"),
        ("auto", "unknown", "live"),
        ("offline", "shutoff", "offline"),  # what was said is judged by the checks, never turned into something else
        ("cold", "running", "cold"),
    ],
)
def test_auto_follows_the_guests_state_and_words_are_meant(mode: str, state: str, meant: str) -> None:
    assert resolve(mode, state) == meant


@pytest.mark.parametrize("state", ["running", "paused", "shutoff", "crashed", "unknown"])
def test_what_a_page_offers_has_words_and_includes_what_auto_means(state: str) -> None:
    shown = offered(state)
    assert shown[0] == "auto"
    assert resolve("auto", state) in shown
    assert set(shown) <= set(WORDS) == set(MODES)
