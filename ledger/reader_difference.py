"""Questions about a difference: where chain and books last agreed, what is booked at a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ledger import accounts
from ledger.case_row import read_cases
from ledger.connection import Database
from ledger.difference import CORRECTIONS, Booked, Moved
from ledger.difference_case import location_of
from ledger.queries import GetBlockBooks, GetLastAgreed
from ledger.snapshot import Snapshot
from ledger.views import BlockBooks

_TXIDS_AT_ONCE = 500


def get_last_agreed(snapshot: Snapshot, query: GetLastAgreed) -> tuple[int | None, int]:
    """Comparisons of blocks that a reorg took away do not count."""
    (agreed,) = snapshot.db.execute(
        "SELECT max(r.height) FROM reconciliation r JOIN block b ON b.chain = r.chain AND b.height = r.height"
        " AND b.block_hash = r.block_hash WHERE r.currency = ? AND r.status = 'ok' AND r.height < ?",
        (query.currency, query.below),
    ).fetchone()
    (anchor,) = snapshot.db.execute(
        "SELECT min(height) FROM block WHERE chain = ?", (query.chain,)
    ).fetchone()
    return agreed, anchor or 0


def get_block_books(snapshot: Snapshot, query: GetBlockBooks) -> BlockBooks:
    """Movements that stand, and entries that were not taken back."""
    db = snapshot.db
    moved = tuple(
        Moved(script, txid, position, int(delta), journal_id, block_hash)
        for script, txid, position, delta, journal_id, block_hash in db.execute(
            "SELECT s.script, m.txid, m.position, m.delta, m.journal_id, m.block_hash FROM chain_movement m"
            " JOIN own_script s ON s.sequence = m.script_sequence WHERE m.chain = ? AND m.currency = ?"
            " AND m.height = ? AND m.is_disconnected = 0 AND m.delta <> '0' ORDER BY m.id",
            (query.chain, query.currency, query.height),
        )
    )
    booked = tuple(_booked(db, query))
    txids = {each.txid for each in moved} | {each.txid for each in booked} | set(query.txids)
    return BlockBooks(moved, booked, tuple(_attempts(db, sorted(txids))))


def _booked(db: Database, query: GetBlockBooks) -> Iterator[Booked]:
    """What each entry of the block, or of its time without a height, did onchain, by location."""
    first, after = (
        db.execute(
            "SELECT coalesce(min(id), 0x7fffffffffffffff) FROM journal WHERE chain = ? AND height > ?",
            (query.chain, height),
        ).fetchone()[0]
        for height in (query.height - 1, query.height)
    )
    sums: dict[tuple[Any, ...], dict[str, int]] = {}
    others: dict[int, set[str]] = {}
    for *entry, debit, credit, amount in db.execute(
        "SELECT j.id, j.kind, j.ref_type, j.ref_id, coalesce(j.txid, ''), coalesce(j.block_hash, ''),"
        " d.name, c.name, p.amount FROM journal j JOIN posting p ON p.journal_id = j.id"
        " JOIN account d ON d.id = p.debit_id JOIN account c ON c.id = p.credit_id"
        " WHERE p.currency = ? AND ((j.chain = ? AND j.height = ?)"
        " OR (j.height IS NULL AND j.id > ? AND j.id < ?)) AND (j.kind IN (?, ?) OR (j.reverses IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM journal r WHERE r.reverses = j.id))) ORDER BY j.id",
        (query.currency, query.chain, query.height, first, after, *CORRECTIONS),
    ):
        for name, change in ((debit, int(amount)), (credit, -int(amount))):
            account = accounts.parse(name)
            if account.kind == "onchain":
                places = sums.setdefault(tuple(entry), {})
                places[account.part] = places.get(account.part, 0) + change
            else:
                others.setdefault(entry[0], set()).add(account.kind)
    for (journal_id, kind, ref_type, ref_id, txid, block_hash), places in sums.items():
        rest = tuple(sorted(others.get(journal_id, ())))
        for location, change in places.items():
            if kind in CORRECTIONS:  # of change, which has no account
                (case,) = read_cases(db, "c.id = ?", (ref_id,))
                location = location_of(case)
            yield Booked(journal_id, kind, f"{ref_type} {ref_id}", txid, location, change, rest, block_hash)


def _attempts(db: Database, txids: list[str]) -> Iterator[str]:
    """Those of some txids that are chain txs of our own."""
    for start in range(0, len(txids), _TXIDS_AT_ONCE):
        part = txids[start : start + _TXIDS_AT_ONCE]
        marks = ", ".join("?" * len(part))
        for (txid,) in db.execute(f"SELECT txid FROM attempt WHERE txid IN ({marks})", part):  # nosec B608
            yield txid


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {
    GetLastAgreed: get_last_agreed,
    GetBlockBooks: get_block_books,
}
