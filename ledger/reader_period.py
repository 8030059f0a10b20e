"""Questions about months: what would be closed, what was, and who is in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger import liability
from ledger.errors import InvalidMonthError, PeriodNotClosableError, UnknownCurrencyError
from ledger.month import end_of
from ledger.period import ENABLE, closing, read_periods
from ledger.period_command import GetClosing, GetProof, ListPeriods
from ledger.period_report import balances_at, owed_to_clients
from ledger.period_view import ClosingView, PeriodsClosed, PeriodView, ProofView
from ledger.snapshot import Snapshot


def get_closing(snapshot: Snapshot, query: GetClosing) -> ClosingView | PeriodsClosed:
    """The month ready to be closed, or closed."""
    coin = snapshot.coin(query.chain)
    if coin.chain != coin.currency:
        raise UnknownCurrencyError(f"{coin.currency} is closed with {coin.chain}")
    closed = read_periods(
        snapshot.db, "chain = ? AND month = ? ORDER BY currency", (query.chain, query.month)
    )
    if closed:
        return PeriodsClosed(query.month, query.chain, tuple(closed))
    if not coin.is_configured:
        raise PeriodNotClosableError(f"{coin.currency} is not watched: {ENABLE.format(coin.currency)}")
    return closing(snapshot.db, query.chain, query.month, coin.final_depth, query.salt)


def list_periods(snapshot: Snapshot, query: ListPeriods) -> tuple[PeriodView, ...]:
    """Closed months, newest first."""
    if query.month is not None:
        try:
            end_of(query.month)
        except ValueError as error:
            raise InvalidMonthError(str(error)) from None
    return tuple(
        read_periods(
            snapshot.db,
            "(?1 IS NULL OR currency = ?1) AND (?2 IS NULL OR month = ?2)"
            " ORDER BY month DESC, currency LIMIT ?3",
            (query.currency, query.month, max(1, min(query.limit, 500))),
        )
    )


def get_proof(snapshot: Snapshot, query: GetProof) -> ProofView | None:
    """A client's way to the root of a closed month."""
    row = snapshot.db.execute(
        "SELECT cut, salt FROM period WHERE currency = ? AND month = ?", (query.currency, query.month)
    ).fetchone()
    if row is None:
        return None
    owed = owed_to_clients(balances_at(snapshot.db, query.currency, row[0]))
    if query.client_id not in owed:
        return None
    proof = liability.prove(owed, row[1], query.client_id)
    steps = tuple(
        {"hash": step.node_hash.hex(), "amount": step.amount, "is_left": step.is_left} for step in proof.steps
    )
    return ProofView(
        query.month,
        query.currency,
        query.client_id,
        proof.nonce.hex(),
        proof.amount,
        steps,
        proof.root.hex(),
        proof.total,
    )


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {
    GetClosing: get_closing,
    ListPeriods: list_periods,
    GetProof: get_proof,
}
