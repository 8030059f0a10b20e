"""What the gateway answers to operators alone, member by member; the rest is in ``replies``."""

from __future__ import annotations

from gateway.replies import KeyReply, Model, WithdrawalReply


class NewKeyReply(KeyReply):
    """A new website key with its two secrets, shown this once."""

    key: str
    signing_secret: str


class StopReply(Model):
    """Whether an operator stopped all payouts; then since when, by whom and why."""

    stopped: bool
    at: str | None
    by: str | None
    reason: str


class OperatorWithdrawalReply(WithdrawalReply):
    """The same for operators; its ``digest`` is sent back to approve it.

    ``kind`` is ``payout``, or ``cold`` for house money that is to go to the cold address.
    """

    kind: str
    website: str


class OperatorWithdrawalList(Model):
    """Withdrawals of all websites, newest first."""

    data: list[OperatorWithdrawalReply]
    next_cursor: str | None


class HouseMovementReply(Model):
    """House money that an operator told of."""

    id: int
    kind: str
    currency: str
    txid: str
    explorer_url: str | None
    by: str
    reason: str
    at: str


class HouseMovementList(Model):
    """House movements, newest first."""

    data: list[HouseMovementReply]
    next_cursor: str | None


class HouseAddressReply(Model):
    """An address of the house on a chain; the chain's tokens come to the same one.

    ``location`` is ``hot`` where the hot wallet is funded, ``cold`` for a cold address,
    today's or an earlier one.
    """

    currency: str
    location: str
    address: str


class HouseAddressList(Model):
    """The house's addresses, hot before cold."""

    data: list[HouseAddressReply]


class WebhookReply(Model):
    """An event on its way to the website: ``pending``, ``delivered``, or ``dead`` when it was given up.

    ``id`` is the event's and its ``webhook-id``; ``last_status`` what the last of ``attempts`` was answered.
    """

    id: str
    sequence: int
    type: str
    status: str
    attempts: int
    next_at: str | None
    last_status: int | None
    last_detail: str
    occurred_at: str


class WebhookList(Model):
    """Webhooks, newest first."""

    data: list[WebhookReply]
    next_cursor: str | None
