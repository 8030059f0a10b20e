"""Commands and the question about adjustments. Pure. ``by`` is ``operator:{id}``."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.adjustment_view import AdjustmentsView, AdjustmentView
from ledger.errors import RowError
from ledger.queries import Query
from ledger.request import Command, Idempotency
from ledger.views import Outcome, Page


@dataclass(frozen=True, slots=True)
class RequestAdjustment(Command[Outcome[AdjustmentView]]):
    """Move ``amount`` from ``source`` to ``target``, each a client or ``house``: at once, or held until as
    many other operators approved it as a payout of that amount needs. What cannot be booked now is refused.

    Errors: InsufficientFundsError, SameAccountError, InvalidClientError, BelowMinimumError,
    AboveMaximumError, ExternalIdUsedError, UnknownCurrencyError, AlreadyExistsError, ApprovalRefusedError
    (no operator).
    """

    id: str
    source: str
    target: str
    currency: str
    amount: int
    reason: str
    by: str
    idempotency: Idempotency
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReverseAdjustment(Command[Outcome[AdjustmentView]]):
    """Undo a posted adjustment by its exact contra entry, once; approved as any other.

    Errors: NotFoundError, NotReversibleError (not posted, reversed already, or a reversal itself), and those
    of :class:`RequestAdjustment` about money.
    """

    id: str
    adjustment_id: str
    reason: str
    by: str
    idempotency: Idempotency


@dataclass(frozen=True, slots=True)
class CorrectCase(Command[Outcome[AdjustmentView]]):
    """Bring the books to the chain for an open case of a difference (``short``, ``surplus``).

    By ``amount`` of it, ``against`` the account that takes it: ``loss``, ``house`` or ``network_fee``.
    Approved as an adjustment of all that is corrected of the case. The next comparison that agrees ends it.
    Errors: NotFoundError, CaseDecidedError, ActionNotAllowedError, NotConfirmedError (a reorg may undo its
    block), BelowMinimumError, AboveMaximumError (more than is left of the case), InsufficientFundsError,
    AlreadyExistsError, ApprovalRefusedError (no operator).
    """

    id: str
    case_id: str
    currency: str
    amount: int
    against: str
    reason: str
    by: str
    idempotency: Idempotency


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One well-formed row of an import; ``number`` is its row in the sheet, where the header is row 1."""

    number: int
    source: str
    target: str
    currency: str
    amount: int
    external_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportAdjustments(Command[Outcome[AdjustmentsView]]):
    """All rows in their order, or none. ``refused`` is what was wrong with others already: then nothing is
    booked, and the refusal names every error.

    Approvals are needed as for one adjustment of the sum of each currency. A dry run books nothing and
    carries no idempotency key: it is judged anew each time. Errors: ImportRefusedError, ApprovalRefusedError.
    """

    id: str
    rows: tuple[ImportRow, ...]
    refused: tuple[RowError, ...]
    is_dry_run: bool
    by: str
    idempotency: Idempotency | None


@dataclass(frozen=True, slots=True)
class DecideAdjustment(Command[Outcome[AdjustmentsView]]):
    """``approve`` or ``reject`` what is held: an adjustment, or an import as a whole.

    An approval is of what has the ``digest`` that the operator was shown; it is booked with the last one it
    needs. Errors: NotFoundError, NotHeldError, ApprovalRefusedError, IllegalTransitionError, and those of
    :class:`RequestAdjustment` about money: then it is still held, and this approval does not count.
    """

    object_id: str
    decision: str
    by: str
    reason: str
    idempotency: Idempotency
    digest: str = ""


@dataclass(frozen=True, slots=True)
class ListAdjustments(Query[Page]):
    """A page of AdjustmentViews, newest first; None does not filter. ``client_id`` is either party.

    ``since``/``until`` are unix seconds.
    """

    limit: int = 50
    cursor: str | None = None
    client_id: str | None = None
    currency: str | None = None
    status: str | None = None
    import_id: str | None = None
    since: int | None = None
    until: int | None = None
