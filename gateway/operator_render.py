"""Views about payouts as operators are shown them; the rest is in ``render``."""

from __future__ import annotations

from actors.messages import StopView, WithdrawalView
from gateway.coins import Coins
from gateway.operator_replies import ApprovalReply, OperatorWithdrawalReply, StopReply
from gateway.render import moment, moment_or_none, withdrawal


def stop(view: StopView) -> StopReply:
    """The panic stop."""
    return StopReply(stopped=view.is_stopped, at=moment_or_none(view.at), by=view.by, reason=view.reason)


def operator_withdrawal(view: WithdrawalView, coins: Coins) -> OperatorWithdrawalReply:
    """The same with what operators approve."""
    return OperatorWithdrawalReply(
        **dict(withdrawal(view, coins)),
        digest=view.digest,
        approvals_needed=view.approvals_needed,
        approvals=[ApprovalReply(by=a.by, digest=a.digest, at=moment(a.at)) for a in view.approvals],
    )
