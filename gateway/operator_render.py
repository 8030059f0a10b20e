"""Views about payouts as operators are shown them; the rest is in ``render``."""

from __future__ import annotations

from actors.messages import HouseMovementView, StopView, WithdrawalView
from gateway.coins import Coins
from gateway.operator_replies import (
    HouseMovementReply,
    OperatorWithdrawalReply,
    StopReply,
)
from gateway.render import moment, moment_or_none, withdrawal


def stop(view: StopView) -> StopReply:
    """The panic stop."""
    return StopReply(stopped=view.is_stopped, at=moment_or_none(view.at), by=view.by, reason=view.reason)


def operator_withdrawal(view: WithdrawalView, coins: Coins) -> OperatorWithdrawalReply:
    """The same with what operators need beside it."""
    return OperatorWithdrawalReply(
        **dict(withdrawal(view, coins)),
        kind=view.kind,
        website=view.website,
    )


def house_movement(view: HouseMovementView, coins: Coins) -> HouseMovementReply:
    """House money that an operator told of."""
    return HouseMovementReply(
        id=view.id,
        kind=view.kind,
        currency=view.currency,
        txid=view.txid,
        explorer_url=coins.explorer_url(view.currency, view.txid),
        by=view.by,
        reason=view.reason,
        at=moment(view.at),
    )
