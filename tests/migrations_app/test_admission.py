"""The queue: who may begin, what the others wait for, and at which place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from migrations_app.admission import Move, Pipe, Slot, Waiting, allotments, decide
from migrations_app.allotment import Stream

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
LINK = {"link": Pipe(words="the link from north to south", mib_s=100)}


def sends(host: str, limit: int = 1) -> Slot:
    return Slot(key=f"out:{host}", words=f"{host} sends {limit} at once", limit=limit)


def takes(host: str, limit: int = 1) -> Slot:
    return Slot(key=f"in:{host}", words=f"{host} takes {limit} at once", limit=limit)


def move(name: str, *slots: Slot, begun: bool = False, way: tuple[str, ...] = (), **more: object) -> Move:
    stream = Stream(id=name, way=way)
    return Move(id=name, name=name, begun=begun, slots=slots, stream=stream, **more)  # type: ignore[arg-type]


def test_with_nothing_going_on_everybody_may_begin() -> None:
    assert decide([move("web"), move("db")], {}, NOW) == {"web": None, "db": None}


def test_a_full_host_lets_the_next_one_wait_and_says_for_what() -> None:
    found = decide([move("web", takes("beta"), begun=True), move("db", takes("beta"))], {}, NOW)
    assert found == {"db": Waiting(for_="beta takes 1 at once", detail="Moving there now: web.", place=1)}


def test_places_count_in_the_order_in_which_was_asked() -> None:
    waiting = [move(name, takes("beta")) for name in ("one", "two", "three")]
    found = decide([move("web", takes("beta"), begun=True), *waiting], {}, NOW)
    assert [one.place for one in found.values() if one] == [1, 2, 3]
    assert found["three"] is not None
    assert found["three"].detail == "Moving there now: web. 2 wait longer."


def test_a_queued_move_that_may_begin_takes_its_place_before_later_ones() -> None:
    found = decide([move("web", takes("beta")), move("db", takes("beta"))], {}, NOW)
    assert found["web"] is None
    assert found["db"] is not None


def test_whoever_has_a_free_way_is_not_held_up_behind_another() -> None:
    begun = move("web", sends("alpha"), takes("beta"), begun=True)
    blocked, free = move("db", sends("alpha"), takes("gamma")), move("mail", sends("beta"), takes("gamma"))
    found = decide([begun, blocked, free], {}, NOW)
    assert found["db"] is not None
    assert found["mail"] is None


def test_a_known_link_takes_one_that_flows_and_one_that_gets_ready() -> None:
    flows, ready = move("web", begun=True, way=("link",)), move("db", way=("link",))
    found = decide([flows, ready, move("mail", way=("link",))], LINK, NOW)
    assert found["db"] is None
    assert found["mail"] == Waiting(
        for_="room on the link from north to south", detail="Moving there now: web, db.", place=1
    )


def test_nobody_overtakes_at_a_link_even_with_less_to_carry() -> None:
    flows = move("web", begun=True, way=("link",))
    disks = Move(id="db", name="db", begun=False, stream=Stream(id="db", way=("link",), steerable=False))
    found = decide([flows, disks, move("mail", way=("link",))], LINK, NOW)
    assert found["mail"] is not None
    assert found["mail"].place == 2


def test_one_whose_bytes_are_across_holds_its_slot_but_not_the_link() -> None:
    over = move("web", takes("beta", 2), begun=True, way=("link",), carried=True)
    next_one = move("db", takes("beta", 2), begun=True, way=("link",))
    assert allotments([over, next_one], LINK) == {"db": 100}
    found = decide([over, next_one, move("mail", takes("beta", 2), way=("link",))], LINK, NOW)
    assert found["mail"] is not None
    assert found["mail"].for_ == "beta takes 2 at once"


def test_a_move_for_later_waits_for_its_time_and_stands_in_nobodys_way() -> None:
    later = move("web", takes("beta"), not_before=NOW + timedelta(hours=2))
    found = decide([later, move("db", takes("beta"))], {}, NOW)
    assert found["web"] is not None
    assert (found["web"].for_, found["web"].place) == ("its time, 2030-01-01 14:00 UTC", 0)
    assert found["db"] is None
    assert decide([later], {}, NOW + timedelta(hours=2)) == {"web": None}


def test_many_that_move_are_counted_rather_than_named() -> None:
    begun = [move(f"vm{number}", takes("beta", 5), begun=True) for number in range(5)]
    found = decide([*begun, move("db", takes("beta", 5))], {}, NOW)
    assert found["db"] is not None
    assert found["db"].detail == "Moving there now: vm0, vm1, vm2 and 2 more."
