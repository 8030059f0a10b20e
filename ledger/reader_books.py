"""Questions of the reconciler and the operators: own scripts, account balances, comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coins.types import Branch, Location, Outpoint, OwnOutput, OwnScript
from ledger import accounts
from ledger.books_at import books_at
from ledger.currency import BLOCK_COLUMNS, to_block
from ledger.errors import CurrencyUnavailableError
from ledger.queries import (
    GetBooks,
    GetBooksAt,
    GetOutputsAt,
    GetReconciliation,
    GetWatched,
    ListReconciliations,
)
from ledger.reader_list import decode_cursor, encode_cursor, page_limit
from ledger.reconciliation import RECONCILIATION_COLUMNS, block_hash_at, to_reconciliation
from ledger.snapshot import Snapshot
from ledger.views import BooksAt, BooksView, Page, ReconciliationView, Watched


def get_watched(snapshot: Snapshot, query: GetWatched) -> tuple[Watched, ...]:
    """All own scripts of a chain in order of issue."""
    rows = snapshot.db.execute(
        "SELECT script, address, branch, script_index, location, sequence FROM own_script WHERE chain = ?"
        " ORDER BY sequence",
        (query.chain,),
    )
    return tuple(
        Watched(OwnScript(script, address, Branch(branch), index), Location(location), sequence)
        for script, address, branch, index, location, sequence in rows
    )


def get_books(snapshot: Snapshot, query: GetBooks) -> BooksView:
    """Balances of every account of a currency; clients summed. Raises UnknownCurrencyError."""
    coin = snapshot.coin(query.currency)
    row = snapshot.db.execute(
        f"SELECT {BLOCK_COLUMNS} FROM block WHERE chain = ? ORDER BY height DESC LIMIT 1",  # nosec B608
        (coin.chain,),
    ).fetchone()
    totals: dict[str, int] = {}
    chain = {location.value: 0 for location in Location}
    for name, balance in snapshot.db.execute(
        "SELECT name, balance FROM account WHERE currency = ?", (query.currency,)
    ):
        account = accounts.parse(name)
        if account.kind == "client":
            name = f"client:*:{query.currency}:{account.part}"
        elif account.kind == "client_deficit":
            name = f"client_deficit:*:{query.currency}"
        elif account.kind == "onchain":
            chain[account.part] = int(balance)
        totals[name] = totals.get(name, 0) + int(balance)
    return BooksView(query.currency, to_block(row) if row else None, dict(sorted(totals.items())), chain)


def get_books_at(snapshot: Snapshot, query: GetBooksAt) -> tuple[BooksAt, ...] | None:
    """The books at a block of the chain, None for a block of another branch or above the ledger's tip."""
    if block_hash_at(snapshot.db, query.chain, query.height) != query.block_hash:
        return None
    for currency in query.currencies:
        snapshot.coin(currency)
    return tuple(books_at(snapshot.db, query.chain, each, query.height) for each in query.currencies)


def get_outputs_at(snapshot: Snapshot, query: GetOutputsAt) -> tuple[OwnOutput, ...]:
    """Outputs made at or below a height and not spent at or below it.

    Raises CurrencyUnavailableError below the anchor and above the tip.
    """
    first, last = snapshot.db.execute(
        "SELECT min(height), max(height) FROM block WHERE chain = ?", (query.chain,)
    ).fetchone()
    if first is None or not first <= query.height <= last:
        raise CurrencyUnavailableError(f"the books of {query.chain} hold the blocks {first} to {last}")
    rows = snapshot.db.execute(
        "SELECT u.txid, u.output_index, s.script, u.amount FROM utxo u"
        " JOIN own_script s ON s.sequence = u.script_sequence"
        " WHERE u.chain = ? AND u.height <= ? AND (u.spent_by IS NULL OR u.spent_height > ?)",
        (query.chain, query.height, query.height),
    )
    return tuple(
        OwnOutput(Outpoint(txid, index), script, int(amount)) for txid, index, script, amount in rows
    )


def list_reconciliations(snapshot: Snapshot, query: ListReconciliations) -> Page:
    """A page of comparisons, newest first. Raises InvalidCursorError."""
    wanted = (
        ("currency = ?", query.currency),
        ("rowid < ?", None if query.cursor is None else decode_cursor(query.cursor)),
    )
    given = [(condition, value) for condition, value in wanted if value is not None]
    where = " AND ".join(["1 = 1", *(condition for condition, _ in given)])
    limit = page_limit(query.limit)
    rows = snapshot.db.execute(
        f"SELECT {RECONCILIATION_COLUMNS}, rowid FROM reconciliation WHERE {where}"  # nosec B608
        " ORDER BY rowid DESC LIMIT ?",
        (*(value for _, value in given), limit + 1),
    ).fetchall()
    next_cursor = encode_cursor(rows[limit - 1][-1]) if len(rows) > limit else None
    return Page(tuple(to_reconciliation(row[:-1]) for row in rows[:limit]), next_cursor)


def get_reconciliation(snapshot: Snapshot, query: GetReconciliation) -> ReconciliationView | None:
    """One comparison, None where there is none of this id."""
    row = snapshot.db.execute(
        f"SELECT {RECONCILIATION_COLUMNS} FROM reconciliation WHERE id = ?",  # nosec B608
        (query.reconciliation_id,),
    ).fetchone()
    return None if row is None else to_reconciliation(row)


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {
    GetWatched: get_watched,
    GetBooks: get_books,
    GetBooksAt: get_books_at,
    GetOutputsAt: get_outputs_at,
    ListReconciliations: list_reconciliations,
    GetReconciliation: get_reconciliation,
}
