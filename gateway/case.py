"""Operators look at money that credits nobody and decide about it; what a decision means the ledger knows."""

from __future__ import annotations

from actors.messages import (
    AssignCase,
    BlockDeposits,
    GetCase,
    ListCases,
    ReleaseCase,
    ReleaseCases,
    RequestRefund,
    UnblockDeposits,
    WriteOffCase,
)
from gateway import render
from gateway.api import Call, Reply
from gateway.bodies import AssignBody, ListQuery, ReasonBody, RefundBody, ReleaseBody
from gateway.problem import ProblemError
from gateway.replies import CaseList, CasesReleasedReply, ClientBlockReply
from gateway.website import filter_of, limit_of


async def list_cases(call: Call[None, ListQuery]) -> Reply:
    """Cases of all clients, or of one."""
    query = call.query
    page = await call.ask(ListCases(filter_of(query, query.client_id), limit_of(call), query.cursor))
    data = [render.case(view, call.gateway.coins) for view in page.data]
    return Reply(CaseList(data=data, next_cursor=page.next_cursor))


async def get_case(call: Call[None, None]) -> Reply:
    """One case with its evidence and history."""
    view = await call.ask(GetCase(call.params["id"]))
    if view is None:
        raise ProblemError("not_found")
    return Reply(render.case(view, call.gateway.coins))


async def assign_case(call: Call[AssignBody, None]) -> Reply:
    """Give the money to a client, or to the house."""
    body, operator = call.body, call.operator
    message = AssignCase(call.params["id"], body.client_id, operator.by, body.reason, call.idempotency)
    outcome = await call.ask(message)
    return Reply(render.case(outcome.value, call.gateway.coins), 200, outcome.is_replayed)


async def release_case(call: Call[ReasonBody, None]) -> Reply:
    """Let one parked deposit go on."""
    message = ReleaseCase(call.params["id"], call.operator.by, call.body.reason, call.idempotency)
    outcome = await call.ask(message)
    return Reply(render.case(outcome.value, call.gateway.coins), 200, outcome.is_replayed)


async def release_cases(call: Call[ReleaseBody, None]) -> Reply:
    """Let what one cause parked in a currency go on."""
    body, operator = call.body, call.operator
    message = ReleaseCases(body.currency, body.cause, operator.by, body.reason, call.idempotency)
    outcome = await call.ask(message)
    view = outcome.value
    return Reply(CasesReleasedReply(released=view.released, left=view.left), 200, outcome.is_replayed)


async def refund_case(call: Call[RefundBody, None]) -> Reply:
    """Send the money back by a payout of its own."""
    gateway, body = call.gateway, call.body
    gateway.coins.offered(body.currency)
    message = RequestRefund(
        case_id=call.params["id"],
        withdrawal_id=gateway.new_id("wd"),
        currency=body.currency,
        address=body.address,
        by=call.operator.by,
        reason=body.reason,
        idempotency=call.idempotency,
    )
    outcome = await call.ask(message, body.currency)
    return Reply(render.case(outcome.value, gateway.coins), 200, outcome.is_replayed)


async def write_off_case(call: Call[ReasonBody, None]) -> Reply:
    """Keep the money, or admit that it is gone."""
    message = WriteOffCase(call.params["id"], call.operator.by, call.body.reason, call.idempotency)
    outcome = await call.ask(message)
    return Reply(render.case(outcome.value, call.gateway.coins), 200, outcome.is_replayed)


async def block_deposits(call: Call[ReasonBody, None]) -> Reply:
    """Park what comes in for a client from now on."""
    client_id, reason = call.params["client_id"], call.body.reason
    outcome = await call.ask(BlockDeposits(client_id, call.operator.by, reason, call.idempotency))
    view = outcome.value
    data = ClientBlockReply(
        client_id=view.client_id, at=render.moment(view.at), by=view.by, reason=view.reason
    )
    return Reply(data, 200, outcome.is_replayed)


async def unblock_deposits(call: Call[ReasonBody, None]) -> Reply:
    """Take the block away; what it parked goes on."""
    client_id, reason = call.params["client_id"], call.body.reason
    outcome = await call.ask(UnblockDeposits(client_id, call.operator.by, reason, call.idempotency))
    view = outcome.value
    return Reply(CasesReleasedReply(released=view.released, left=view.left), 200, outcome.is_replayed)
