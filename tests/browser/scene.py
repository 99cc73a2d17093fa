"""A fleet for pictures without a lab: fake hosts, rows in every state a page can show, a web process over them.

Jobs get their states by the real flows, so that the pictures show what people will see.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

#: Guests beside the cast's: name, host, pool, memory in MiB.
GUESTS = (
    ("mail", "beta", "shared", 2048),
    ("wiki", "alpha", "shared", 1024),
    ("shop", "beta", "shared", 4096),
    ("cache", "gamma", "local", 512),
    ("build", "gamma", "shared", 8192),
    ("monitoring-with-a-long-name", "alpha", "local", 768),
    ("forum", "alpha", "local", 1536),
)


@contextmanager
def scene() -> Iterator[str]:
    """A one-time link into a Drover that has something to show on every page."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.core.management import call_command

    from tests.conftest import Redis

    call_command("migrate", verbosity=0)
    redis = Redis()
    with ExitStack() as ending:
        ending.callback(redis.kill)
        ending.enter_context(patch("fleet.tasks.run_job.delay"))
        threads = _furnish()
        ending.callback(_end_moves, threads)
        address = ending.enter_context(_served())
        from fleet.operate.seeding import login_link

        yield login_link(address)


@contextmanager
def _served() -> Iterator[str]:
    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config("fleet.asgi:application", log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def _furnish() -> list[threading.Thread]:
    """Rows for every page; threads of the moves that are still under way."""
    from fleet.states import Role
    from tests import cast as casting

    cast = casting.assemble()
    for name, host, pool, memory_mib in GUESTS:
        cast.fleet.hosts[host].add_guest(name, pool=pool, memory_mib=memory_mib)
    cast.sync()
    admin = casting.principal(Role.ADMIN, name="admin")
    _maps(cast, admin)
    return _moves(cast, admin)


def _maps(cast: Any, admin: Any) -> None:
    from migrations_app.flows import map_changes

    rules = {
        "networks": [{"from": "network:lan", "to": "network:prod"}, {"from": "bridge:br0", "to": "bridge:br7"}],
        "pools": [{"from": "local", "to": "shared"}],
        "paths": [{"from": "/srv/images", "to": "/mnt/images"}],
        "graphics_listen": "192.0.2.20",
    }
    words = {"description": "What is called otherwise in the south", "rules": rules}
    map_changes.add(principal=admin, name="north to south", source_site=cast.north, target_site=cast.south, **words)
    map_changes.add(
        principal=admin, name="rehearsal", rules={"networks": [{"from": "network:lan", "to": "network:test"}]}
    )


def _moves(cast: Any, admin: Any) -> list[threading.Thread]:
    """One of each ending, one under way, one that waits for a worker, and two that were asked for together."""
    from fleet.hypervisor import fake_migration
    from fleet.hypervisor.errors import HypervisorError

    cast.fleet.hold_migrations()
    # Pictures take their time.
    fake_migration.FORGOTTEN_S = 3600.0
    lost = HypervisorError("operation failed: migration failed", host="alpha")
    ended = [
        _move(cast, admin, "mail", "alpha", lambda move: move.succeed(downtime_ms=48)),
        _move(cast, admin, "shop", "alpha", lambda move: move.fail(lost)),
        _move(cast, admin, "monitoring-with-a-long-name", "gamma", _disks_too),
    ]
    for thread in ended:
        thread.join(30)
    under_way = _move(cast, admin, "wiki", "beta", _half_way)
    _ask(cast, admin, "db", "gamma")
    _together(cast, admin)
    return [under_way]


def _together(cast: Any, admin: Any) -> None:
    from fleet.models import Guest
    from migrations_app.flows.bulk import Item, submit_together
    from migrations_app.flows.wishes import Wish

    guests = Guest.objects.select_related("host__site").filter(name__in=("cache", "build"))
    submit_together(principal=admin, items=[Item(guest=one, wish=Wish(destination=cast.beta)) for one in guests])


def _disks_too(move: Any) -> None:
    move.copy_disks(done_bytes=1 << 30, total_bytes=1 << 30)
    move.copy_memory(done_bytes=700 << 20, remaining_bytes=68 << 20)
    move.succeed(downtime_ms=112)


def _half_way(move: Any) -> None:
    """In its third pass, and slowly on: a move in which no byte moves would be given up."""

    def go_on() -> None:
        while not stop.wait(2) and not move.finished and move.sample.memory_remaining_bytes > 1 << 20:
            left = move.sample.memory_remaining_bytes - (1 << 20)
            move.copy_memory(done_bytes=(1024 << 20) - left, remaining_bytes=left, iteration=3, dirty_pages_s=9000)

    stop = threading.Event()
    for iteration in (1, 2, 3):
        move.copy_memory(
            done_bytes=(300 * iteration) << 20,
            remaining_bytes=(900 >> iteration) << 20,
            iteration=iteration,
            dirty_pages_s=9000,
        )
    threading.Thread(target=go_on, daemon=True).start()


def _ask(cast: Any, admin: Any, guest: str, destination: str) -> Any:
    from fleet.models import Guest
    from migrations_app.flows.submit import submit

    row = Guest.objects.select_related("host__site").get(name=guest)
    return submit(principal=admin, guest=row, destination=getattr(cast, destination)).job


def _move(cast: Any, admin: Any, guest: str, destination: str, then: Callable[[Any], None]) -> threading.Thread:
    """Ask for a move, let a worker of our own begin it, and lead it to where `then` wants it."""
    from django.db import connection

    from migrations_app.flows.run import run

    job = _ask(cast, admin, guest, destination)

    def work() -> None:
        try:
            run(job.pk)
        finally:
            connection.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    then(cast.fleet.wait_for_migration(str(job.guest.uuid)))
    return thread


def _end_moves(threads: list[threading.Thread]) -> None:
    from fleet.hypervisor import fake

    for move in fake.fleet().migrations:
        if not move.finished:
            move.fail()
    for thread in threads:
        thread.join(20)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(), scene() as link:
        print(link)
        threading.Event().wait()
