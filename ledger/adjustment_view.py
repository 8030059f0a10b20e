"""Adjustments as others see them; given again by ``ledger.views``. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.withdrawal_view import ApprovalView


@dataclass(frozen=True, slots=True)
class AdjustmentView:
    """Money that an operator moves, ``source`` to ``target``, each a client or ``house``.

    A correction is of the case ``case_id``, and moves between accounts of the books.

    ``digest`` is what is approved: of this one, or of the whole import it came with (``import_id``).
    ``reverses`` and ``reversed_by`` are ids of adjustments. ``decided_*`` are None while it is held, and for
    one that needed no approval.
    """

    id: str
    import_id: str | None
    external_id: str | None
    source: str
    target: str
    currency: str
    amount: int
    reason: str
    status: str
    approvals_needed: int
    digest: str
    reverses: str | None
    reversed_by: str | None
    by: str
    created_at: int
    decided_by: str | None
    decided_at: int | None
    decision_reason: str
    approvals: tuple[ApprovalView, ...] = ()
    case_id: str | None = None


@dataclass(frozen=True, slots=True)
class TotalView:
    """The sum of the amounts of one currency."""

    currency: str
    amount: int


@dataclass(frozen=True, slots=True)
class PartyBalance:
    """What a client has available, or the house or an account has, before and after."""

    party: str
    currency: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class AdjustmentsView:
    """What is decided together: an import (``imp_…``), or one adjustment.

    ``status`` is ``checked`` for a dry run, else that of its rows. ``balances`` are those it changes, or
    would change if it were booked now.
    """

    id: str
    status: str
    rows: int
    approvals_needed: int
    digest: str
    by: str
    totals: tuple[TotalView, ...]
    balances: tuple[PartyBalance, ...]
    approvals: tuple[ApprovalView, ...] = ()
