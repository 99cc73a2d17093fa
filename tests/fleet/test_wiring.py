"""What each process loads: the web process never libvirt, a worker never the web's views."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = "import sys; print(*sorted(sys.modules))"
WEB = "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; import fleet.asgi, fleet.urls; "
WORKER = "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; import django; django.setup(); "
RUN = "import fleet.tasks, migrations_app.flows.run, fleet.hypervisor.libvirt_host; "


@pytest.mark.parametrize(
    ("process", "without"),
    [
        (WEB, {"libvirt", "fleet.hypervisor.libvirt_host"}),
        (WORKER + RUN, {"fleet.urls", "fleet.views.home", "fleet.api.hosts", "migrations_app.views", "uvicorn"}),
    ],
    ids=["web", "worker"],
)
def test_a_process_loads_nothing_of_the_others(process: str, without: set[str]) -> None:
    done = subprocess.run([sys.executable, "-c", process + LOADED], capture_output=True, text=True, check=True)
    assert not without & set(done.stdout.split())
