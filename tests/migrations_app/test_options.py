"""What an operator may choose, and what the refusals say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.refusals import Refused
from migrations_app.options import MAX_BANDWIDTH_MIB_S, MAX_CONNECTIONS, MAX_DOWNTIME_MS, Options, parse


@pytest.mark.parametrize("nothing", [None, {}])
def test_nothing_chosen_means_the_defaults(nothing: Any) -> None:
    assert parse(nothing) == Options()


def test_what_is_stored_is_read_back_the_same() -> None:
    chosen = Options(bandwidth_mib_s=100, compression="xbzrle", target_pool="fast", keep_source=False)
    assert parse(chosen.document()) == chosen


@pytest.mark.parametrize("wrong", [[], "", 0, False, "live", ["tls"], 7])
def test_only_an_object_holds_options(wrong: Any) -> None:
    with pytest.raises(Refused, match="must be an object"):
        parse(wrong)


@pytest.mark.parametrize("name", ["colour", "", "Bandwidth_mib_s", 7, "__class__", "document"])
def test_an_unknown_option_is_named_with_those_there_are(name: Any) -> None:
    with pytest.raises(Refused) as refused:
        parse({name: 1})
    assert refused.value.text == f"There is no option '{name}'."
    assert (refused.value.code, refused.value.field) == ("unknown_option", f"options/{name}")
    assert "bandwidth_mib_s" in refused.value.remedy


WRONG: list[tuple[str, Any, str]] = [
    ("bandwidth_mib_s", "100", "bandwidth_mib_s must be a whole number."),
    ("bandwidth_mib_s", 1.5, "bandwidth_mib_s must be a whole number."),
    ("bandwidth_mib_s", True, "bandwidth_mib_s must be a whole number."),  # a bool is an int in Python only
    ("bandwidth_mib_s", None, "bandwidth_mib_s must be a whole number."),
    ("bandwidth_mib_s", -1, "bandwidth_mib_s must lie between 0 and 1000000."),
    ("max_downtime_ms", -1, "max_downtime_ms must lie between 0 and 2000000."),
    ("timeout_s", 604_801, "timeout_s must lie between 0 and 604800."),
    ("parallel", 65, "parallel must lie between 0 and 64."),
    ("parallel", 10**400, "parallel must lie between 0 and 64."),
    ("auto_converge", 1, "auto_converge must be true or false."),
    ("tls", "yes", "tls must be true or false."),
    ("target_pool", 1, "target_pool must be text."),
    ("target_pool", None, "target_pool must be text."),
    ("compression", "zstd", "There is no compression 'zstd'."),
]


@pytest.mark.parametrize(("name", "value", "words"), WRONG)
def test_a_wrong_value_is_refused_with_what_is_right(name: str, value: Any, words: str) -> None:
    with pytest.raises(Refused) as refused:
        parse({name: value})
    assert (refused.value.text, refused.value.field) == (words, f"options/{name}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bandwidth_mib_s", 0),
        ("bandwidth_mib_s", MAX_BANDWIDTH_MIB_S),
        ("max_downtime_ms", 1),
        ("max_downtime_ms", MAX_DOWNTIME_MS),
        ("parallel", MAX_CONNECTIONS),
        ("timeout_s", 604_800),
    ],
)
def test_the_limits_themselves_are_allowed(name: str, value: int) -> None:
    assert getattr(parse({name: value}), name) == value


def test_compression_and_parallel_connections_do_not_go_together() -> None:
    with pytest.raises(Refused, match="do not go together") as refused:
        parse({"compression": "xbzrle", "parallel": 2})
    assert refused.value.code == "options_conflict"
    assert parse({"compression": "xbzrle", "parallel": 1}).parallel == 1


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from(sorted(Options.__dataclass_fields__)) | st.text(max_size=5)


@given(st.dictionaries(NAMES, ANYTHING, max_size=3) | ANYTHING)
def test_whatever_a_program_sends_is_understood_or_refused_in_words(document: Any) -> None:
    try:
        options = parse(document)
    except Refused as refused:
        assert refused.text
    else:
        assert parse(options.document()) == options
