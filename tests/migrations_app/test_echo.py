"""Real echoes to this machine itself, where the system lets the tests send any."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from migrations_app.echo import EchoLine, NoEcho


@pytest.fixture(params=["127.0.0.1", "::1"])
def line(request: pytest.FixtureRequest) -> Iterator[EchoLine]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        socket.create_server((request.param, 0), family=family).close()
        opened = EchoLine(request.param)
    except (OSError, NoEcho) as why:
        pytest.skip(str(why))
    yield opened
    opened.close()


def test_each_echo_is_answered_under_its_number(line: EchoLine) -> None:
    seen: list[int] = []
    for sequence in (0, 1, 65_535):
        line.ask(sequence)
        deadline = time.monotonic() + 2
        while sequence not in seen and time.monotonic() < deadline:
            seen += [number for number, _ in line.answers(wait_s=0.1)]
    assert seen == [0, 1, 65_535]


def test_two_lines_do_not_hear_each_others_answers(line: EchoLine) -> None:
    other = EchoLine(line.address)
    other.ask(5)
    assert [number for number, _ in other.answers(wait_s=2)] == [5]
    assert line.answers(wait_s=0.05) == []
    other.close()
