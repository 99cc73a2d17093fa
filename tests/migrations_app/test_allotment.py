"""Who gets how much of a link: the first all it can use, the next a trickle, and never more than there is."""

from __future__ import annotations

import random

from migrations_app.allotment import STREAM_MIB_S, Stream, allot, crowded

LINK = {"link": 100.0}


def stream(name: str, *way: str, **more: int) -> Stream:
    return Stream(id=name, way=way or ("link",), **more)


def test_a_lone_move_takes_the_whole_link() -> None:
    assert allot([stream("one")], LINK) == {"one": 100}


def test_the_second_gets_ready_at_a_trickle_and_takes_over_when_the_first_ends() -> None:
    first, second = stream("one"), stream("two")
    assert allot([first, second], LINK) == {"one": 99, "two": 1}
    assert allot([second], LINK) == {"two": 100}


def test_moves_over_different_links_do_not_touch_each_other() -> None:
    pipes = {"a": 100.0, "b": 50.0}
    assert allot([stream("one", "a"), stream("two", "b")], pipes) == {"one": 100, "two": 50}


def test_a_fat_card_feeds_as_many_narrow_links_as_it_can() -> None:
    # 250 - 3 trickles = 247: 99 + 99 more for the first two, 49 more for the third.
    pipes = {"card": 250.0, "a": 100.0, "b": 100.0, "c": 100.0}
    streams = [stream(name, "card", name) for name in "abc"]
    assert allot(streams, pipes) == {"a": 100, "b": 100, "c": 50}


def test_a_policys_share_and_an_operators_limit_leave_the_rest_to_the_next() -> None:
    assert allot([stream("one", share_percent=40), stream("two")], LINK) == {"one": 40, "two": 60}
    assert allot([stream("one", cap_mib_s=10), stream("two")], LINK) == {"one": 10, "two": 90}


def test_without_a_known_speed_only_the_operators_limit_holds() -> None:
    assert allot([stream("one"), stream("two", cap_mib_s=7)], {}) == {"one": 0, "two": 7}


def test_what_copies_a_disk_keeps_what_it_was_given() -> None:
    assert allot([stream("new"), stream("copy", fixed_mib_s=30)], LINK) == {"new": 70, "copy": 30}


def test_a_very_fat_link_takes_several_full_streams() -> None:
    pipes = {"link": 3.0 * STREAM_MIB_S}
    streams = [stream(name) for name in ("one", "two")]
    assert allot(streams, pipes) == {"one": STREAM_MIB_S, "two": STREAM_MIB_S}
    assert crowded(streams, stream("three"), pipes) is None


def test_one_flows_and_one_gets_ready_and_the_third_waits() -> None:
    one, two, three = stream("one"), stream("two"), stream("three")
    assert crowded([], one, LINK) is None
    assert crowded([one], two, LINK) is None
    assert crowded([one, two], three, LINK) == "link"


def test_a_copy_of_disks_does_not_begin_at_a_trickle_it_would_keep() -> None:
    assert crowded([stream("one")], stream("two", steerable=False), LINK) == "link"
    assert crowded([stream("one", share_percent=50)], stream("two", steerable=False, share_percent=50), LINK) is None


def test_a_link_too_narrow_for_two_trickles_takes_one_move() -> None:
    assert crowded([stream("one")], stream("two"), {"link": 1.5}) == "link"


def test_no_pipe_is_ever_promised_more_than_it_has() -> None:
    dice = random.Random(7)
    for _ in range(500):
        pipes = {name: dice.uniform(12, 400) for name in "abcdef"}
        streams = [
            stream(
                str(number),
                *dice.sample("abcdef", dice.randint(1, 3)),
                share_percent=dice.choice([20, 50, 100]),
                cap_mib_s=dice.choice([0, 0, 5, 80]),
            )
            for number in range(dice.randint(1, 9))
        ]
        rates = allot(streams, pipes)
        for key, speed in pipes.items():
            assert sum(rates[one.id] for one in streams if key in one.way) <= speed
