"""A whole Drover whose every part can be killed, frozen, held at a point, told twice, or given a wrong clock."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from lab import Lab
from tests.with_lab.installation import BASE, until
from tests.with_lab.installation import Installation as Plain

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


class Installation(Plain):
    """As `tests.with_lab` has it, on the database of this address or on SQLite."""

    def __init__(self, lab: Lab, *, port: int, database_url: str = "") -> None:
        super().__init__(lab, port=port)
        #: How long each worker's log was when it was started last.
        self.said_before: dict[str, int] = {}
        #: A host that hangs is given up sooner than by default, so that a row is done sooner.
        self.environment["DROVER_CALL_DEADLINE_S"] = "4"
        if database_url:
            self.environment["DROVER_DATABASE_URL"] = database_url

    def start_worker(self, name: str, *, clock: str = "") -> None:
        """Another worker; `clock` ("+10m") is how far its own clock is wrong."""
        log = self.home / f"{name}.log"
        self.said_before[name] = len(self.log(name)) if log.exists() else 0
        usual = self.environment
        if clock:
            wrong = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": clock, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
            self.environment = usual | wrong
        try:
            self.start(
                name,
                *(sys.executable, "-m", "tests.faults.worker", "worker"),
                *("-P", "threads", "-c", "8", "-l", "INFO", "-n", f"{name}@lab"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            )
        finally:
            self.environment = usual

    def start_watcher(self) -> None:
        """The watcher again, after it was killed."""
        self.start("watcher", sys.executable, "manage.py", "watcher")

    def start_web(self) -> None:
        """The web process again; returns when it answers."""
        self.start("web", *self._web())
        until(self._web_answers, 60, "the web process answers")

    def revive(self) -> None:
        """Start whatever does not run, let go on what was frozen or held, end what was started beside it."""
        for process in self.programs.values():
            process.send_signal(signal.SIGCONT)
        self.release()
        for name in ("worker2", "clock2"):
            if name in self.programs:
                self.kill(name)
                del self.programs[name]
        starts = {
            "redis": self.start_redis,
            "web": self.start_web,
            "worker": lambda: self.start_worker("worker"),
            "watcher": self.start_watcher,
        }
        for name, start in starts.items():
            if self.programs[name].poll() is not None:
                start()

    def freeze(self, name: str) -> None:
        """It stands still, as a machine does that swaps or whose hypervisor sleeps."""
        self.programs[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """It goes on as if nothing had been."""
        self.programs[name].send_signal(signal.SIGCONT)

    def ready(self, name: str) -> None:
        """Wait until a worker that was started last takes tasks."""
        until(lambda: f"{name}@lab ready" in self.log(name)[self.said_before[name] :], 60, f"{name} is ready")

    # -- points of a worker -----------------------------------------------------------------------------------------

    def hold(self, point: str) -> None:
        """From now on a worker that comes past this point waits there (see worker.py)."""
        os.mkfifo(self.home / f"hold-{point}")

    def is_held(self, point: str) -> bool:
        """Whether one waits there."""
        return (self.home / f"hold-{point}.reached").exists()

    def release(self) -> None:
        """Let every waiting worker go on, and hold none any more."""
        for path in self.home.glob("hold-*"):
            if path.is_fifo():
                with contextlib.suppress(OSError):  # nobody waits
                    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            path.unlink()

    def clock(self, name: str) -> list[str]:
        """What starts a clock of this name."""
        return self._celery("beat", "--schedule", str(self.home / name), "--pidfile=")

    def answers(self) -> bool:
        """Whether the web process answers."""
        return self._web_answers()

    def lock_database(self) -> sqlite3.Connection:
        """Hold SQLite's write lock until the connection is closed."""
        connection = sqlite3.connect(self.home / "drover.sqlite3", isolation_level=None, timeout=30)
        connection.execute("BEGIN IMMEDIATE")
        return connection

    # -- Redis and messages -----------------------------------------------------------------------------------------

    def redis(self, *words: str) -> str:
        """Say something to Redis."""
        argv = ["redis-cli", "-s", str(self.home / "redis.sock"), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10).stdout

    def ring(self, job: dict[str, Any], *, times: int = 1, countdown_s: int = 0) -> None:
        """The job's Celery message again, now or later."""
        words = (
            "import django; django.setup(); from fleet.tasks import run_job; "
            f"[run_job.apply_async(({job['id']!r},), countdown={countdown_s}) for _ in range({times})]"
        )
        subprocess.run([sys.executable, "-c", words], cwd=BASE, env=self.environment, check=True, timeout=30)

    # -- rows -------------------------------------------------------------------------------------------------------

    def audit(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        """The audit log's lines about a job."""
        return self.get(f"audit/?job={job['id']}&limit=100")["results"]

    def unfinished(self) -> list[dict[str, Any]]:
        """Jobs that have not ended: what is promised at hosts is counted from them."""
        return [job for job in self.get("jobs/?limit=50")["results"] if not job["finished_at"]]

    def told(self, job: dict[str, Any]) -> str:
        """A job and its log in words."""
        return json.dumps(self.job(job), indent=1) + "\n" + "\n".join(e["message"] for e in self.events(job))
