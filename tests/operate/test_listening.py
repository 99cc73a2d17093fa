"""Addresses to listen on."""

from __future__ import annotations

import socket

import pytest

from fleet.operate import listening
from fleet.refusals import Refused


@pytest.mark.parametrize(
    ("wanted", "address", "port"),
    [
        ("", "127.0.0.1", None),
        ("9000", "127.0.0.1", 9000),
        (":9000", "127.0.0.1", 9000),
        ("0.0.0.0", "0.0.0.0", None),
        ("192.0.2.7:80", "192.0.2.7", 80),
        ("localhost:81", "localhost", 81),
        ("[::1]:82", "::1", 82),
        ("[::1]", "::1", None),
    ],
)
def test_what_people_write_is_understood(wanted: str, address: str, port: int | None) -> None:
    assert listening.parse(wanted) == (address, port)


@pytest.mark.parametrize("wanted", ["example.org:80", "127.0.0.1:0", "127.0.0.1:70000", "127.0.0.1:web", "1.2.3:4"])
def test_what_is_no_address_is_refused_by_name(wanted: str) -> None:
    with pytest.raises(Refused, match="no address"):
        listening.parse(wanted)


def test_a_free_port_is_chosen_when_none_was_asked_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address, port = listening.choose("")
        assert address == "127.0.0.1"
        assert port != taken.getsockname()[1]
        assert listening.is_free(address, port)


def test_a_port_that_was_asked_for_and_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Refused, match="is taken"):
        listening.choose(f"127.0.0.1:{taken.getsockname()[1]}")


@pytest.mark.parametrize(
    ("address", "url"),
    [("127.0.0.1", "http://127.0.0.1:80"), ("0.0.0.0", "http://127.0.0.1:80"), ("::1", "http://[::1]:80")],
)
def test_the_address_people_are_told_can_be_opened(address: str, url: str) -> None:
    assert listening.url(address, 80) == url
