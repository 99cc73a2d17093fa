"""What every test may use: the cast of hosts and guests, people with roles, and real servers of the run's own."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase

from tests import cast as casting


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


@pytest.fixture(scope="session")
def redis() -> Iterator[str]:
    """A private redis-server on the socket that the test settings name; the URL."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not installed")
    socket = Path(settings.HOME) / "redis.sock"
    process = start_redis(socket)
    yield settings.REDIS_URL
    process.terminate()
    process.wait(10)


def start_redis(socket: Path) -> subprocess.Popen[bytes]:
    """Start redis-server on a unix socket and wait until it answers."""
    socket.unlink(missing_ok=True)
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(socket.parent)],
        stdout=subprocess.DEVNULL,
    )
    wait_until(socket.exists, 10, "redis-server has a socket")
    return process


def wait_until(condition: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """Poll a condition until it is true; fails with what was waited for."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.01)
    pytest.fail(f"not within {timeout_s} s: {what}")
