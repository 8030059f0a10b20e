"""What the ledger answers about cases: frozen pictures, given again by ``ledger.views``. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CaseEntry:
    """One thing that happened to a case: what, the state it led to, when, by whom, and why."""

    action: str
    status: str
    at: int
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class CaseView:
    """Money that credits nobody, or is gone, with its evidence and its whole story.

    ``client_id`` is whose address it came to, or who was credited; ``address`` is ours that it came to.
    ``actions`` are what an operator may decide now; ``withdrawal_id`` is the payout of its refund.
    """

    id: str
    kind: str
    currency: str
    amount: int
    txid: str
    position: str
    deposit_id: str | None
    client_id: str | None
    address: str | None
    status: str
    reason: str
    block_height: int | None
    block_hash: str | None
    confirmations: int
    actions: tuple[str, ...]
    withdrawal_id: str | None
    created_at: int
    history: tuple[CaseEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class CasesReleased:
    """How many parked deposits go on now, and how many of the same cause are left."""

    released: int
    left: int


@dataclass(frozen=True, slots=True)
class ClientBlock:
    """A client whose deposits are parked: since when, by whom and why."""

    client_id: str
    at: int
    by: str
    reason: str
