"""Months: closed by an operator, shown with their reports; a client's proof that he is in what is owed."""

from __future__ import annotations

from actors.messages import ClosePeriod, GetProof, ListPeriods, PeriodView
from gateway.api import NODE_TIMEOUT_S, Call, Reply
from gateway.moment import moment
from gateway.period_bodies import ClosePeriodBody, PeriodsQuery, ProofQuery
from gateway.period_replies import PeriodList, PeriodReply, ProofReply, ProofStep
from gateway.problem import ProblemError


async def list_periods(call: Call[None, PeriodsQuery]) -> Reply:
    """Closed months with their reports, newest first."""
    query = call.query
    views = await call.ask(ListPeriods(query.currency, query.month, query.limit))
    return Reply(PeriodList(data=[_shown(view) for view in views]))


async def close_period(call: Call[ClosePeriodBody, None]) -> Reply:
    """Close a month of a chain and its tokens; closed already, it is shown as it is."""
    message = ClosePeriod(call.body.currency, call.params["month"], call.operator.by)
    closed = await call.ask(message, timeout_s=NODE_TIMEOUT_S)
    return Reply(PeriodList(data=[_shown(view) for view in closed.periods]))


async def get_proof(call: Call[None, ProofQuery]) -> Reply:
    """A client's way to the root of what was owed at the end of a closed month."""
    query = call.query
    view = await call.ask(GetProof(call.params["client_id"], query.currency, query.month))
    if view is None:
        raise ProblemError("not_found")
    steps = [
        ProofStep(hash=step["hash"], amount=str(step["amount"]), is_left=step["is_left"])
        for step in view.steps
    ]
    return Reply(
        ProofReply(
            month=view.month,
            currency=view.currency,
            client_id=view.client_id,
            nonce=view.nonce,
            amount=str(view.amount),
            steps=steps,
            root=view.root,
            total=str(view.total),
        )
    )


def _shown(view: PeriodView) -> PeriodReply:
    return PeriodReply(
        month=view.month,
        currency=view.currency,
        chain=view.chain,
        height=view.height,
        block_hash=view.block_hash,
        last_entry=view.cut,
        digest=view.digest,
        closed_at=moment(view.closed_at),
        closed_by=view.closed_by,
        report=view.report,
    )
