"""Operators move money inside the books: one by one, by a sheet of many, and back again."""

from __future__ import annotations

from actors.messages import (
    CorrectCase,
    DecideAdjustment,
    ImportAdjustments,
    ListAdjustments,
    RequestAdjustment,
    ReverseAdjustment,
)
from gateway.adjustment_bodies import AdjustmentBody, AdjustmentQuery, CorrectBody, ImportBody
from gateway.adjustment_csv import read_sheet
from gateway.adjustment_replies import AdjustmentList, adjustment, adjustments
from gateway.api import Call, Reply
from gateway.bodies import ApproveBody, ReasonBody


async def list_adjustments(call: Call[None, AdjustmentQuery]) -> Reply:
    """Adjustments, newest first."""
    query, settings = call.query, call.gateway.settings
    limit = settings.page_limit_default if query.limit is None else min(query.limit, settings.page_limit_max)
    chosen = query.model_dump(exclude={"limit"})
    page = await call.ask(ListAdjustments(limit, **chosen))
    data = [adjustment(view, call.gateway.coins) for view in page.data]
    return Reply(AdjustmentList(data=data, next_cursor=page.next_cursor))


async def create_adjustment(call: Call[AdjustmentBody, None]) -> Reply:
    """Move money between clients and the house, at once or when others approved it."""
    gateway, body = call.gateway, call.body
    message = RequestAdjustment(
        id=gateway.new_id("adj"),
        source=body.source,
        target=body.target,
        currency=body.currency,
        amount=gateway.coins.parse(body.currency, body.amount),
        reason=body.reason,
        by=call.operator.by,
        idempotency=call.idempotency,
        external_id=body.external_id,
    )
    outcome = await call.ask(message)
    return Reply(adjustment(outcome.value, gateway.coins), 201, outcome.is_replayed)


async def import_adjustments(call: Call[ImportBody, None]) -> Reply:
    """Judge a sheet of adjustments, and book or hold all of it unless it is a dry run."""
    gateway, is_dry_run = call.gateway, call.body.dry_run
    sheet = await read_sheet(call.body.csv, gateway.coins)
    key = None if is_dry_run else call.idempotency
    import_id, by = gateway.new_id("imp"), call.operator.by
    outcome = await call.ask(ImportAdjustments(import_id, sheet.rows, sheet.errors, is_dry_run, by, key))
    return Reply(adjustments(outcome.value, gateway.coins), 200, outcome.is_replayed)


async def reverse_adjustment(call: Call[ReasonBody, None]) -> Reply:
    """Undo a posted adjustment by its contra entry."""
    gateway, of = call.gateway, call.params["id"]
    new_id, reason = gateway.new_id("adj"), call.body.reason
    outcome = await call.ask(ReverseAdjustment(new_id, of, reason, call.operator.by, call.idempotency))
    return Reply(adjustment(outcome.value, gateway.coins), 201, outcome.is_replayed)


async def correct_case(call: Call[CorrectBody, None]) -> Reply:
    """Bring the books to the chain for a case of a difference, at once or when others approved it."""
    gateway, body = call.gateway, call.body
    message = CorrectCase(
        id=gateway.new_id("adj"),
        case_id=call.params["id"],
        currency=body.currency,
        amount=gateway.coins.parse(body.currency, body.amount),
        against=body.against,
        reason=body.reason,
        by=call.operator.by,
        idempotency=call.idempotency,
    )
    outcome = await call.ask(message)
    return Reply(adjustment(outcome.value, gateway.coins), 201, outcome.is_replayed)


async def approve_adjustment(call: Call[ApproveBody, None]) -> Reply:
    """Approve what is held, an adjustment or an import; it is booked with the last approval it needs."""
    outcome = await call.ask(_decision(call, "approve", call.body.digest))
    return Reply(adjustments(outcome.value, call.gateway.coins), 200, outcome.is_replayed)


async def reject_adjustment(call: Call[ReasonBody, None]) -> Reply:
    """Refuse what is held, an adjustment or an import."""
    outcome = await call.ask(_decision(call, "reject"))
    return Reply(adjustments(outcome.value, call.gateway.coins), 200, outcome.is_replayed)


def _decision(
    call: Call[ApproveBody, None] | Call[ReasonBody, None], decision: str, digest: str = ""
) -> DecideAdjustment:
    object_id, by = call.params["id"], call.operator.by
    return DecideAdjustment(object_id, decision, by, call.body.reason, call.idempotency, digest)
