"""Comparisons of chain and books: shown to operators, and asked for by them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from actors.messages import GetReconciliation, ListReconciliations, Reconcile, ReconciliationView
from gateway.api import NODE_TIMEOUT_S, Call, Reply
from gateway.coins import Coins
from gateway.moment import moment
from gateway.problem import ProblemError
from gateway.reconciliation_bodies import ReconcileBody, ReconciliationsQuery
from gateway.reconciliation_replies import ReconciliationLine, ReconciliationList, ReconciliationReply


async def list_reconciliations(call: Call[None, ReconciliationsQuery]) -> Reply:
    """Comparisons, newest first."""
    query, settings = call.query, call.gateway.settings
    limit = settings.page_limit_default if query.limit is None else min(query.limit, settings.page_limit_max)
    page = await call.ask(ListReconciliations(query.currency, limit, query.cursor))
    data = [_shown(view, call.gateway.coins) for view in page.data]
    return Reply(ReconciliationList(data=data, next_cursor=page.next_cursor))


async def get_reconciliation(call: Call[None, None]) -> Reply:
    """One comparison."""
    view = await call.ask(GetReconciliation(call.params["id"]))
    if view is None:
        raise ProblemError("not_found")
    return Reply(_shown(view, call.gateway.coins))


async def create_reconciliation(call: Call[ReconcileBody, None]) -> Reply:
    """Compare a chain with the books, now or at a past block: one result per currency of the chain.

    It moves nothing: asked again it compares again, also with the same Idempotency-Key.
    """
    gateway, body = call.gateway, call.body
    message = Reconcile(gateway.coins.offered(body.currency).chain, body.height)
    views = await call.ask(message, timeout_s=NODE_TIMEOUT_S)
    data = [_shown(view, gateway.coins) for view in views]
    return Reply(ReconciliationList(data=data, next_cursor=None), 201)


def _shown(view: ReconciliationView, coins: Coins) -> ReconciliationReply:
    lines = [
        ReconciliationLine(
            location=line["location"],
            chain=coins.display(view.currency, line["chain"]),
            books=coins.display(view.currency, line["books"]),
            difference=coins.display(view.currency, line["difference"]),
        )
        for line in view.lines
    ]
    totals = {name: coins.display(view.currency, amount) for name, amount in view.totals.items()}
    return ReconciliationReply(
        id=view.id,
        currency=view.currency,
        status="ok" if view.status == "ok" else "mismatch",
        height=view.height,
        block_hash=view.block_hash,
        cause=view.cause,
        number=view.number,
        lines=lines,
        inputs=_inputs(view),
        totals=totals,
        digest=view.digest,
        prev_digest=view.prev_digest,
        created_at=moment(view.created_at),
    )


def _inputs(view: ReconciliationView) -> dict[str, Any]:
    """How the node was asked, without the path of its address: with some that is a key."""
    if "node" not in view.inputs:
        return view.inputs
    parts = urlsplit(view.inputs["node"])
    return view.inputs | {"node": f"{parts.scheme}://{parts.netloc}"}
