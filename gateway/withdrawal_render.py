"""Withdrawals as replies; given again by ``render``."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from actors.messages import AttemptView, WithdrawalView
from gateway.coins import Coins
from gateway.moment import moment, moment_or_none
from gateway.withdrawal_replies import (
    ApprovalReply,
    AttemptReply,
    ChildReply,
    ClientWithdrawalReply,
    HistoryReply,
    WithdrawalReply,
)

_UNDER_WAY = frozenset({"approved", "signed", "broadcast"})


def withdrawal(view: WithdrawalView, coins: Coins) -> WithdrawalReply:
    """A withdrawal with its history, its approvals and its candidates."""
    return WithdrawalReply(
        **_members(view, coins),
        digest=view.digest,
        approvals_needed=view.approvals_needed,
        approvals=[ApprovalReply(by=a.by, digest=a.digest, at=moment(a.at)) for a in view.approvals],
    )


def client_withdrawal(view: WithdrawalView, coins: Coins) -> ClientWithdrawalReply:
    """The same as its client is shown it."""
    return ClientWithdrawalReply(**_members(view, coins))


def _members(view: WithdrawalView, coins: Coins) -> dict[str, Any]:
    """What everybody is shown of a withdrawal."""
    name = view.currency
    return {
        "id": view.id,
        "external_id": view.external_id,
        "client_id": view.client_id,
        "currency": name,
        "amount": coins.display(name, view.amount),
        "fee": coins.display(name, view.fee),
        "address": view.address,
        "txid": view.txid,
        "explorer_url": coins.explorer_url(view.currency, view.txid),
        "status": view.status,
        "waiting_for": view.waiting_for,
        "attention": view.attention,
        "confirmations": view.confirmations,
        "confirmations_required": view.confirmations_required,
        "confirmation_expected_s": confirmation_expected_s(view, coins),
        "block_height": view.block_height,
        "block_hash": view.block_hash,
        "block_at": moment_or_none(view.block_at),
        "created_at": moment(view.created_at),
        "cooling_until": moment_or_none(view.cooling_until),
        "history": [HistoryReply(status=h.status, at=moment(h.at), by=h.by) for h in view.history],
        "attempts": [_attempt(a, name, coins) for a in view.attempts],
    }


def confirmation_expected_s(view: WithdrawalView, coins: Coins) -> int | None:
    """Seconds until a withdrawal should be confirmed, as blocks usually come; None when nobody can tell.

    So it is while it waits for something else than blocks, while it is in doubt, and when it has ended.
    """
    pace = coins.pace(view.currency)
    if pace is None or view.status not in _UNDER_WAY or view.waiting_for is not None or view.attention:
        return None
    if view.block_height is None:
        return (pace.blocks_to_mine + view.confirmations_required - 1) * pace.block_interval_s
    return max(view.confirmations_required - view.confirmations, 0) * pace.block_interval_s


def _attempt(view: AttemptView, name: str, coins: Coins) -> AttemptReply:
    """One candidate; its fees are in the currency of its chain."""
    # Of events older than it: what the configuration says.
    chain, child = view.fee_currency or coins.fee_currency(name), view.child
    return AttemptReply(
        id=view.id,
        kind=view.kind,
        txid=view.txid,
        explorer_url=coins.explorer_url(name, view.txid),
        state=view.state,
        fee=coins.display(chain, view.fee),
        fee_currency=chain,
        fee_share=coins.display(chain, view.fee_share),
        fee_paid=None if view.fee_paid is None else coins.display(chain, view.fee_paid),
        payouts=view.payouts,
        nonce=view.nonce,
        inputs=view.inputs,
        child=None
        if child is None
        else ChildReply(
            id=child.id,
            txid=child.txid,
            explorer_url=coins.explorer_url(name, child.txid),
            state=child.state,
            fee=coins.display(chain, child.fee),
            created_at=moment(child.created_at),
        ),
        created_at=moment(view.created_at),
    )


def withdrawal_event(data: Mapping[str, Any], coins: Coins) -> WithdrawalReply:
    """A withdrawal as an event keeps it; what is younger than the event has its default."""
    whole: dict[str, Any] = {
        **data,
        "history": _objects(data.get("history", ())),
        "approvals": _objects(data.get("approvals", ())),
        "attempts": tuple(_attempt_of(a) for a in data.get("attempts", ())),
    }
    return withdrawal(WithdrawalView(**whole), coins)


def _attempt_of(data: Mapping[str, Any]) -> AttemptView:
    """Events older than the shares are of a chain tx that made one payout."""
    child = data.get("child")
    whole = {"fee_share": data["fee"], **data, "child": None if child is None else SimpleNamespace(**child)}
    return AttemptView(**whole)


def _objects(entries: Any) -> tuple[Any, ...]:
    return tuple(SimpleNamespace(**entry) for entry in entries)
