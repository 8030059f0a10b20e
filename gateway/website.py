"""The website's endpoints: one ask each. What a reply means is decided by the ledger, not here."""

from __future__ import annotations

from actors.messages import (
    CreateSession,
    DecideWithdrawal,
    EndSession,
    Filter,
    GetBalances,
    GetDeposit,
    GetWithdrawal,
    IssueAddress,
    ListCurrencies,
    ListDeposits,
    ListEvents,
    ListWithdrawals,
    PostTransfer,
    RequestWithdrawal,
)
from gateway import render
from gateway.api import Call, Reply
from gateway.bodies import (
    AuditQuery,
    EventsQuery,
    JournalQuery,
    ListQuery,
    PageQuery,
    SessionBody,
    TransferBody,
    WithdrawalBody,
)
from gateway.errors import invalid
from gateway.problem import ProblemError
from gateway.replies import BalanceList, CurrencyList, DepositList, EventList, WithdrawalList
from gateway.secret import session_code
from gateway.token import new_id, token_hash


async def create_session(call: Call[SessionBody, None]) -> Reply:
    """The handshake."""
    gateway, body = call.gateway, call.body
    for currency in body.currencies or ():
        gateway.coins.offered(currency)
    session_id = new_id("ses", gateway.random_bytes)
    message = CreateSession(
        id=session_id,
        website=call.website.name,
        client_id=body.client_id,
        actions=tuple(body.actions),
        currencies=None if body.currencies is None else tuple(body.currencies),
        ttl_s=_ttl(call),
        code_ttl_s=gateway.settings.code_ttl_s,
        code_hash=token_hash(session_code(gateway.secret, session_id)),
        locale=body.locale,
        return_url=body.return_url,
        withdrawal_limit=body.withdrawal_limit,
        idempotency=call.idempotency,
    )
    outcome = await call.ask(message)
    # Of the session that came back: on a replay it is the first one, and so is its code.
    code = session_code(gateway.secret, outcome.value.id)
    data = render.session(outcome.value, code, gateway.base_url)
    return Reply(data, 201, outcome.is_replayed)


def _ttl(call: Call[SessionBody, None]) -> int:
    """The session's life in seconds, within what is configured."""
    settings = call.gateway.settings
    ttl_s = settings.session_ttl_default_s if call.body.ttl_s is None else call.body.ttl_s
    if ttl_s > settings.session_ttl_max_s:
        raise invalid("ttl_s", f"at most {settings.session_ttl_max_s}")
    return ttl_s


async def end_session(call: Call[None, None]) -> Reply:
    """Code and token are dead at once."""
    await call.ask(EndSession(call.params["id"], call.website.name))
    return Reply(None, 204)


async def list_currencies(call: Call[None, None]) -> Reply:
    """Every currency with its state."""
    views = await call.ask(ListCurrencies())
    return Reply(CurrencyList(data=[render.currency(view) for view in views]))


async def get_or_create_address(call: Call[None, None]) -> Reply:
    """The client's newest address; made at the first time."""
    client_id, currency = call.params["client_id"], call.params["currency"]
    call.gateway.coins.offered(currency)
    issued = await call.ask(IssueAddress(client_id, currency), currency)
    return Reply(render.address(issued, call.gateway.coins), 201 if issued.is_new else 200)


async def create_address(call: Call[None, None]) -> Reply:
    """A fresh address; the old ones stay watched."""
    client_id, currency = call.params["client_id"], call.params["currency"]
    call.gateway.coins.offered(currency)
    message = IssueAddress(
        client_id,
        currency,
        is_fresh=True,
        addresses_max=call.gateway.settings.addresses_per_client_max,
        idempotency=call.idempotency,
    )
    issued = await call.ask(message, currency)
    return Reply(render.address(issued, call.gateway.coins), 201, issued.is_replayed)


async def get_balances(call: Call[None, None]) -> Reply:
    """The client's balances."""
    views = await call.ask(GetBalances(call.params["client_id"]))
    return Reply(BalanceList(data=[render.balance(view, call.gateway.coins) for view in views]))


async def list_deposits(call: Call[None, ListQuery]) -> Reply:
    """Deposits of all clients, or of one."""
    query = call.query
    page = await call.ask(ListDeposits(filter_of(query, query.client_id), limit_of(call), query.cursor))
    data = [render.deposit(view, call.gateway.coins) for view in page.data]
    return Reply(DepositList(data=data, next_cursor=page.next_cursor))


async def get_deposit(call: Call[None, None]) -> Reply:
    """One deposit."""
    view = await call.ask(GetDeposit(call.params["id"]))
    if view is None:
        raise ProblemError("not_found")
    return Reply(render.deposit(view, call.gateway.coins))


async def create_withdrawal(call: Call[WithdrawalBody, None]) -> Reply:
    """Ask for a payout; the client is debited in the same step."""
    gateway, body = call.gateway, call.body
    gateway.coins.offered(body.currency)
    message = RequestWithdrawal(
        id=gateway.new_id("wd"),
        website=call.website.name,
        client_id=body.client_id,
        currency=body.currency,
        amount=gateway.coins.parse(body.currency, body.amount),
        is_fee_included=body.fee_included,
        address=body.address,
        external_id=body.external_id,
        by=call.website.by,
        idempotency=call.idempotency,
        nonce=call.nonce,
    )
    outcome = await call.ask(message, body.currency)
    return Reply(render.withdrawal(outcome.value, gateway.coins), 201, outcome.is_replayed)


async def list_withdrawals(call: Call[None, ListQuery]) -> Reply:
    """The website's withdrawals."""
    query = call.query
    message = ListWithdrawals(
        filter_of(query, query.client_id), limit_of(call), query.cursor, website=call.website.name
    )
    page = await call.ask(message)
    data = [render.withdrawal(view, call.gateway.coins) for view in page.data]
    return Reply(WithdrawalList(data=data, next_cursor=page.next_cursor))


async def get_withdrawal(call: Call[None, None]) -> Reply:
    """One withdrawal with its history and attempts."""
    view = await call.ask(GetWithdrawal(call.params["id"], website=call.website.name))
    if view is None:
        raise ProblemError("not_found")
    return Reply(render.withdrawal(view, call.gateway.coins))


async def cancel_withdrawal(call: Call[None, None]) -> Reply:
    """Take a withdrawal back while nothing was signed."""
    message = DecideWithdrawal(
        call.params["id"],
        "cancel",
        call.website.by,
        website=call.website.name,
        idempotency=call.idempotency,
        nonce=call.nonce,
    )
    outcome = await call.ask(message)
    return Reply(render.withdrawal(outcome.value, call.gateway.coins), 200, outcome.is_replayed)


async def create_transfer(call: Call[TransferBody, None]) -> Reply:
    """Move money between clients and the house."""
    gateway, body = call.gateway, call.body
    message = PostTransfer(
        id=gateway.new_id("tr"),
        website=call.website.name,
        source=body.source,
        target=body.target,
        currency=body.currency,
        amount=gateway.coins.parse(body.currency, body.amount),
        external_id=body.external_id,
        reason=body.reason,
        by=call.website.by,
        idempotency=call.idempotency,
        nonce=call.nonce,
    )
    outcome = await call.ask(message)
    return Reply(render.transfer(outcome.value, gateway.coins), 201, outcome.is_replayed)


async def list_events(call: Call[None, EventsQuery]) -> Reply:
    """The gap-free feed, oldest first."""
    query = call.query
    events = await call.ask(ListEvents(query.after, limit_of(call)))
    data = [render.event(view, call.gateway.coins) for view in events]
    return Reply(EventList(data=data, next_after=events[-1].sequence if events else query.after))


def filter_of(query: PageQuery, client_id: str | None) -> Filter:
    """The filters of a list."""
    return Filter(
        client_id=client_id,
        currency=query.currency,
        status=query.status,
        txid=query.txid,
        since=query.since,
        until=query.until,
    )


def limit_of(
    call: Call[None, ListQuery]
    | Call[None, PageQuery]
    | Call[None, EventsQuery]
    | Call[None, AuditQuery]
    | Call[None, JournalQuery],
) -> int:
    """Rows wanted, within what is configured."""
    settings = call.gateway.settings
    limit = call.query.limit
    return settings.page_limit_default if limit is None else min(limit, settings.page_limit_max)
