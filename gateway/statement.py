"""Statements over HTTP: the frame is asked for once, the lines page by page while they are written.

A statement is of the state of the books its frame names, however long its caller takes to read it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from actors.messages import GetStatement, ListStatementLines, StatementPage, StatementView, Subject
from gateway.accept import preferred
from gateway.api import Call
from gateway.bodies import AccountStatementQuery, ClientStatementQuery
from gateway.errors import invalid
from gateway.problem import ProblemError
from gateway.statement_format import FORMATS
from gateway.statement_page import POLICY, HtmlStatement
from gateway.statement_text import Tally, Writer

_LOG = logging.getLogger("gateway")
PAGE = 250
"""Postings looked at for one page: what is written in one go, so that other requests wait little."""
StatementCall = Call[None, ClientStatementQuery] | Call[None, AccountStatementQuery]


async def get_client_statement(call: Call[None, ClientStatementQuery]) -> web.StreamResponse:
    """What a client owned in a currency, and what changed it."""
    subject = Subject(client_id=call.params["client_id"], currency=call.query.currency)
    return await _statement(call, subject, call.params["client_id"])


async def get_statement(call: Call[None, AccountStatementQuery]) -> web.StreamResponse:
    """Any account of the books, or all that a client has of a currency."""
    query = call.query
    if query.account is not None and query.client_id is None and query.currency is None:
        return await _statement(call, Subject(account=query.account), query.account.replace(":", "-"))
    if query.account is None and query.client_id is not None and query.currency is not None:
        subject = Subject(client_id=query.client_id, currency=query.currency)
        return await _statement(call, subject, query.client_id)
    raise invalid("query", "name an account, or a client_id and a currency")


async def _statement(call: StatementCall, subject: Subject, name: str) -> web.StreamResponse:
    media_type = preferred(call.request.headers.getall("Accept", []), tuple(FORMATS))
    if media_type is None:
        raise ProblemError("not_acceptable", f"There is {', '.join(FORMATS)}.")
    with _slot(call):
        view = await call.ask(GetStatement(subject, call.query.since, call.query.until))
        # Also asked before the first byte: an error is still a proper reply.
        page = await _page(call, view, view.first_entry)
        writer = FORMATS[media_type](view)
        return await _send(call, view, page, writer, f"{name}-{view.currency}.{writer.suffix}")


@contextmanager
def _slot(call: StatementCall) -> Iterator[None]:
    """One of the statements that may be written at once. Raises ProblemError ``unavailable``."""
    gateway = call.gateway
    if gateway.statements >= gateway.settings.statements_max:
        raise ProblemError("unavailable", "Too many statements at once.", headers={"Retry-After": "5"})
    gateway.statements += 1
    try:
        yield
    finally:
        gateway.statements -= 1


async def _page(call: StatementCall, view: StatementView, after: int) -> StatementPage:
    return await call.ask(ListStatementLines(view.subject, after, view.last_entry, PAGE))


async def _send(
    call: StatementCall, view: StatementView, page: StatementPage, writer: Writer, name: str
) -> web.StreamResponse:
    """Write page by page. What fails on the way breaks the connection off: half a statement is none."""
    charset = "; charset=utf-8" if writer.media_type.startswith("text/") else ""
    headers = {
        "Content-Type": writer.media_type + charset,
        "Content-Disposition": f'inline; filename="{name}"',
        "Vary": "Accept",
    }
    if isinstance(writer, HtmlStatement):
        headers["Content-Security-Policy"] = POLICY
    response = web.StreamResponse(headers=headers)
    response.enable_chunked_encoding()
    await response.prepare(call.request)
    tally = Tally(view.opening)
    try:
        await _write(call, response, writer.head())
        while True:
            tally.add(page)
            await _write(call, response, writer.lines(page.lines))
            if page.next_after is None:
                break
            page = await _page(call, view, page.next_after)
        tally.close(view)
        await _write(call, response, writer.tail(tally))
        await response.write_eof()
    except (ConnectionError, TimeoutError):
        _break_off(call)
    except Exception:  # noqa: BLE001
        # The head is sent: no problem can be answered any more, but it must be seen.
        _LOG.exception("a statement failed", extra={"request_id": call.request_id})
        _break_off(call)
    return response


async def _write(call: StatementCall, response: web.StreamResponse, data: bytes) -> None:
    """Write, but do not wait for ever for a caller that does not read."""
    if data:
        async with asyncio.timeout(call.gateway.settings.write_timeout_s):
            await response.write(data)


def _break_off(call: StatementCall) -> None:
    """Let the caller see that the reply is not whole."""
    if call.request.transport is not None:
        call.request.transport.abort()
