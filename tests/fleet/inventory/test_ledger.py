"""The ledger: what people wait for is written first, and nothing found out is lost."""

from __future__ import annotations

from uuid import uuid4

from fleet.hypervisor.facts import GuestGlimpse, HostAddress
from fleet.inventory import ledger
from fleet.inventory.contact import Contact
from fleet.inventory.ledger import Entry, Ledger
from fleet.inventory.watched import Watched


def watched(name: str) -> Watched:
    return Watched(
        host_id=uuid4(),
        hardware_uuid=str(uuid4()),
        address=HostAddress(name=name, transport="fake", address=name),
        version=0,
        contact=Contact(up=True),
        row_contact=("up", ""),
    )


def empty() -> Ledger:
    return Ledger(still_ours=set, after=lambda *_: None)


def test_an_event_overtakes_a_thousand_first_looks() -> None:
    book, alpha = empty(), watched("alpha")
    for number in range(1000):
        book.put(watched(f"new{number}"), glimpses=())
    book.put(alpha, glimpses=(), urgent=True)
    taken = book._take()
    assert taken is not None
    assert next(iter(taken[0])) == alpha.host_id
    assert len(taken[0]) == ledger.AT_ONCE


def test_newer_findings_take_the_olders_place_and_the_rest_stays() -> None:
    alpha = watched("alpha")
    old = (GuestGlimpse(uuid="1", name="web", state="running", persistent=True),)
    older = Entry(alpha, contact=("unreachable", "no answer"), glimpses=old, load={"memory_used_mib": 1}, urgent=True)
    newer = Entry(alpha, contact=("up", ""), load={"cpu_percent": 2.0})
    both = older.under(newer)
    assert (both.contact, both.glimpses, both.urgent) == (("up", ""), old, True)
    assert both.load == {"memory_used_mib": 1, "cpu_percent": 2.0}
    assert older.under(Entry(alpha, glimpses=())).glimpses == (), "an empty list is news, too"


def test_findings_about_one_host_wait_as_one_entry() -> None:
    book, alpha = empty(), watched("alpha")
    for number in range(50):
        book.put(alpha, load={"memory_used_mib": number})
    taken = book._take()
    assert taken is not None
    assert [entry.load for entry in taken[0].values()] == [{"memory_used_mib": 49}]
