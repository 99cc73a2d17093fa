"""Drover's own programs, Redis, the database and messages die, hang, lie or come twice."""

from __future__ import annotations

import signal

from tests.faults.fault import Act, Fault, seconds, then
from tests.faults.scene import Scene
from tests.with_lab.installation import LEASE_S, until


def _new_worker(scene: Scene) -> None:
    scene.drover.start_worker("worker")


def _second_worker_and_freeze(scene: Scene) -> None:
    scene.drover.start_worker("worker2")
    scene.drover.freeze("worker")


def _adopted(scene: Scene) -> None:
    until(lambda: scene.has("adopted") or scene.has("taken.over"), LEASE_S + 30, "the second worker takes over")


def _kill_one_of_two(scene: Scene) -> None:
    """Whichever of two workers has the job."""
    owner = next(event for event in scene.drover.events(scene.job) if event["code"] == "started")["data"]["worker"]
    pids = {str(scene.drover.programs[name].pid): name for name in ("worker", "worker2")}
    scene.drover.kill(pids[owner.split(":")[1]])


def _second_worker(scene: Scene) -> None:
    scene.drover.start_worker("worker2")
    scene.drover.ready("worker2")


def _thaw_worker(scene: Scene) -> None:
    scene.drover.thaw("worker")


def killed(name: str) -> Act:
    """kill -9 of one of Drover's programs."""
    return lambda scene: scene.drover.kill(name)


WORKER = Fault("the worker is killed (-9); a new one is started", killed("worker"), heal=_new_worker)
ONE_OF_TWO = Fault(
    "of two workers the one that has the job is killed (-9)", then(_second_worker, _kill_one_of_two), _adopted
)
FROZEN_WORKER = Fault(
    "the worker freezes until another has taken over, then wakes up", _second_worker_and_freeze, _adopted, _thaw_worker
)
WATCHER = Fault("the watcher is killed (-9)", killed("watcher"), heal=lambda scene: scene.drover.start_watcher())
WEB = Fault("the web process is killed (-9)", killed("web"), heal=lambda scene: scene.drover.start_web())
SECOND_CLOCK = Fault(
    "a second clock (Celery beat) is started",
    lambda scene: scene.drover.start("clock2", *scene.drover.clock("clock2")),
    seconds(6),
    lambda scene: scene.drover.kill("clock2"),
)


def wrong_clock(words: str, clock: str) -> Fault:
    """A second worker whose clock is wrong beside the first: it must not take what is not free."""

    def inject(scene: Scene) -> None:
        scene.drover.start_worker("worker2", clock=clock)
        scene.drover.ready("worker2")

    def heal(scene: Scene) -> None:
        assert not scene.has("adopted"), "nobody's lease runs out because another's clock is wrong"

    return Fault(words, inject, seconds(LEASE_S * 2), heal)


def wrong_clock_only(words: str, clock: str) -> Fault:
    """The worker dies, and the one that takes over has a wrong clock."""
    return Fault(words, killed("worker"), heal=lambda scene: scene.drover.start_worker("worker", clock=clock))


REDIS = Fault("Redis is killed and comes back empty", killed("redis"), seconds(3), lambda s: s.drover.start_redis())
FLUSHALL = Fault("Redis loses everything (FLUSHALL)", lambda scene: scene.drover.redis("FLUSHALL"))
REDIS_PAUSE = Fault(
    "Redis answers nothing for 6 s (CLIENT PAUSE)",
    lambda scene: scene.drover.redis("CLIENT", "PAUSE", "6000", "ALL"),
    seconds(6),
)


def database(words: str, number: int, outage_s: float) -> Fault:
    """PostgreSQL goes for so long."""

    def inject(scene: Scene) -> None:
        assert scene.postgres
        scene.postgres.stop(number)

    def heal(scene: Scene) -> None:
        assert scene.postgres
        scene.postgres.start()
        until(scene.drover.answers, 30, "the web process answers")

    return Fault(words, inject, seconds(outage_s), heal)


POSTGRES_RESTART = database("PostgreSQL is restarted", signal.SIGINT, 0.2)
POSTGRES_CRASH = database("PostgreSQL crashes and recovers", signal.SIGQUIT, 1)
POSTGRES_DOWN = database("PostgreSQL is down for 12 s, three leases long", signal.SIGINT, 12)


def _lock_sqlite(scene: Scene) -> None:
    scene.notes["lock"] = scene.drover.lock_database()


SQLITE_LOCKED = Fault(
    "somebody locks the SQLite database for 24 s, longer than anybody waits",
    _lock_sqlite,
    seconds(24),
    lambda scene: scene.notes.pop("lock").close(),
)
TOLD_TWICE = Fault(
    "the job's Celery message comes three times more", lambda scene: scene.drover.ring(scene.job, times=3)
)
TOLD_LATE = Fault(
    "the job's Celery message comes again 8 s later, after the end",
    lambda scene: scene.drover.ring(scene.job, countdown_s=8),
)

AHEAD = wrong_clock("a second worker's clock is 10 minutes ahead", "+10m")
BEHIND = wrong_clock("a second worker's clock is 10 minutes behind", "-10m")
AHEAD_ONLY = wrong_clock_only("the worker dies, and the next one's clock is 10 minutes ahead", "+10m")
