"""A file or an address, both hostile: bounded, and every trouble an error with words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from actors.rate_source import RateSourceError, fetch
from config.schema import RatesSettings

TABLE = b'{"rates": {"BTC": 1}}'
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/rates", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/rates"
    finally:
        await runner.cleanup()


def at(url: str, **changes: float) -> RatesSettings:
    return RatesSettings.model_validate({"url": url, "timeout_s": 5, "body_limit_bytes": 1_024} | changes)


def of(path: Path) -> RatesSettings:
    return RatesSettings(body_limit_bytes=1_024).model_copy(update={"file": path})


async def test_a_file_is_read_anew_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    with pytest.raises(RateSourceError, match=r"rates\.json cannot be read: No such file"):
        await fetch(of(path))
    for content in (TABLE, TABLE + b" "):
        path.write_bytes(content)
        assert await fetch(of(path)) == content
    path.write_bytes(bytes(1_025))
    with pytest.raises(RateSourceError, match="larger than 1024"):
        await fetch(of(path))


async def test_an_address_is_asked_once() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=TABLE)

    async with serving(answer) as url:
        assert await fetch(at(url)) == TABLE


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (500, {}, TABLE, "HTTP 500"),
        (302, {"Location": "http://127.0.0.1:1/secret"}, b"", "HTTP 302"),
        (200, {}, bytes(1_025), "larger than 1024"),
    ],
)
async def test_what_an_address_does_wrong_has_words(
    status: int, headers: dict[str, str], body: bytes, words: str
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers, body=body)

    async with serving(answer) as url:
        with pytest.raises(RateSourceError, match=words):
            await fetch(at(url))


async def test_nobody_there_is_said_without_the_address() -> None:
    with pytest.raises(RateSourceError, match="cannot be reached") as caught:
        await fetch(at("http://127.0.0.1:1/secret"))
    assert "secret" not in str(caught.value)
