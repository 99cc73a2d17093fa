"""Celery: the doorbell. A task carries one id; losing or repeating its message is harmless."""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import Any

from celery import Celery
from celery.signals import worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet.settings")
# Django's checks load every page, form and serializer: 37 MB that no worker needs. `manage.py` makes them before.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("drover")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


#: mallopt's number for "arenas at most", from malloc.h of the GNU C library.
_M_ARENA_MAX = -8


@worker_init.connect
def _prepare_worker(**_: Any) -> None:
    """The first job shall not wait for imports, and threads that wait shall not each keep memory to themselves."""
    from fleet.jobs import runners  # noqa: PLC0415 - models are not ready earlier

    runners.load()
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
