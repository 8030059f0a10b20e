"""What the reconciler is asked, given again by ``actors.messages``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from actors.explainer import Explained
from coins.types import Holdings
from ledger.period_view import PeriodsClosed
from ledger.request import Request
from ledger.views import ReconciliationView


@dataclass(frozen=True, slots=True)
class Reconcile(Request[tuple[ReconciliationView, ...]]):
    """Compare one chain with the books at one block: one result per currency on that chain.

    At the node's tip now, or at a past ``height``; ``cause`` is kept with the result. Errors:
    CurrencyUnavailableError (node down or behind, it keeps no state of so old a block, or the books do not
    cover it),
    ReconciliationBusyError (the chain moved on each try).
    """

    receiver: ClassVar[str] = "reconciler"
    chain: str
    height: int | None = None
    cause: str = "demand"


@dataclass(frozen=True, slots=True)
class GetHoldingsAt(Request[Holdings]):
    """What the chain says we own at the block of a past height, on a branch that the books stand on.

    Errors as of :class:`Reconcile`.
    """

    receiver: ClassVar[str] = "reconciler"
    chain: str
    height: int


@dataclass(frozen=True, slots=True)
class Explain(Request[Explained]):
    """Find the blocks, scripts and chain txs that make the difference a comparison found.

    Each has a case; one that only a comparison of a past height found is over at once. Errors as
    of :class:`Reconcile`.
    """

    receiver: ClassVar[str] = "reconciler"
    chain: str
    view: ReconciliationView


@dataclass(frozen=True, slots=True)
class ClosePeriod(Request[PeriodsClosed]):
    """Close a month (``YYYY-MM``) of a chain and its tokens, once the chain says the same as the books at its
    last block or each part of the difference has its case. A month that is closed is answered as it is.

    Errors: PeriodNotClosableError, InvalidMonthError, UnknownCurrencyError, CurrencyUnavailableError (node
    down, behind, or without the state of that block), ReconciliationBusyError (another branch meanwhile, or
    the same is under way).
    """

    receiver: ClassVar[str] = "reconciler"
    chain: str
    month: str
    by: str


@dataclass(frozen=True, slots=True)
class TipMoved(Request[None]):
    """Hint: the ledger stands at a new block of ``chain``, at ``height``."""

    receiver: ClassVar[str] = "reconciler"
    chain: str
    height: int
