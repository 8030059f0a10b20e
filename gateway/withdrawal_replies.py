"""A withdrawal as it is answered, member by member; given again by ``replies``."""

from __future__ import annotations

from gateway.model import Model


class HistoryReply(Model):
    """A state a withdrawal came into, when, and by whom."""

    status: str
    at: str
    by: str


class ChildReply(Model):
    """A chain tx out of a candidate's own change that pays for both (CPFP); its fee is the house's."""

    id: str
    txid: str | None
    explorer_url: str | None
    state: str
    fee: str
    created_at: str


class AttemptReply(Model):
    """A chain tx made for a withdrawal. Fees are in whole units of ``fee_currency``: ``fee`` of the chain tx,
    which the house bears (on account chains the most it may cost), ``fee_paid`` what it cost once it is in a
    block, ``fee_share`` this withdrawal's part of ``fee`` among the payouts that the chain tx makes.

    ``kind`` is ``payout``, ``cold``, or ``cancel`` for one that pays nobody. It uses up the ``nonce`` of an
    account, or a number of ``inputs``. ``child`` pays for it where it was not mined for its own fee.
    """

    id: str
    kind: str
    txid: str | None
    explorer_url: str | None
    state: str
    fee: str
    fee_currency: str
    fee_share: str
    fee_paid: str | None
    payouts: int
    nonce: int | None
    inputs: int | None
    child: ChildReply | None
    created_at: str


class ApprovalReply(Model):
    """An operator let exactly the payment with this digest leave."""

    by: str
    digest: str
    at: str


class ClientWithdrawalReply(Model):
    """A withdrawal with its story, as its client is shown it.

    It should be ``confirmed`` in ``confirmation_expected_s`` seconds, where that can be told: as blocks
    usually come.
    """

    id: str
    external_id: str
    client_id: str
    currency: str
    amount: str
    fee: str
    address: str
    txid: str | None
    explorer_url: str | None
    status: str
    waiting_for: str | None
    attention: bool
    confirmations: int
    confirmations_required: int
    confirmation_expected_s: int | None
    block_height: int | None
    block_hash: str | None
    block_at: str | None
    created_at: str
    cooling_until: str | None
    history: list[HistoryReply]
    attempts: list[AttemptReply]


class WithdrawalReply(ClientWithdrawalReply):
    """The same for the website. ``digest`` stands for exactly this payment, which ``approvals_needed``
    operators must approve."""

    digest: str
    approvals_needed: int
    approvals: list[ApprovalReply]


class ClientWithdrawalList(Model):
    """A client's withdrawals, newest first."""

    data: list[ClientWithdrawalReply]
    next_cursor: str | None


class WithdrawalList(Model):
    """Withdrawals, newest first."""

    data: list[WithdrawalReply]
    next_cursor: str | None
