"""What earlier moves teach: those most alike first, and never one or two alone."""

from __future__ import annotations

from typing import Any

from fleet.planning.estimate import Experience
from migrations_app.history import Past, experience


def past(guest: str = "web", source: str = "alpha", destination: str = "beta", **taught: Any) -> Past:
    return Past(guest=guest, source=source, destination=destination, **{"copied_disks": False, **taught})


def learned(*moves: Past, **about: Any) -> Experience:
    wanted = {"guest": "web", "source": "alpha", "destination": "beta", "copies_disks": False, **about}
    return experience(moves, **wanted)


def test_without_enough_moves_nothing_is_learned() -> None:
    assert learned(past(fixed_s=2.0), past(fixed_s=2.0)) == Experience()


def test_the_same_guest_between_the_same_hosts_is_believed_before_all_others() -> None:
    own = [past(fixed_s=seconds) for seconds in (2.0, 9.0, 2.2)]
    others = [past("db", fixed_s=5.0) for _ in range(8)]
    found = learned(*own, *others)
    assert (found.fixed_s, found.basis, found.moves) == (2.2, "guest and hosts", 3)


def test_the_way_back_teaches_as_much_as_the_way_there() -> None:
    there_and_back = [past(fixed_s=2.0), past(source="beta", destination="alpha", fixed_s=2.0), past(fixed_s=2.0)]
    assert learned(*there_and_back).basis == "guest and hosts"


def test_other_guests_between_the_hosts_then_the_guest_elsewhere_then_the_fleet() -> None:
    hosts = [past("db", fixed_s=3.0) for _ in range(3)]
    guest = [past("web", "alpha", "gamma", fixed_s=4.0) for _ in range(3)]
    fleet = [past("db", "gamma", "delta", fixed_s=5.0) for _ in range(3)]
    assert learned(*hosts, *guest, *fleet).basis == "hosts"
    assert learned(*guest, *fleet).fixed_s == 4.0
    assert (learned(*fleet).fixed_s, learned(*fleet).basis) == (5.0, "fleet")


def test_the_speed_of_another_way_says_nothing_about_this_one() -> None:
    assert learned(*[past("web", "alpha", "gamma", rate_mib_s=10.0) for _ in range(5)]).rate_mib_s is None
    assert learned(*[past("db", rate_mib_s=10.0) for _ in range(5)]).rate_mib_s == 10.0


def test_one_move_of_the_guest_tells_how_full_its_memory_is_and_how_it_writes() -> None:
    found = learned(past(memory_share=0.7, writes=((8.0, 16.0),)), past("db", memory_share=0.1))
    assert (found.memory_share, found.writes) == (0.7, ((8.0, 16.0),))


def test_a_correction_comes_from_moves_of_the_same_kind_and_stays_within_bounds() -> None:
    copied = [past(copied_disks=True, correction=0.4) for _ in range(3)]
    plain = [past(correction=1.2) for _ in range(3)]
    assert learned(*copied, *plain).correction == 1.2
    assert learned(*copied, *plain, copies_disks=True).correction == 0.5
    assert learned(*copied).correction == 1.0


def test_a_move_whose_guest_was_misjudged_corrects_no_other() -> None:
    misjudged = [past(correction=0.01) for _ in range(3)]
    assert learned(*misjudged).correction == 1.0
    assert learned(*misjudged, *(past(correction=0.9) for _ in range(3))).correction == 0.9


def test_only_the_newest_count() -> None:
    new, old = [past(fixed_s=2.0) for _ in range(12)], [past(fixed_s=9.0) for _ in range(50)]
    assert learned(*new, *old).fixed_s == 2.0
