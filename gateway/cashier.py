"""The client session's endpoints, used by the cashier page: always the session's own client."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

import segno

from actors.messages import (
    DecideWithdrawal,
    ExchangeCode,
    GetBalances,
    IssueAddress,
    ListCurrencies,
    ListDeposits,
    ListWithdrawals,
    RequestWithdrawal,
)
from gateway import render
from gateway.api import Call, Reply
from gateway.bodies import CashierWithdrawalBody, CodeBody, PageQuery
from gateway.problem import ProblemError
from gateway.replies import (
    BalanceList,
    CashierAddressReply,
    ClientWithdrawalList,
    CurrencyList,
    DepositList,
    TokenReply,
)
from gateway.token import is_code, new_session_token, token_hash
from gateway.website import filter_of, limit_of

QUIET_MODULES = 4
"""White border of a QR code, as ISO/IEC 18004 asks; white also where the page is dark."""


async def exchange_code(call: Call[CodeBody, None]) -> Reply:
    """The one-time code of the link for the session's token, once."""
    if not is_code(call.body.code):
        raise ProblemError("session_invalid")
    token = new_session_token(call.gateway.random_bytes)
    view = await call.ask(ExchangeCode(token_hash(call.body.code), token_hash(token)))
    return Reply(TokenReply(token=token, expires_at=render.moment(view.expires_at)))


async def get_client_session(call: Call[None, None]) -> Reply:
    """What the session may do."""
    return Reply(render.client_session(call.client.session))


async def list_client_currencies(call: Call[None, None]) -> Reply:
    """The currencies of the session."""
    views = await call.ask(ListCurrencies())
    client = call.client
    return Reply(CurrencyList(data=[render.currency(view) for view in views if client.sees(view.currency)]))


async def get_client_address(call: Call[None, None]) -> Reply:
    """Where the client pays to, with the QR code of its payment URI."""
    currency = call.params["currency"]
    call.client.require_currency(currency)
    call.gateway.coins.offered(currency)
    issued = await call.ask(IssueAddress(call.client.client_id, currency), currency)
    reply = render.address(issued, call.gateway.coins)
    data = CashierAddressReply(**reply.model_dump(), qr_svg=qr_svg(issued.uri))
    return Reply(data, 201 if issued.is_new else 200)


async def get_client_balances(call: Call[None, None]) -> Reply:
    """The client's balances in the currencies of the session."""
    views = await call.ask(GetBalances(call.client.client_id, call.client.session.currencies))
    return Reply(BalanceList(data=[render.balance(view, call.gateway.coins) for view in views]))


async def list_client_deposits(call: Call[None, PageQuery]) -> Reply:
    """The client's deposits."""
    query, client = call.query, call.client
    page = await call.ask(ListDeposits(filter_of(query, client.client_id), limit_of(call), query.cursor))
    data = [render.deposit(view, call.gateway.coins) for view in page.data if client.sees(view.currency)]
    return Reply(DepositList(data=data, next_cursor=page.next_cursor))


async def list_client_withdrawals(call: Call[None, PageQuery]) -> Reply:
    """The client's withdrawals."""
    query, client = call.query, call.client
    message = ListWithdrawals(
        filter_of(query, client.client_id), limit_of(call), query.cursor, website=client.session.website
    )
    page = await call.ask(message)
    data = [
        render.client_withdrawal(view, call.gateway.coins) for view in page.data if client.sees(view.currency)
    ]
    return Reply(ClientWithdrawalList(data=data, next_cursor=page.next_cursor))


async def create_client_withdrawal(call: Call[CashierWithdrawalBody, None]) -> Reply:
    """Ask for a payout to the client's address, within the session's limit."""
    gateway, body, session = call.gateway, call.body, call.client.session
    call.client.require_currency(body.currency)
    gateway.coins.offered(body.currency)
    withdrawal_id = gateway.new_id("wd")
    message = RequestWithdrawal(
        id=withdrawal_id,
        website=session.website,
        client_id=session.client_id,
        currency=body.currency,
        amount=gateway.coins.parse(body.currency, body.amount),
        is_fee_included=body.fee_included,
        address=body.address,
        external_id=f"cashier:{withdrawal_id}",
        by=call.client.by,
        idempotency=call.idempotency,
        session_id=session.id,
    )
    outcome = await call.ask(message, body.currency)
    return Reply(render.client_withdrawal(outcome.value, gateway.coins), 201, outcome.is_replayed)


async def cancel_client_withdrawal(call: Call[None, None]) -> Reply:
    """Take a withdrawal back while nothing was signed."""
    client = call.client
    message = DecideWithdrawal(
        call.params["id"],
        "cancel",
        client.by,
        website=client.session.website,
        client_id=client.client_id,
        idempotency=call.idempotency,
    )
    outcome = await call.ask(message)
    return Reply(render.client_withdrawal(outcome.value, call.gateway.coins), 200, outcome.is_replayed)


@lru_cache(maxsize=1024)
def qr_svg(uri: str) -> str:
    """A payment URI as an SVG QR code. Some milliseconds of work, so the last ones are remembered."""
    out = BytesIO()
    code = segno.make_qr(uri, error="m")
    code.save(
        out,
        kind="svg",
        border=QUIET_MODULES,
        dark="#000",
        light="#fff",
        xmldecl=False,
        svgclass=None,
        lineclass=None,
        omitsize=True,
        nl=False,
    )
    return out.getvalue().decode()
