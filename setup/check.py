"""Everything a machine can check without running the product: `make check`. Every check runs, then the sum is told."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
SCHEMA = ROOT / "docs" / "openapi.yaml"
#: Removed at the end of the program.
HOME = tempfile.TemporaryDirectory(prefix="drover-check-")


def run(*argv: str) -> str:
    """Nothing when the command succeeds, else what it printed."""
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, env=environment(), check=False)
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip() or f"exit code {done.returncode}"


def environment() -> dict[str, str]:
    """Settings as behind a TLS proxy, so that `check --deploy` judges what a real installation runs."""
    return {
        **os.environ,
        "DROVER_HTTPS": "yes",
        "DROVER_HOME": HOME.name,
        "DROVER_SECRET_KEY": secrets.token_urlsafe(50),
    }


def tool(name: str, *arguments: str) -> Callable[[], str]:
    """A program of the virtual environment."""
    return lambda: run(str(BIN / name), *arguments)


def manage(*arguments: str) -> Callable[[], str]:
    """A management command."""
    return lambda: run(sys.executable, "manage.py", *arguments)


def api_description() -> str:
    """The committed file must be what the code says."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "openapi.yaml"
        said = manage("spectacular", "--validate", "--fail-on-warn", "--file", str(fresh))()
        if said:
            return said
        if not SCHEMA.exists():
            return "docs/openapi.yaml is missing; write it with: make schema"
        drift = run("diff", "--unified=1", str(SCHEMA), str(fresh))
    return f"docs/openapi.yaml is not what the code says; write it with: make schema\n{drift}" if drift else ""


CHECKS: list[tuple[str, Callable[[], str]]] = [
    ("style", tool("ruff", "check", "--quiet", ".")),
    ("layout", tool("ruff", "format", "--check", "--quiet", ".")),
    ("contracts", tool("lint-imports", "--no-cache")),
    ("settings", manage("check", "--deploy", "--fail-level", "WARNING")),
    ("migrations", manage("makemigrations", "--check", "--dry-run")),
    ("api", api_description),
    ("compose", tool("python", "-m", "tests.operate.compose")),
    ("types", tool("mypy", "--no-incremental", ".")),
]


def main() -> int:
    """Run all of them, one line each; the complaints of those that failed come after it."""
    failed = []
    for name, check in CHECKS:
        began = time.monotonic()
        said = check()
        verdict = "failed" if said else "good"
        print(f"  {name:<11} {verdict:<7} {time.monotonic() - began:5.1f} s", flush=True)
        if said:
            failed.append(name)
            print("\n".join(f"    {line}" for line in said.splitlines()[-40:]), flush=True)
    print(f"check: {', '.join(failed)} failed" if failed else "check: everything is good")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
