"""The web process: pages and REST over HTTP, live messages over one WebSocket path."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet.settings")
_http = get_asgi_application()

# Important: the routes import models, so they come after Django is set up.
from channels.auth import AuthMiddleware  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.sessions import CookieMiddleware, SessionMiddleware  # noqa: E402
from django.urls import path  # noqa: E402

from fleet.jobs.consumers import Stream  # noqa: E402
from fleet.warm_up import warm_up  # noqa: E402

warm_up()

application = ProtocolTypeRouter(
    {
        "http": _http,
        "websocket": CookieMiddleware(
            SessionMiddleware(AuthMiddleware(URLRouter([path("ws/v1/stream", Stream.as_asgi())])))
        ),
    }
)
