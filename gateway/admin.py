"""The operators' endpoints about the cashier itself: its tree, its currencies, held payouts, the audit."""

from __future__ import annotations

from actors.messages import (
    DecideWithdrawal,
    GetTree,
    HoldCurrency,
    ListAudit,
    ListWithdrawals,
    StopWithdrawal,
)
from gateway import render
from gateway.api import Call, Reply
from gateway.bodies import ApproveBody, AuditQuery, ListQuery, OptionalReasonBody, ReasonBody
from gateway.operator_render import operator_withdrawal as shown_payout
from gateway.operator_replies import OperatorWithdrawalList
from gateway.replies import AuditList
from gateway.website import filter_of, limit_of

Reasoned = Call[ReasonBody, None] | Call[OptionalReasonBody, None] | Call[ApproveBody, None]


async def get_tree(call: Call[None, None]) -> Reply:
    """The supervision tree."""
    return Reply(render.tree(await call.gateway.ask("root", GetTree(), call.request_id)))


async def pause_currency(call: Call[ReasonBody, None]) -> Reply:
    """No payout, no new address or withdrawal, until an operator says otherwise."""
    outcome = await call.ask(_hold(call, "paused"))
    return Reply(render.currency(outcome.value), 200, outcome.is_replayed)


async def drain_currency(call: Call[ReasonBody, None]) -> Reply:
    """No new address or withdrawal; what is open is paid."""
    outcome = await call.ask(_hold(call, "draining"))
    return Reply(render.currency(outcome.value), 200, outcome.is_replayed)


async def resume_currency(call: Call[OptionalReasonBody, None]) -> Reply:
    """As its node and the configuration let it be."""
    outcome = await call.ask(_hold(call, None))
    return Reply(render.currency(outcome.value), 200, outcome.is_replayed)


def _hold(call: Reasoned, hold: str | None) -> HoldCurrency:
    return HoldCurrency(call.params["currency"], hold, call.operator.by, call.body.reason, call.idempotency)


async def list_all_withdrawals(call: Call[None, ListQuery]) -> Reply:
    """Payouts of all websites, or of one client."""
    query = call.query
    page = await call.ask(ListWithdrawals(filter_of(query, query.client_id), limit_of(call), query.cursor))
    data = [shown_payout(view, call.gateway.coins) for view in page.data]
    return Reply(OperatorWithdrawalList(data=data, next_cursor=page.next_cursor))


async def approve_withdrawal(call: Call[ApproveBody, None]) -> Reply:
    """A held payout may leave, with the last approval it needs."""
    outcome = await call.ask(_decision(call, "approve", call.body.digest))
    return Reply(shown_payout(outcome.value, call.gateway.coins), 200, outcome.is_replayed)


async def reject_withdrawal(call: Call[ReasonBody, None]) -> Reply:
    """A held payout is refused, the client has the money back; or a refund, whose case opens again."""
    outcome = await call.ask(_decision(call, "reject"))
    return Reply(shown_payout(outcome.value, call.gateway.coins), 200, outcome.is_replayed)


async def stop_withdrawal(call: Call[ReasonBody, None]) -> Reply:
    """A signed payout of an account chain is not wanted any more; the chain decides which it was."""
    command = StopWithdrawal(call.params["id"], call.operator.by, call.body.reason, call.idempotency)
    outcome = await call.ask(command)
    return Reply(shown_payout(outcome.value, call.gateway.coins), 200, outcome.is_replayed)


def _decision(call: Reasoned, decision: str, digest: str = "") -> DecideWithdrawal:
    return DecideWithdrawal(
        call.params["id"],
        decision,
        call.operator.by,
        reason=call.body.reason,
        digest=digest,
        idempotency=call.idempotency,
    )


async def list_audit(call: Call[None, AuditQuery]) -> Reply:
    """Who did what, newest first."""
    query = call.query
    message = ListAudit(
        limit_of(call), query.cursor, query.by, query.action, query.object_id, query.since, query.until
    )
    page = await call.ask(message)
    return Reply(AuditList(data=[render.audit(view) for view in page.data], next_cursor=page.next_cursor))
