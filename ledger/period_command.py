"""Commands and questions about closing months. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from coins.types import Holdings
from ledger.period_view import ClosingView, PeriodsClosed, PeriodView, ProofView
from ledger.queries import Query
from ledger.request import Command


@dataclass(frozen=True, slots=True)
class RecordPeriod(Command[PeriodsClosed]):
    """Close a month of a chain: what the books say (``closing``) beside what the chain said (``holdings``).

    ``salt`` is the one the closing was made with. A month that is closed already is answered as it is.
    Errors: PeriodNotClosableError, UnknownCurrencyError.
    """

    closing: ClosingView
    holdings: Holdings
    salt: bytes
    by: str


@dataclass(frozen=True, slots=True)
class GetClosing(Query[ClosingView | PeriodsClosed]):
    """A month of a chain as the books tell it, or the closed month where it is closed.

    ``salt`` (32 random bytes) hides clients from each other in the tree of what is owed.
    Errors: PeriodNotClosableError, InvalidMonthError, UnknownCurrencyError.
    """

    chain: str
    month: str
    salt: bytes


@dataclass(frozen=True, slots=True)
class ListPeriods(Query[tuple[PeriodView, ...]]):
    """Closed months, newest first, at most ``limit``; of one currency, of one month, or of all."""

    currency: str | None = None
    month: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class GetProof(Query[ProofView | None]):
    """That a client is in the sum of what was owed at the end of a closed month.

    None when the month is not closed or the client was owed nothing then.
    """

    client_id: str
    currency: str
    month: str
