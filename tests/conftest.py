"""What every test may use: the cast of hosts and guests, people with roles, and real servers of the run's own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests import cast as casting

# A loaded machine is slow, which says nothing about the code: no test fails by the clock.
hypothesis_settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("unhurried")


@pytest.fixture(autouse=True, scope="session")
def _audit_lets_tests_clean_up() -> Iterator[None]:
    """Between committed tests the tables are emptied, which the audit log's own guard refuses; lift it just then."""
    guarded = import_module("fleet.migrations.0002_audit_is_append_only")
    empty = TransactionTestCase._fixture_teardown

    def emptied(case: TransactionTestCase) -> None:
        with connection.schema_editor() as editor:
            guarded.unguard(None, editor)
        empty(case)
        with connection.schema_editor() as editor:
            guarded.guard(None, editor)

    TransactionTestCase._fixture_teardown = emptied
    yield
    TransactionTestCase._fixture_teardown = empty


@pytest.fixture
def cast(db: None) -> Iterator[casting.Cast]:
    """Hosts alpha, beta, gamma and guests web, db: rows and fake hosts."""
    from fleet.hypervisor import connect, fake

    yield casting.assemble()
    connect.close_all()
    fake.reset()


@pytest.fixture
def committed_cast(transactional_db: None) -> Iterator[casting.Cast]:
    """The cast with real commits, for tests with several threads or workers."""
    from fleet.hypervisor import connect, fake

    yield casting.assemble()
    connect.close_all()
    fake.reset()


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Live messages land in a list of (topic, message) instead of Redis."""
    from fleet.jobs import live

    sent: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(live, "publish", lambda topic, message: sent.append((topic, message)))
    return sent


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Jobs whose bell was rung; no worker hears it."""
    heard: list[Any] = []
    monkeypatch.setattr("fleet.tasks.run_job.delay", heard.append)
    monkeypatch.setattr("migrations_app.tasks.attend_quarantine.delay", lambda _: None)
    return heard


class Redis:
    """A private redis-server on the socket that the test settings name; it can be killed and come back."""

    def __init__(self) -> None:
        self.url = settings.REDIS_URL
        self.socket = Path(settings.HOME) / "redis.sock"
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.socket.unlink(missing_ok=True)
        folder = str(self.socket.parent)
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        wait_until(self.answers, 10, "redis-server answers")

    def answers(self) -> bool:
        """Whether it says PONG."""
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(str(self.socket))
                line.sendall(b"PING\r\n")
                return line.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.wait(10)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """The run's own Redis."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    server = Redis()
    yield server
    server.kill()


@pytest.fixture
def redis(redis_server: Redis) -> str:
    """The URL of a Redis that answers."""
    if not redis_server.answers():
        redis_server.start()
    return str(redis_server.url)


def race(*runners: Callable[[], Any]) -> list[Any]:
    """Run all at the same moment, each in a thread with its own database connection; results or exceptions, in order.

    A thread that does not come to an end fails the test.
    """
    barrier, results = threading.Barrier(len(runners)), [None] * len(runners)

    def go(place: int, runner: Callable[[], Any]) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(10)
            results[place] = runner()
        except Exception as error:
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=(place, runner), daemon=True) for place, runner in enumerate(runners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a racing thread hangs"
    return results


def wait_until(condition: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """Poll a condition until it is true; fails with what was waited for."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.01)
    pytest.fail(f"not within {timeout_s} s: {what}")
