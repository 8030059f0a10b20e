"""What is under way in a currency, by the books and by the node."""

from __future__ import annotations

from actors.messages import GetInFlightNow
from gateway.api import Call, Reply
from gateway.in_flight_render import in_flight
from gateway.in_flight_replies import InFlightQuery


async def get_in_flight(call: Call[None, InFlightQuery]) -> Reply:
    """Everything in no block; without the node's word where it cannot be had, which the reply says."""
    currency, coins = call.query.currency, call.gateway.coins
    now = await call.ask(GetInFlightNow(coins.fee_currency(currency), currency))
    return Reply(in_flight(now.view, now.looked_at, coins))
