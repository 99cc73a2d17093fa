"""The processes of an installation: what each is started with."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from fleet.operate.places import Places

REDIS_CONFIG = """\
# Written by `manage.py up`. Reached through this socket only; what it holds is worth nothing after an end.
port 0
unixsocket {socket}
unixsocketperm 600
dir {folder}
daemonize no
save ""
appendonly no
loglevel warning
logfile ""
"""


@dataclass(frozen=True, kw_only=True)
class Program:
    """One process. They start in order of `rank` and end in the opposite order, equal ranks side by side, each with
    `end_s` to finish."""

    name: str
    argv: tuple[str, ...]
    rank: int
    end_s: int = 8


def of_installation(*, address: str, port: int) -> list[Program]:
    """Redis (unless one was named in the settings), web, worker, clock and watcher."""
    places = Places(settings.HOME)
    found = [
        Program(name="web", argv=web(address, port), rank=20),
        Program(name="worker", argv=worker(), rank=20, end_s=5),
        Program(name="clock", argv=clock(), rank=20, end_s=2),
        Program(name="watcher", argv=watcher(), rank=20),
    ]
    if needs_redis(places):
        found.insert(0, Program(name="redis", argv=("redis-server", str(write_redis_config(places))), rank=10))
    return found


def needs_redis(places: Places) -> bool:
    """Whether the settings point at our own socket."""
    own = f"unix://{places.redis_socket}"
    return bool(own == settings.REDIS_URL)


def write_redis_config(places: Places) -> Path:
    """In a file, so that the command line tells nothing."""
    path = places.run / "redis.conf"
    path.write_text(REDIS_CONFIG.format(socket=places.redis_socket, folder=places.run))
    return path


def web(address: str, port: int) -> tuple[str, ...]:
    """Pages, REST and sockets. A proxy's word about the client is believed only where a proxy is said to be."""
    proxy = "--proxy-headers" if settings.HTTPS else "--no-proxy-headers"
    return (
        *(sys.executable, "-m", "uvicorn", "fleet.asgi:application", "--host", address, "--port", str(port)),
        *(
            "--no-access-log",
            "--no-server-header",
            "--timeout-graceful-shutdown",
            "3",
            "--log-level",
            "info",
            "--lifespan",
            "off",
            proxy,
        ),
    )


#: Celery warns of root at every start; the demo runs as root because its lab needs that.
CELERY = ("-W", "ignore:You're running the worker with superuser", "-m", "celery", "--quiet", "-A", "fleet.celery")


def worker() -> tuple[str, ...]:
    """Does the jobs. Threads, because a migration waits: it does not compute."""
    return (
        *(sys.executable, *CELERY, "worker", "-P", "threads", "-Q", "celery"),
        *("-c", str(settings.WORKER_THREADS), "-l", "INFO", "-n", "worker@%h"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    )


def clock() -> tuple[str, ...]:
    """Rings the sweep every few seconds."""
    schedule = settings.CELERY_BEAT_SCHEDULE_FILENAME
    return (
        *(sys.executable, *CELERY, "beat", "-l", "WARNING"),
        *("--schedule", schedule, "--pidfile="),
    )


def watcher() -> tuple[str, ...]:
    """Keeps hosts and guests as they really are."""
    return (sys.executable, str(settings.BASE_DIR / "manage.py"), "watcher")
