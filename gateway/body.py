"""Reading a request body cheaply: size, form and kind are judged before anything is parsed."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NoReturn

from aiohttp import web

from gateway.errors import invalid
from gateway.problem import ProblemError


async def read_body(request: web.Request, *, limit: int, timeout_s: float) -> bytes:
    """The raw body of at most ``limit`` bytes, arrived within ``timeout_s``.

    A body announced as larger is refused unread; an encoded one (gzip …) is never decoded. Raises
    ProblemError ``body_too_large``, ``length_required``, ``unsupported_media_type``, ``request_timeout``.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ProblemError("unsupported_media_type", "The body must not be encoded.")
    if request.headers.get("Transfer-Encoding") is not None:
        # A flood of one-byte chunks costs far more to parse than it carries, and no client of an API
        # needs chunks: they are refused with the head, and what follows is not even taken.
        if request.transport is not None:
            request.transport.pause_reading()
        raise ProblemError("length_required")
    if request.content_length is not None and request.content_length > limit:
        raise _too_large(limit)
    if request.content.is_eof():  # all of it came with the head: nothing to wait for
        raw = request.content.read_nowait()
        if len(raw) > limit:
            raise _too_large(limit)
        return raw
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            while part := await request.content.readany():
                size += len(part)
                if size > limit:
                    raise _too_large(limit)
                parts.append(part)
    except TimeoutError:
        raise ProblemError("request_timeout") from None
    return b"".join(parts)


def _too_large(limit: int) -> ProblemError:
    return ProblemError("body_too_large", f"At most {limit} bytes are read.")


def parse_json(request: web.Request, raw: bytes) -> Any:
    """The JSON value of a body. Refused: other media types, deep nesting, repeated members, NaN, Infinity."""
    if request.content_type != "application/json":
        raise ProblemError("unsupported_media_type", "Send application/json.")
    try:
        return _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        # A number of too many digits and a text that is not UTF-8 are ValueErrors too; thousands of
        # brackets end in a RecursionError after the first few hundred.
        raise ProblemError("invalid_json") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose members are all named once: two readers must not understand it differently."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise invalid("", "has a repeated member")
    return found


def _constant(_: str) -> NoReturn:
    raise ValueError("not a JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
"""Made once: to make it takes longer than to read a small body."""
