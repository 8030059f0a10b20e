"""Parts of a withdrawal's picture, given again by ``ledger.views``: history, candidates, approvals. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One state a withdrawal went through: when, and who or what moved it."""

    status: str
    at: int
    by: str


@dataclass(frozen=True, slots=True)
class ChildAttempt:
    """A chain tx out of a candidate's own change that pays for both (CPFP), at the house's expense."""

    id: str
    txid: str | None
    state: str
    fee: int
    created_at: int


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One candidate chain tx of a withdrawal. States as in the attempt table.

    ``fee`` is the chain tx's, borne by the house, in ``fee_currency``: on account chains the most it may
    cost. ``fee_paid`` is what it did cost, once it is in a block. ``fee_share`` is this withdrawal's
    part of ``fee`` among the ``payouts`` that the chain tx makes; the shares sum to the fee.

    ``kind`` is ``payout``, ``cold``, or ``cancel`` for one that pays nobody. It uses up the ``nonce`` of an
    account, or a number of ``inputs``.
    """

    id: str
    txid: str | None
    state: str
    fee: int
    created_at: int
    fee_share: int = 0
    payouts: int = 1
    kind: str = "payout"
    nonce: int | None = None
    inputs: int | None = None
    fee_paid: int | None = None
    fee_currency: str = ""
    child: ChildAttempt | None = None


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """One operator let exactly the payment with this digest leave."""

    by: str
    digest: str
    at: int
