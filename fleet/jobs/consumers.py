"""The live socket: snapshot first, then numbered messages; it only tells, it never takes orders."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.http.request import validate_host

from fleet.access.principal import Principal
from fleet.access.scope import principal_of
from fleet.jobs import snapshots
from fleet.jobs.live import group_name

#: The client takes silence of twice this for a dead connection.
HEARTBEAT_S = 15
#: A withdrawn permission closes open sockets within this time.
RECHECK_S = 5
MAX_TOPICS = 20

SIGN_IN, FOREIGN_ORIGIN, BAD_TOPIC = 4401, 4403, 4400


class Stream(AsyncWebsocketConsumer):
    """One socket of one page: `?topics=jobs,job:ID,hosts,host:ID,guests,guest:ID`."""

    principal: Principal | None = None

    async def connect(self) -> None:
        """Check who and from where, join the groups, then send the snapshots."""
        await self.accept()
        if not _origin_is_ours(self.scope):
            await self.close(FOREIGN_ORIGIN)
            return
        self.principal = await database_sync_to_async(principal_of)(self.scope)
        if self.principal is None:
            await self.close(SIGN_IN)
            return
        topics = _topics(self.scope)
        if not topics or len(topics) > MAX_TOPICS:
            await self.close(BAD_TOPIC)
            return
        # Important: join before the snapshot is read; a change in between arrives twice and its number tells.
        for topic in topics:
            await self.channel_layer.group_add(group_name(topic), self.channel_name)
        self.topics = topics
        for topic in topics:
            await self._send(await database_sync_to_async(snapshots.snapshot)(topic, self.principal))
        self._clock = asyncio.create_task(self._tick())

    async def disconnect(self, code: int) -> None:
        """Leave the groups."""
        if clock := getattr(self, "_clock", None):
            clock.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await clock
        for topic in getattr(self, "topics", []):
            await self.channel_layer.group_discard(group_name(topic), self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Nothing a client says is acted upon."""

    async def stream_message(self, event: dict[str, Any]) -> None:
        """A message from `live.publish`, unless its site is none of this person's."""
        message = dict(event["message"])
        sites = message.pop("sites", None)
        principal = self.principal
        if principal is None or (sites is not None and not snapshots.may_see(principal, sites)):
            return
        if message["type"] == "update":
            message["document"] = snapshots.narrowed(message["document"], principal, sites or [])
        await self._send(message)

    async def _tick(self) -> None:
        waited = 0
        while True:
            await asyncio.sleep(RECHECK_S)
            waited += RECHECK_S
            if await database_sync_to_async(principal_of)(self.scope, fresh=True) != self.principal:
                await self.close(SIGN_IN)
                return
            if waited >= HEARTBEAT_S:
                waited = 0
                await self._send({"type": "heartbeat"})

    async def _send(self, message: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps(message, separators=(",", ":")))


def _topics(scope: dict[str, Any]) -> list[str]:
    query = parse_qs(scope.get("query_string", b"").decode(errors="replace"))
    topics = [topic.strip() for topic in ",".join(query.get("topics", [])).split(",")]
    return list(dict.fromkeys(topic for topic in topics if snapshots.is_topic(topic)))


def _origin_is_ours(scope: dict[str, Any]) -> bool:
    """Browsers always name their origin and send cookies to anybody's page's wish; programs name none."""
    headers = dict(scope.get("headers", []))
    origin = headers.get(b"origin")
    if origin is None:
        return True
    host = urlsplit(origin.decode(errors="replace")).netloc
    asked = headers.get(b"host", b"").decode(errors="replace")
    trusted = {urlsplit(name).netloc for name in settings.CSRF_TRUSTED_ORIGINS}
    return host in trusted or (host == asked and validate_host(host.rsplit(":", 1)[0], settings.ALLOWED_HOSTS))
