"""House money: what operators announce, so that it is not taken for a stranger's."""

from __future__ import annotations

from actors.messages import AnnounceHouseFunding, ListHouseAddresses, ListHouseMovements
from gateway.api import Call, Reply
from gateway.bodies import HouseMovementBody, HouseQuery
from gateway.operator_render import house_movement
from gateway.operator_replies import HouseAddressList, HouseAddressReply, HouseMovementList


async def list_house_movements(call: Call[None, HouseQuery]) -> Reply:
    """What was told of, newest first."""
    query, settings = call.query, call.gateway.settings
    limit = settings.page_limit_default if query.limit is None else min(query.limit, settings.page_limit_max)
    page = await call.ask(ListHouseMovements(query.currency, limit, query.cursor))
    data = [house_movement(view, call.gateway.coins) for view in page.data]
    return Reply(HouseMovementList(data=data, next_cursor=page.next_cursor))


async def list_house_addresses(call: Call[None, None]) -> Reply:
    """Where hot wallets are funded, and the cold addresses."""
    views = await call.ask(ListHouseAddresses())
    data = [HouseAddressReply(currency=v.currency, location=v.location, address=v.address) for v in views]
    return Reply(HouseAddressList(data=data))


async def create_house_movement(call: Call[HouseMovementBody, None]) -> Reply:
    """Tell that a chain tx will bring house money."""
    body, coins = call.body, call.gateway.coins
    txid = coins.txid(body.currency, body.txid)
    message = AnnounceHouseFunding(body.currency, txid, call.operator.by, body.reason, call.idempotency)
    outcome = await call.ask(message)
    return Reply(house_movement(outcome.value, coins), 201, outcome.is_replayed)
