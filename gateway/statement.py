"""Statements and trial balances over HTTP: the frame is asked for once, lines page by page while written.

A statement is of the state of the books its frame names, however long its caller takes to read it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from aiohttp import web

from actors.messages import (
    GetStatement,
    GetTrialBalance,
    ListStatementLines,
    ListTrialLines,
    StatementPage,
    Subject,
    TrialPage,
)
from gateway.accept import preferred
from gateway.api import NODE_TIMEOUT_S, Call
from gateway.bodies import AccountStatementQuery, ClientStatementQuery, TrialQuery
from gateway.errors import invalid
from gateway.problem import ProblemError
from gateway.statement_format import FORMATS
from gateway.statement_page import POLICY, HtmlStatement
from gateway.statement_text import Paper, StatementPaper
from gateway.trial_format import TRIAL_FORMATS, TrialPaper

_LOG = logging.getLogger("gateway")
PAGE = 250
"""Postings looked at for one page: what is written in one go, so that other requests wait little."""
TRIAL_PAGE = 100
"""Accounts looked at for one page of a trial balance."""
StatementCall = Call[None, ClientStatementQuery] | Call[None, AccountStatementQuery]
BookCall = StatementCall | Call[None, TrialQuery]
P = TypeVar("P", StatementPage, TrialPage)


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


async def get_trial_balance(call: Call[None, TrialQuery]) -> web.StreamResponse:
    """Every account of a currency."""
    query = call.query
    media_type = _media_type(call, tuple(TRIAL_FORMATS))
    with _slot(call):
        view = await call.ask(GetTrialBalance(query.currency, query.since, query.until))

        async def turn(after: str) -> TrialPage:
            # One account may have all postings of the range: each is read.
            return await call.ask(ListTrialLines(view, after, TRIAL_PAGE), timeout_s=NODE_TIMEOUT_S)

        page = await turn("")
        paper = TrialPaper(view, TRIAL_FORMATS[media_type](view))
        return await _send(call, paper, page, turn, f"trial-balance-{view.currency}")


async def _statement(call: StatementCall, subject: Subject, name: str) -> web.StreamResponse:
    media_type = _media_type(call, tuple(FORMATS))
    with _slot(call):
        view = await call.ask(GetStatement(subject, call.query.since, call.query.until))

        async def turn(after: int) -> StatementPage:
            return await call.ask(ListStatementLines(view.subject, after, view.last_entry, PAGE))

        # Also asked before the first byte: an error is still a proper reply.
        page = await turn(view.first_entry)
        paper = StatementPaper(view, FORMATS[media_type](view))
        return await _send(call, paper, page, turn, f"{name}-{view.currency}")


def _media_type(call: BookCall, offered: tuple[str, ...]) -> str:
    """The format the caller asks for. Raises ProblemError ``not_acceptable``."""
    media_type = preferred(call.request.headers.getall("Accept", []), offered)
    if media_type is None:
        raise ProblemError("not_acceptable", f"There is {', '.join(offered)}.")
    return media_type


@contextmanager
def _slot(call: BookCall) -> Iterator[None]:
    """One of the statements that may be written at once. Raises ProblemError ``unavailable``."""
    gateway = call.gateway
    if gateway.statements >= gateway.settings.statements_max:
        raise ProblemError("unavailable", "Too many statements at once.", headers={"Retry-After": "5"})
    gateway.statements += 1
    try:
        yield
    finally:
        gateway.statements -= 1


async def _send(
    call: BookCall, paper: Paper[P], page: P, turn: Callable[[Any], Awaitable[P]], name: str
) -> web.StreamResponse:
    """Write page by page. What fails on the way breaks the connection off: half a statement is none."""
    charset = "; charset=utf-8" if paper.media_type.startswith("text/") else ""
    headers = {
        "Content-Type": paper.media_type + charset,
        "Content-Disposition": f'inline; filename="{name}.{paper.suffix}"',
        "Vary": "Accept",
    }
    if paper.media_type == HtmlStatement.media_type:
        headers["Content-Security-Policy"] = POLICY
    response = web.StreamResponse(headers=headers)
    response.enable_chunked_encoding()
    await response.prepare(call.request)
    try:
        await _write(call, response, paper.head())
        while True:
            await _write(call, response, paper.add(page))
            if page.next_after is None:
                break
            page = await turn(page.next_after)
        await _write(call, response, paper.tail())
        await response.write_eof()
    except (ConnectionError, TimeoutError):
        _break_off(call)
    except Exception:  # noqa: BLE001
        # The head is sent: no problem can be answered any more, but it must be seen.
        _LOG.exception("a statement failed", extra={"request_id": call.request_id})
        _break_off(call)
    return response


async def _write(call: BookCall, response: web.StreamResponse, data: bytes) -> None:
    """Write, but do not wait for ever for a caller that does not read."""
    if data:
        async with asyncio.timeout(call.gateway.settings.write_timeout_s):
            await response.write(data)


def _break_off(call: BookCall) -> None:
    """Let the caller see that the reply is not whole."""
    if call.request.transport is not None:
        call.request.transport.abort()
