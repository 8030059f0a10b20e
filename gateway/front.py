"""What faces the web, as the service that starts it sees it: serve on a socket, take over settings."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from aiohttp import web

from actors.directory import Directory
from actors.messages import EventView
from config.schema import Settings
from gateway import render
from gateway.app import make_app, make_runner, outbox_ready, use_base_url
from gateway.coins import Coins
from gateway.context import Asks, Clock, HttpMetrics, Served
from gateway.secret import command_token, load_or_create
from gateway.token import RandomBytes


class HttpServer:
    """A running server; the gateway actor holds it."""

    def __init__(self, app: web.Application, runner: web.AppRunner) -> None:
        """Made by `HttpFront.serve`."""
        self._app = app
        self._runner = runner

    def outbox_ready(self, sequence: int) -> None:
        """Events up to ``sequence`` are committed: wake the streams."""
        outbox_ready(self._app, sequence)

    async def close(self) -> None:
        """Stop accepting, let requests in progress end (bounded), close."""
        await self._runner.cleanup()


class HttpFront:
    """Makes servers: a new one for each incarnation of the gateway actor, with the same settings."""

    def __init__(
        self,
        settings: Settings,
        directory: Asks,
        metrics: HttpMetrics,
        clock: Clock,
        random_bytes: RandomBytes,
        secret: bytes,
        served: Served = nullcontext,
    ) -> None:
        """Nothing is opened before `serve`; each request happens inside ``served``."""
        self._settings = settings
        self._directory = directory
        self._metrics = metrics
        self._clock = clock
        self._random_bytes = random_bytes
        self._secret = secret
        self._served = served
        self._coins = Coins(settings.configured)

    def update(self, settings: Settings) -> None:
        """Take over new settings of the currencies; everything else needs a restart."""
        self._coins.update(settings.configured)

    def remember(self, decimals: Mapping[str, int]) -> None:
        """Learn the decimals of the currencies in the books, to show what was booked in them."""
        self._coins.remember(decimals)

    @property
    def command_token(self) -> str:
        """What the command line must show at the monitoring port before anything is done for it."""
        return command_token(self._secret)

    def render_event(self, view: EventView) -> dict[str, Any]:
        """An event as the API shows it; body of its webhook."""
        return render.event(view, self._coins).model_dump()

    async def serve(self, listener: socket.socket) -> HttpServer:
        """Serve on a listening socket; the socket itself stays open when the server closes."""
        app = make_app(
            self._settings,
            self._directory,
            self._metrics,
            self._clock,
            self._random_bytes,
            self._secret,
            coins=self._coins,
            served=self._served,
        )
        if self._settings.gateway.port == 0 and self._settings.gateway.public_url is None:
            use_base_url(app, self._settings.gateway.base_url.removesuffix(":0") + f":{_port(listener)}")
        runner = make_runner(app, self._settings.gateway)
        await runner.setup()
        await web.SockSite(runner, listener.dup()).start()
        return HttpServer(app, runner)


def _port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def make_front(
    settings: Settings,
    directory: Directory,
    metrics: HttpMetrics,
    clock: Clock,
    served: Served = nullcontext,
) -> HttpFront:
    """The front of a real process: the machine's randomness, the secret of the configured file.

    Raises GatewaySecretError when the secret cannot be read or made.
    """
    secret = load_or_create(settings.gateway.secret_file, secrets.token_bytes)
    return HttpFront(settings, directory, metrics, clock, secrets.token_bytes, secret, served)
