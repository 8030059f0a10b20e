"""What faces the web, as the service starts, updates and stops it."""

from __future__ import annotations

import secrets
import socket
from typing import Any

from aiohttp import web

from actors.directory import Directory
from actors.messages import EventView
from config.schema import Settings
from gateway import render
from gateway.app import make_app, make_runner, outbox_ready, use_base_url, use_settings
from gateway.coins import Coins
from gateway.context import Clock, HttpMetrics
from gateway.secret import load_or_create


class HttpServer:
    """One running server; made anew at each start of the gateway actor."""

    def __init__(self, app: web.Application, runner: web.AppRunner) -> None:
        """Take over a runner that serves."""
        self._app = app
        self._runner = runner

    def outbox_ready(self, sequence: int) -> None:
        """Wake the event streams."""
        outbox_ready(self._app, sequence)

    def update(self, settings: Settings) -> None:
        """Take over the currencies of new settings."""
        use_settings(self._app, settings)

    async def close(self) -> None:
        """Stop accepting, let requests in progress end, close."""
        await self._runner.cleanup()


class HttpFront:
    """The HTTP face of one cashier process."""

    def __init__(
        self, settings: Settings, directory: Directory, metrics: HttpMetrics, clock: Clock, secret: bytes
    ) -> None:
        """``secret`` is the gateway's own."""
        self._settings = settings
        self._directory = directory
        self._metrics = metrics
        self._clock = clock
        self._secret = secret
        self._coins = Coins(settings.coins)
        self._server: HttpServer | None = None

    def update(self, settings: Settings) -> None:
        """Take over new settings of the currencies, now and for every later start."""
        self._settings = settings
        self._coins.update(settings.coins)
        if self._server is not None:
            self._server.update(settings)

    def render_event(self, view: EventView) -> dict[str, Any]:
        """An event as ``GET /v1/events`` shows it."""
        return render.event(view, self._coins).model_dump(by_alias=True)

    async def serve(self, listener: socket.socket) -> HttpServer:
        """Serve on a duplicate of ``listener``, which stays open over restarts of the server."""
        app = make_app(
            self._settings, self._directory, self._metrics, self._clock, secrets.token_bytes, self._secret
        )
        if self._settings.gateway.public_url is None:
            host, port = listener.getsockname()[:2]
            use_base_url(app, f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        runner = make_runner(app, self._settings.gateway)
        await runner.setup()
        await web.SockSite(runner, listener.dup()).start()
        self._server = HttpServer(app, runner)
        return self._server


def make_front(settings: Settings, directory: Directory, metrics: HttpMetrics, clock: Clock) -> HttpFront:
    """The HTTP face with its secret loaded, or made at the first start. Raises GatewaySecretError."""
    secret = load_or_create(settings.gateway.secret_file, secrets.token_bytes)
    return HttpFront(settings, directory, metrics, clock, secret)
