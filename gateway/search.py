"""Operators look into payments: one withdrawal from end to end, or whatever a text names."""

from __future__ import annotations

from actors.messages import GetPayoutStory, SearchBooks
from gateway.api import Call, Reply
from gateway.bodies import SearchQuery
from gateway.problem import ProblemError
from gateway.story_render import found, story


async def get_any_withdrawal(call: Call[None, None]) -> Reply:
    """One payout with all there is to know of it."""
    view = await call.ask(GetPayoutStory(call.params["id"]))
    if view is None:
        raise ProblemError("not_found")
    return Reply(story(view, call.gateway.coins))


async def search(call: Call[None, SearchQuery]) -> Reply:
    """Everything a client, txid, address or id names."""
    query, settings = call.query, call.gateway.settings
    limit = settings.page_limit_default if query.limit is None else min(query.limit, settings.page_limit_max)
    return Reply(found(await call.ask(SearchBooks(query.q, limit)), query.q, call.gateway.coins))
