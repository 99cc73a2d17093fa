"""A PostgreSQL that can be restarted, stopped for a while, and killed in the middle."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

from tests import postgres
from tests.with_lab.installation import until


class Postgres:
    """One cluster in a folder of its own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="drover-faults-pg-"))
        self.user = postgres.unprivileged()
        self.process = postgres.start(self.folder, self.user)
        self.url = f"postgres://drover@{quote(str(self.folder), safe='')}/drover"
        self.wait()
        subprocess.run([postgres.programs() / "createdb", "-h", self.folder, "-U", "drover", "drover"], check=True)

    def wait(self) -> None:
        """Until it answers."""
        ready = [postgres.programs() / "pg_isready", "-q", "-h", self.folder]
        until(lambda: subprocess.run(ready, check=False).returncode == 0, 30, "PostgreSQL answers")

    def stop(self, number: int = signal.SIGINT) -> None:
        """SIGINT cuts every connection and shuts down; SIGQUIT is a crash."""
        self.process.send_signal(number)
        self.process.wait(20)

    def start(self) -> None:
        """The same data again."""
        self.process = postgres.serve(self.folder, self.user)
        self.wait()

    def revive(self) -> None:
        """Start it if it does not run."""
        if self.process.poll() is not None:
            self.start()

    def down(self) -> None:
        """Leave nothing."""
        if self.process.poll() is None:
            self.stop()
        if os.path.lexists(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)
