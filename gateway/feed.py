"""Events as they happen: server-sent events, resumed by ``Last-Event-ID``.

A stream reads the ledger's own feed from where the caller stands, so a slow, lost or restarted stream
misses nothing. The bearer token is looked at again at every heartbeat: a revoked one ends its streams.
"""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from actors.errors import DeliveryError
from actors.messages import EventView, ListEvents
from gateway import render
from gateway.api import Call
from gateway.auth import is_still_valid
from gateway.bodies import StreamQuery
from gateway.errors import invalid
from gateway.principal import Client
from gateway.stream import Waiter

_LOG = logging.getLogger("gateway")
PAGE = 100
"""Events read at once."""
SEQUENCE_MAX = 2**63 - 1


async def stream_events(call: Call[None, StreamQuery]) -> web.StreamResponse:
    """The whole feed, from ``Last-Event-ID``, ``?after=`` or its beginning."""
    return await _stream(call, _start(call, 0), None)


async def stream_client_events(call: Call[None, StreamQuery]) -> web.StreamResponse:
    """The client's events, from ``Last-Event-ID``, ``?after=`` or now."""
    return await _stream(call, _start(call, call.gateway.hub.latest), call.client.client_id)


def _start(call: Call[None, StreamQuery], default: int) -> int:
    """The sequence after which the caller wants to go on."""
    header = call.request.headers.get("Last-Event-ID")
    if header is None:
        return default if call.query.after is None else call.query.after
    if not header.isascii() or not header.isdigit() or len(header) > 19 or int(header) > SEQUENCE_MAX:
        raise invalid("Last-Event-ID", "must be a sequence number")
    return int(header)


async def _stream(call: Call[None, StreamQuery], after: int, client_id: str | None) -> web.StreamResponse:
    """Write events until the caller leaves, its token dies or the server stops."""
    principal = call.principal
    assert principal is not None
    with call.gateway.hub.open(principal.by, client_id) as waiter:
        # Asked once before the first byte: an error is still a proper reply.
        events = await call.ask(ListEvents(after, PAGE, client_id))
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
        )
        response.enable_chunked_encoding()
        await response.prepare(call.request)
        try:
            await _pump(call, response, waiter, events, after, client_id)
        except (DeliveryError, ConnectionError, TimeoutError):
            # The caller left or does not read, or the ledger restarts: it comes back with Last-Event-ID.
            return response
        except Exception:  # noqa: BLE001
            # The head is sent: no problem can be answered any more, but it must be seen.
            _LOG.exception("event stream failed", extra={"request_id": call.request_id})
        return response


async def _pump(
    call: Call[None, StreamQuery],
    response: web.StreamResponse,
    waiter: Waiter,
    events: tuple[EventView, ...],
    after: int,
    client_id: str | None,
) -> None:
    """Write what there is, wait for the bell, read on."""
    heartbeat_s = call.gateway.settings.sse_heartbeat_s
    now = asyncio.get_running_loop().time
    judged_at = now()
    await _write(response, b": open\n\n", heartbeat_s)
    while True:
        for view in events:
            after = view.sequence
            if _is_visible(call, view):
                await _write(response, _frame(call, view), heartbeat_s)
        is_rung = len(events) == PAGE or await waiter.wait(heartbeat_s)
        if waiter.is_closing:
            return
        # Also of a stream that is never silent: news must not keep a revoked token alive.
        if not is_rung or now() - judged_at >= heartbeat_s:
            if not await is_still_valid(call.gateway, call.request, call.route.access, call.request_id):
                return
            judged_at = now()
        if not is_rung:
            await _write(response, b": heartbeat\n\n", heartbeat_s)
        events = await call.ask(ListEvents(after, PAGE, client_id))


def _is_visible(call: Call[None, StreamQuery], view: EventView) -> bool:
    """A session with listed currencies hears of those only."""
    currency = view.data.get("currency")
    return (
        not isinstance(call.principal, Client)
        or not isinstance(currency, str)
        or call.principal.sees(currency)
    )


def _frame(call: Call[None, StreamQuery], view: EventView) -> bytes:
    """One event in the form of text/event-stream; JSON holds no raw line break."""
    shown = render.client_event if isinstance(call.principal, Client) else render.event
    body = shown(view, call.gateway.coins).model_dump_json()
    return f"id: {view.sequence}\nevent: {view.type}\ndata: {body}\n\n".encode()


async def _write(response: web.StreamResponse, data: bytes, timeout_s: float) -> None:
    """Write, but do not wait for ever for a caller that does not read."""
    async with asyncio.timeout(timeout_s):
        await response.write(data)
