"""A website on loopback that takes webhooks and answers as a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request as it came."""

    headers: dict[str, str]
    body: bytes
    path: str


class Website:
    """Keeps what it got; ``answers`` are used up one by one, then it says 204."""

    def __init__(self) -> None:
        self.got: list[Delivery] = []
        self.answers: list[Answer] = []
        self.url = ""
        self.news = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append(Delivery(headers, body, request.path))
        self.news.set()
        if self.answers:
            return await self.answers.pop(0)(request)
        return web.Response(status=204)

    def say(self, status: int, **headers: str) -> None:
        """The next answer is this status."""

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

        self.answers.append(answer)

    async def deliveries(self, count: int, patience_s: float = 20.0) -> list[Delivery]:
        """What came, once ``count`` have come."""
        async with asyncio.timeout(patience_s):
            while len(self.got) < count:
                self.news.clear()
                await self.news.wait()
        return self.got


@asynccontextmanager
async def open_website() -> AsyncIterator[Website]:
    """A running website on a free port."""
    website = Website()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", website.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        website.url = f"http://127.0.0.1:{port}/hook"
        yield website
    finally:
        await runner.cleanup()
