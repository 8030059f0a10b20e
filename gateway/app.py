"""The HTTP server put together: routes, middleware, streams, limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext

from aiohttp import web

from config.schema import GatewaySettings, Settings
from gateway.api import as_handler
from gateway.coins import Coins
from gateway.context import GATEWAY, Asks, Clock, Gateway, HttpMetrics, Served
from gateway.dispatch import dispatch
from gateway.limiter import RateLimiter
from gateway.middleware import around, set_headers
from gateway.pages import Pages
from gateway.routes import ROUTES
from gateway.stream import StreamHub
from gateway.token import RandomBytes

LINGER_S = 2.0
"""How long the rest of a refused body is read and thrown away, so that the caller can read our answer."""
HEADERS_MAX = 64
"""Most header fields of a request."""


def make_app(
    settings: Settings,
    directory: Asks,
    metrics: HttpMetrics,
    clock: Clock,
    random_bytes: RandomBytes,
    secret: bytes,
    coins: Coins | None = None,
    served: Served = nullcontext,
) -> web.Application:
    """The application. ``directory`` reaches the actors; ``random_bytes`` is ``secrets.token_bytes`` outside
    of tests; ``secret`` is the gateway's own (``gateway.secret.load_or_create``); ``coins`` is given by who
    wants to change them later; each request happens inside ``served``.

    Must be called on the event loop that serves it. Serve it with `make_runner`.
    """
    gateway = Gateway(
        settings=settings.gateway,
        coins=coins or Coins(settings.configured),
        directory=directory,
        metrics=metrics,
        clock=clock,
        random_bytes=random_bytes,
        secret=secret,
        base_url=settings.gateway.base_url,
        limiter=RateLimiter(settings.gateway.rate_entries_max),
        hub=StreamHub(settings.gateway.sse_streams_max),
        served=served,
    )
    app = web.Application(middlewares=[around])
    app[GATEWAY] = gateway
    for route in ROUTES:
        app.router.add_route(route.method, route.path, as_handler(route))
    app.router.add_routes(Pages().routes())
    app.on_response_prepare.append(set_headers)
    app.on_shutdown.append(_end_streams)
    app.cleanup_ctx.append(_dispatching)
    app.on_cleanup.append(_close_passwords)
    return app


def make_runner(app: web.Application, settings: GatewaySettings) -> web.AppRunner:
    """The runner with every limit of the configuration. Bodies are never decompressed: they are refused."""
    return web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        handle_signals=False,
        keepalive_timeout=settings.keepalive_timeout_s,
        lingering_time=LINGER_S,
        max_field_size=settings.header_limit_bytes,
        max_headers=HEADERS_MAX,
        max_line_size=settings.header_limit_bytes,
        shutdown_timeout=settings.shutdown_timeout_s,
    )


def outbox_ready(app: web.Application, sequence: int) -> None:
    """Hint from the ledger: events up to ``sequence`` are committed. Wakes the event streams."""
    app[GATEWAY].hub.ready(sequence)


def use_base_url(app: web.Application, base_url: str) -> None:
    """Make links with ``base_url``: for a port the system chose."""
    app[GATEWAY].base_url = base_url


async def _end_streams(app: web.Application) -> None:
    """Streams would keep the server from stopping."""
    app[GATEWAY].hub.close()


async def _close_passwords(app: web.Application) -> None:
    """Its threads would keep the process from ending."""
    app[GATEWAY].passwords.close()


async def _dispatching(app: web.Application) -> AsyncIterator[None]:
    """Run the streams' bell ringer as long as the application runs."""
    task = asyncio.create_task(dispatch(app[GATEWAY]), name="gateway-dispatch")
    yield
    task.cancel()
    await asyncio.wait({task})
