"""Where one installation keeps its locks, sockets and logs, all under its own home."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: A unix socket's path has room for 107 bytes on Linux.
LONGEST_SOCKET_PATH = 107


@dataclass(frozen=True)
class Places:
    """The folders and files of the installation in `home`."""

    home: Path

    @property
    def run(self) -> Path:
        """What lives only while Drover runs."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """One file per process and step."""
        return self.home / "log"

    @property
    def lock(self) -> Path:
        """Held by whoever runs this installation."""
        return self.run / "lock"

    @property
    def instance(self) -> Path:
        """What is running: see `instance.Instance`."""
        return self.run / "instance.json"

    @property
    def redis_socket(self) -> Path:
        """The private Redis; settings.REDIS_URL points here unless told otherwise."""
        return self.home / "redis.sock"

    @property
    def control_socket(self) -> Path:
        """The supervisor's."""
        return self.run / "supervisor.sock"

    def make(self) -> None:
        """Create what is missing; nobody else may look in."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.run, self.logs):
            folder.mkdir(mode=0o700, exist_ok=True)

    def log(self, name: str) -> Path:
        """The log of a process or step."""
        return self.logs / f"{name}.log"
