"""The doctor's look at this machine: database, Redis, processes."""

from __future__ import annotations

import shutil
import sys

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from kombu.exceptions import OperationalError

from fleet.celery import app
from fleet.models import Host, HostLease
from fleet.operate.findings import Finding

ENOUGH_BYTES = 500 * 2**20
PING_S = 2.0


def version() -> Finding:
    """What runs here."""
    return Finding(
        topic="version", subject="Drover", text=f"{settings.VERSION}, Python {sys.version.split()[0]}, {settings.HOME}"
    )


def disk() -> Finding:
    """Room for the database and the logs."""
    free = shutil.disk_usage(settings.HOME).free
    fix = "" if free > ENOUGH_BYTES else f"Make room on the file system of {settings.HOME}."
    return Finding(topic="disk", subject="disk", text=f"{free // 2**20} MiB are free in {settings.HOME}", fix=fix)


def database() -> Finding:
    """It answers, and its tables are those of this version."""
    kind = connection.vendor
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        fix = "Check DROVER_DATABASE_URL and that the database runs."
        return Finding(topic="database", subject="database", text=f"{kind} does not answer: {error}", fix=fix)
    if missing:
        return Finding(
            topic="database",
            subject="database",
            text=f"{kind}: {len(missing)} changes of this version are missing",
            fix="manage.py migrate",
        )
    return Finding(topic="database", subject="database", text=f"{kind}, up to date")


def message_broker() -> Finding:
    """Redis carries doorbells and live messages."""
    try:
        with redis.Redis.from_url(settings.REDIS_CONNECTION_URL, socket_timeout=PING_S) as client:
            found = client.info("server")
    except (redis.RedisError, OSError) as error:
        fix = "Start it: manage.py up   (or name another one in DROVER_REDIS_URL)"
        return Finding(topic="redis", subject="redis", text=f"does not answer: {error}", fix=fix)
    return Finding(topic="redis", subject="redis", text=f"{found['redis_version']} answers")


def worker(node: str = "") -> Finding:
    """At least one worker, or the one called `node`, takes orders."""
    try:
        answers = app.control.inspect(destination=[node] if node else None, timeout=PING_S).ping() or {}
    except (OperationalError, redis.RedisError, OSError) as error:
        return Finding(
            topic="worker", subject="worker", text=f"cannot be asked: {error}", fix="Mend Redis first: see above."
        )
    if answers:
        return Finding(topic="worker", subject="worker", text=f"{', '.join(sorted(answers))} answers")
    fix = "Start it: manage.py up   (or manage.py run worker); its log says why it ended."
    return Finding(topic="worker", subject="worker", text="none answers; jobs wait", fix=fix)


def watcher() -> Finding:
    """Every host is looked after by some watcher."""
    hosts = Host.objects.count()
    leased = HostLease.objects.filter(expires_at__gt=timezone.now())
    watched = leased.count()
    owners = sorted(set(leased.values_list("owner", flat=True)))
    if watched == hosts:
        text = f"{', '.join(owners)} looks after {hosts} hosts" if hosts else "there is no host to look after"
        return Finding(topic="watcher", subject="watcher", text=text)
    fix = "Start it: manage.py up   (or manage.py run watcher); its log says why it ended."
    text = f"{hosts - watched} of {hosts} hosts are watched by nobody; what lists show of them is old"
    return Finding(topic="watcher", subject="watcher", text=text, fix=fix)
