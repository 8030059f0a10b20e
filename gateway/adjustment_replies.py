"""What operators are answered about adjustments, member by member, and how the ledger's views become it."""

from __future__ import annotations

from pydantic import Field

from actors.messages import AdjustmentsView, AdjustmentView
from gateway.coins import Coins
from gateway.moment import moment, moment_or_none
from gateway.replies import Model
from gateway.withdrawal_replies import ApprovalReply


class AdjustmentReply(Model):
    """Money that an operator moves inside the books; its `digest` is sent back to approve it.

    What came with an import is decided with all of it: by `import_id`. A correction is of the case `case_id`;
    its `from` and `to` are accounts of the books.
    """

    id: str
    import_id: str | None
    external_id: str | None
    source: str = Field(serialization_alias="from")
    target: str = Field(serialization_alias="to")
    currency: str
    amount: str
    reason: str
    status: str
    approvals_needed: int
    digest: str
    reverses: str | None
    reversed_by: str | None
    by: str
    created_at: str
    decided_by: str | None
    decided_at: str | None
    decision_reason: str
    case_id: str | None
    approvals: list[ApprovalReply]


class AdjustmentList(Model):
    """Adjustments, newest first."""

    data: list[AdjustmentReply]
    next_cursor: str | None


class TotalReply(Model):
    """What all rows of a currency move together."""

    currency: str
    amount: str


class PartyBalanceReply(Model):
    """What a client has available, or the house or an account has, before and after."""

    account: str
    currency: str
    before: str
    after: str


class AdjustmentsReply(Model):
    """What is decided together: an import, or one adjustment.

    `status` is `checked` for a dry run, else `held`, `posted` or `rejected`; `balances` of what is held are
    those that booking it now would leave.
    """

    id: str
    status: str
    rows: int
    approvals_needed: int
    digest: str
    by: str
    totals: list[TotalReply]
    balances: list[PartyBalanceReply]
    approvals: list[ApprovalReply]


def adjustment(view: AdjustmentView, coins: Coins) -> AdjustmentReply:
    """One adjustment."""
    return AdjustmentReply(
        id=view.id,
        import_id=view.import_id,
        external_id=view.external_id,
        source=view.source,
        target=view.target,
        currency=view.currency,
        amount=coins.display(view.currency, view.amount),
        reason=view.reason,
        status=view.status,
        approvals_needed=view.approvals_needed,
        digest=view.digest,
        reverses=view.reverses,
        reversed_by=view.reversed_by,
        by=view.by,
        created_at=moment(view.created_at),
        decided_by=view.decided_by,
        decided_at=moment_or_none(view.decided_at),
        decision_reason=view.decision_reason,
        case_id=view.case_id,
        approvals=_approvals(view),
    )


def adjustments(view: AdjustmentsView, coins: Coins) -> AdjustmentsReply:
    """What is decided together."""
    return AdjustmentsReply(
        id=view.id,
        status=view.status,
        rows=view.rows,
        approvals_needed=view.approvals_needed,
        digest=view.digest,
        by=view.by,
        totals=[
            TotalReply(currency=each.currency, amount=coins.display(each.currency, each.amount))
            for each in view.totals
        ],
        balances=[
            PartyBalanceReply(
                account=each.party,
                currency=each.currency,
                before=coins.display(each.currency, each.before),
                after=coins.display(each.currency, each.after),
            )
            for each in view.balances
        ],
        approvals=_approvals(view),
    )


def _approvals(view: AdjustmentView | AdjustmentsView) -> list[ApprovalReply]:
    return [ApprovalReply(by=each.by, digest=each.digest, at=moment(each.at)) for each in view.approvals]
