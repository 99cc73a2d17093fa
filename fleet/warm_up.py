"""What the first asker of a web process would otherwise wait for, done while it starts."""

from __future__ import annotations

import logging
import threading

from django.urls import get_resolver
from kombu.exceptions import OperationalError

from fleet.celery import app

logger = logging.getLogger(__name__)


def warm_up() -> None:
    """Load every view; connect to the broker beside, because Redis may be away and nothing shall wait for that."""
    _ = get_resolver().url_patterns
    threading.Thread(target=_connect, name="warm-up", daemon=True).start()


def _connect() -> None:
    try:
        with app.producer_pool.acquire(block=True, timeout=2) as producer:
            _ = producer.connection.default_channel
    except (OperationalError, OSError) as error:
        logger.warning("no worker can be told of jobs yet (%s); the first job tries again", error)
