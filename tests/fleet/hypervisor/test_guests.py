"""libvirt's bulk statistics, as two real guests of the lab gave them."""

from __future__ import annotations

import pytest

from fleet.hypervisor import codes, guests

RUNNING = {
    "state.state": 1,
    "state.reason": 1,
    "cpu.time": 64_030_000_000,
    "balloon.rss": 201_728,
    "block.count": 2,
    "block.0.name": "vda",
    "block.0.backingIndex": 1,
    "block.0.rd.bytes": 1_053_184,
    "block.0.wr.bytes": 110_592,
    "block.0.allocation": 8_847_360,
    "block.0.capacity": 268_435_456,
    "block.0.physical": 8_785_920,
    "block.1.name": "vdb",
    "block.1.rd.bytes": 16,
    "net.count": 1,
    "net.0.rx.bytes": 9_474,
    "net.0.tx.bytes": 1_006,
}


def test_counters_are_sums_over_disks_and_cards():
    sample = guests.counters("u", RUNNING)
    assert (sample.cpu_time_ns, sample.memory_used_mib) == (64_030_000_000, 197)
    assert (sample.disk_read_bytes, sample.disk_write_bytes) == (1_053_200, 110_592)
    assert (sample.net_rx_bytes, sample.net_tx_bytes) == (9_474, 1_006)


def test_a_guest_that_tells_what_it_uses_is_believed():
    told = guests.counters("u", {**RUNNING, "balloon.available": 98_304, "balloon.unused": 32_768})
    assert told.memory_used_mib == 64


def test_disk_sizes_say_what_the_file_takes():
    assert guests.disk_sizes(RUNNING) == {"vda": (268_435_456, 8_785_920), "vdb": (0, 0)}


def test_each_of_several_disks_has_its_size_whatever_libvirt_numbers_its_image():
    # libvirt counts all images of a guest, the last disk's first; a backing file follows its disk under the same name.
    told = {
        "block.count": 3,
        "block.0.name": "vda",
        "block.0.backingIndex": 2,
        "block.0.capacity": 30,
        "block.0.physical": 3,
        "block.1.name": "vda",
        "block.1.backingIndex": 3,
        "block.1.capacity": 40,
        "block.1.physical": 4,
        "block.2.name": "vdb",
        "block.2.backingIndex": 1,
        "block.2.capacity": 50,
        "block.2.physical": 5,
    }
    assert guests.disk_sizes(told) == {"vda": (30, 3), "vdb": (50, 5)}


def test_an_incoming_guest_is_seen_as_paused_by_migration():
    seen = guests.glimpse(uuid="u", name="n", persistent=False, statistics={"state.state": 3, "state.reason": 2})
    assert (seen.state, seen.reason) == ("paused", "migration")


@pytest.mark.parametrize(
    ("state", "reason", "shown"),
    [
        (0, 0, ("unknown", "")),
        (1, 1, ("running", "booted")),
        (1, 2, ("running", "migrated")),
        (2, 0, ("running", "")),
        (3, 12, ("paused", "postcopy")),
        (3, 13, ("paused", "postcopy_failed")),
        (5, 4, ("shutoff", "migrated")),
        (6, 1, ("crashed", "panicked")),
        (7, 0, ("suspended", "")),
        (99, 99, ("unknown", "")),
    ],
)
def test_states_and_reasons(state, reason, shown):
    assert (codes.state(state), codes.reason(state, reason)) == shown


@pytest.mark.parametrize(
    ("event", "detail", "shown"),
    [
        (0, 0, ("defined", "added")),
        (2, 1, ("started", "migrated")),
        (4, 1, ("resumed", "migrated")),
        (5, 3, ("stopped", "migrated")),
        (5, 5, ("stopped", "failed")),
        (8, 0, ("crashed", "panicked")),
        (42, 0, ("changed", "")),
    ],
)
def test_life_cycle_events(event, detail, shown):
    assert codes.lifecycle(event, detail) == shown
