"""The live socket: snapshot first, then numbered messages; it only tells, it never takes orders."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any
from urllib.parse import parse_qs, urlsplit

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from fleet.access.principal import Principal
from fleet.access.scope import principal_of
from fleet.jobs import snapshots
from fleet.jobs.live import group_name
from fleet.jobs.shown import Shown

logger = logging.getLogger(__name__)

#: The client takes silence of twice this for a dead connection. With it comes what a lost message left out.
HEARTBEAT_S = 15
#: A withdrawn permission closes open sockets within this time.
RECHECK_S = 5
MAX_TOPICS = 20

SIGN_IN, FOREIGN_ORIGIN, BAD_TOPIC, TRY_AGAIN = 4401, 4403, 4400, 1013


class Stream(AsyncWebsocketConsumer):
    """One socket of one page: `?topics=jobs,job:ID,hosts,host:ID,guests,guest:ID`."""

    principal: Principal | None = None
    _clock: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Check who and from where, join the groups, then send the snapshots."""
        self.shown: dict[str, Shown] = {}
        await self.accept()
        if not _origin_is_ours(self.scope):
            await self.close(FOREIGN_ORIGIN)
            return
        self.principal = await database_sync_to_async(principal_of)(self.scope)
        if self.principal is None:
            await self.close(SIGN_IN)
            return
        wanted = _topics(self.scope)
        known = [topic for topic in wanted if snapshots.is_topic(topic)]
        if not known or len(wanted) > MAX_TOPICS:
            await self.close(BAD_TOPIC)
            return
        for topic in wanted:
            if topic not in known:
                await self._send(snapshots.refusal(topic, "unknown_topic", f"There is no topic '{topic}'."))
        for topic in known:
            await self._open(topic, self.principal)
        self._clock = asyncio.create_task(self._watch(self.principal))

    async def disconnect(self, code: int) -> None:
        """Leave the groups."""
        if self._clock is not None:
            self._clock.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._clock
        for topic in self.shown:
            await self.channel_layer.group_discard(group_name(topic), self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Nothing a client says is acted upon."""

    async def stream_message(self, event: dict[str, Any]) -> None:
        """A message from `live.publish`; of a thing at another's site only that it is gone, if it was shown before."""
        message = dict(event["message"])
        sites = message.pop("sites", None)
        shown, principal = self.shown.get(message["topic"]), self.principal
        if shown is None or principal is None:
            return
        if message["type"] == "update":
            if snapshots.may_see(principal, sites or []):
                message["document"] = snapshots.narrowed(message["document"], principal, sites or [])
            else:
                message = shown.gone(message["document"]["id"])
        if shown.accept(message):
            await self._send(message)

    async def _open(self, topic: str, principal: Principal) -> None:
        # Important: join before the snapshot is read; a change in between arrives twice and its number tells.
        await self.channel_layer.group_add(group_name(topic), self.channel_name)
        message = await database_sync_to_async(snapshots.snapshot)(topic, principal)
        if message["type"] == "refused":
            # Important: messages of a thing that may not be seen must not reach this socket later either.
            await self.channel_layer.group_discard(group_name(topic), self.channel_name)
        else:
            self.shown[topic] = Shown(topic)
            self.shown[topic].accept(message)
        await self._send(message)

    async def _watch(self, principal: Principal) -> None:
        try:
            await self._tick(principal)
        except OSError:
            # The browser left while something was sent to it; `disconnect` comes next.
            return
        except Exception as error:
            # Without the check nobody knows whether this person still may; the page comes back by itself.
            logger.warning("a live socket is closed, its owner could not be checked: %s", error)
            with contextlib.suppress(OSError):
                await self.close(TRY_AGAIN)

    async def _tick(self, principal: Principal) -> None:
        waited = 0.0
        while True:
            await asyncio.sleep(RECHECK_S)
            waited += RECHECK_S
            if await database_sync_to_async(principal_of)(self.scope, fresh=True) != principal:
                await self.close(SIGN_IN)
                return
            if waited >= HEARTBEAT_S:
                waited = 0.0
                await self._send({"type": "heartbeat"})
                await self._catch_up(principal)

    async def _catch_up(self, principal: Principal) -> None:
        """Messages are hints and may be lost with Redis or a killed worker: the rows have the last word."""
        for shown in list(self.shown.values()):
            for message in await database_sync_to_async(shown.missed)(principal):
                if shown.accept(message):
                    await self._send(message)

    async def _send(self, message: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps(message, separators=(",", ":")))


def _topics(scope: dict[str, Any]) -> list[str]:
    query = parse_qs(scope.get("query_string", b"").decode(errors="replace"))
    topics = [topic.strip() for topic in ",".join(query.get("topics", [])).split(",")]
    return list(dict.fromkeys(topic for topic in topics if topic))


def _origin_is_ours(scope: dict[str, Any]) -> bool:
    """Browsers always name their origin and send cookies to anybody's page's wish; programs name none."""
    headers = dict(scope.get("headers", []))
    origin = headers.get(b"origin")
    if origin is None:
        return True
    host = urlsplit(origin.decode(errors="replace")).netloc
    asked = headers.get(b"host", b"").decode(errors="replace")
    trusted = {urlsplit(name).netloc for name in settings.CSRF_TRUSTED_ORIGINS}
    return host in trusted or (host == asked and validate_host(split_domain_port(asked)[0], settings.ALLOWED_HOSTS))
