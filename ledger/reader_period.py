"""Questions about months: what would be closed, what was, and who is in it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ledger import liability
from ledger.connection import Database
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


class _Grown:
    """A tree, once somebody who held its lock has grown it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tree: liability.Tree | None = None


class Trees:
    """The trees of the months that were asked for last: what a closed month owes does not change.

    At the end of a month every client may ask for his proof, and a tree costs all of them. Safe from any
    thread; only who asks for a tree that is being grown waits for it.
    """

    def __init__(self, trees_max: int = 16) -> None:
        """Keep at most so many: some months of every currency."""
        self._trees_max = trees_max
        self._trees: dict[tuple[str, int, bytes], _Grown] = {}
        self._lock = threading.Lock()

    def of(self, db: Database, currency: str, cut: int, salt: bytes) -> liability.Tree:
        """The tree of what was owed after journal entry ``cut``; the month's own salt tells it apart."""
        key = (currency, cut, salt)
        with self._lock:
            # The one asked for last is the last. One that goes while it is grown still serves who waits.
            grown = self._trees.pop(key) if key in self._trees else _Grown()
            self._trees[key] = grown
            while len(self._trees) > self._trees_max:
                del self._trees[next(iter(self._trees))]
        with grown.lock:
            if grown.tree is None:
                grown.tree = liability.grow(owed_to_clients(balances_at(db, currency, cut)), salt)
            return grown.tree


_TREES = Trees()


def get_proof(snapshot: Snapshot, query: GetProof) -> ProofView | None:
    """A client's way to the root of a closed month."""
    row = snapshot.db.execute(
        "SELECT cut, salt FROM period WHERE currency = ? AND month = ?", (query.currency, query.month)
    ).fetchone()
    if row is None:
        return None
    try:
        proof = _TREES.of(snapshot.db, query.currency, *row).prove(query.client_id)
    except KeyError:
        return None
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
