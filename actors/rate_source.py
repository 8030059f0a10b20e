"""Where rates come from: a file, or one GET of a configured address."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from config.schema import RatesSettings

_HEADERS = {"Accept": "application/json, text/csv", "Accept-Encoding": "identity"}


class RateSourceError(Exception):
    """The table could not be had; says why, without the address (it may hold a key)."""


async def fetch(settings: RatesSettings) -> bytes:
    """The bytes of the table, at most ``body_limit_bytes``. Raises RateSourceError."""
    if settings.file is not None:
        return await asyncio.to_thread(_read, settings.file, settings.body_limit_bytes)
    if settings.url is None:
        raise AssertionError("rates are asked for only with a source")
    try:
        # A source is asked once an hour or so: no connection is worth keeping.
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=settings.timeout_s),
                trust_env=False,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            ) as session,
            session.get(settings.url, allow_redirects=False, headers=_HEADERS) as reply,
        ):
            if reply.status != 200:
                raise RateSourceError(f"the source answers HTTP {reply.status}")
            return await _bounded(reply.content, settings.body_limit_bytes)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise RateSourceError(f"the source cannot be reached: {type(error).__name__}") from error


async def _bounded(content: aiohttp.StreamReader, limit: int) -> bytes:
    data = bytearray()
    async for chunk in content.iter_chunked(16_384):
        data += chunk
        if len(data) > limit:
            raise RateSourceError(f"the table is larger than {limit} bytes")
    return bytes(data)


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise RateSourceError(f"{path.name} cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise RateSourceError(f"{path.name} is larger than {limit} bytes")
    return data
