"""The panic stop: operators stop all payouts and let them go on."""

from __future__ import annotations

from actors.messages import GetStop, StartPayouts, StopPayouts
from gateway import operator_render as render
from gateway.api import Call, Reply
from gateway.bodies import OptionalReasonBody, ReasonBody


async def get_stop(call: Call[None, None]) -> Reply:
    """Whether payouts are stopped, since when, by whom and why."""
    return Reply(render.stop(await call.ask(GetStop())))


async def stop_payouts(call: Call[ReasonBody, None]) -> Reply:
    """Nothing leaves for the first time any more."""
    outcome = await call.ask(StopPayouts(call.operator.by, call.body.reason, call.idempotency))
    return Reply(render.stop(outcome.value), 200, outcome.is_replayed)


async def start_payouts(call: Call[OptionalReasonBody, None]) -> Reply:
    """What waited goes on."""
    outcome = await call.ask(StartPayouts(call.operator.by, call.body.reason, call.idempotency))
    return Reply(render.stop(outcome.value), 200, outcome.is_replayed)
