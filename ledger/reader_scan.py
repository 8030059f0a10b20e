"""What was booked from a chain's blocks: the books' side of a rescan, and of a cold wallet's change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.currency import BLOCK_COLUMNS, to_block
from ledger.queries import GetColdChange, GetScanned
from ledger.snapshot import Snapshot
from ledger.views import ColdChangeView, Movement, ScannedView

_COMPARED = (
    "(m.position LIKE 'out:%' OR m.position LIKE 'in:%' OR m.position LIKE 'log:%'"
    " OR m.position LIKE 'send:log:%' OR m.position LIKE 'trace:%' OR m.position IN ('native', 'nonce'))"
)


def get_scanned(snapshot: Snapshot, query: GetScanned) -> ScannedView:
    """Blocks, live outputs and movements of a chain. Raises UnknownCurrencyError."""
    coin, db = snapshot.coin(query.chain), snapshot.db
    (anchor,) = db.execute("SELECT min(height) FROM block WHERE chain = ?", (coin.chain,)).fetchone()
    last = db.execute(
        f"SELECT {BLOCK_COLUMNS} FROM block WHERE chain = ? ORDER BY height DESC LIMIT 1",  # nosec B608
        (coin.chain,),
    ).fetchone()
    begins_at = 0 if anchor is None else anchor + 1
    place = (coin.chain, max(query.from_height, begins_at))
    hashes = db.execute(
        "SELECT block_hash FROM block WHERE chain = ? AND height >= ? ORDER BY height", place
    ).fetchall()
    scripts = db.execute(
        "SELECT script FROM own_script WHERE chain = ? ORDER BY sequence", (coin.chain,)
    ).fetchall()
    outpoints = db.execute(
        "SELECT u.txid, u.output_index, s.script, u.amount FROM utxo u"
        " JOIN own_script s ON s.sequence = u.script_sequence WHERE u.chain = ? AND u.height < ?"
        " AND (u.spent_by IS NULL OR u.spent_height >= ?)",
        (*place, place[1]),
    )
    moved = db.execute(
        "SELECT m.height, m.txid, m.position, m.currency, s.script, m.delta FROM chain_movement m"
        " JOIN own_script s ON s.sequence = m.script_sequence"
        f" WHERE m.chain = ? AND m.height >= ? AND m.is_disconnected = 0 AND {_COMPARED}",  # nosec B608
        place,
    )
    issued = db.execute(
        "SELECT branch, max(script_index) + 1 FROM script_reservation WHERE currency = ? GROUP BY branch",
        (coin.currency,),
    ).fetchall()
    return ScannedView(
        chain=coin.chain,
        tip=to_block(last) if last else None,
        begins_at=begins_at,
        hashes=tuple(row[0] for row in hashes),
        scripts=tuple(row[0] for row in scripts),
        outpoints=tuple((txid, index, script, int(amount)) for txid, index, script, amount in outpoints),
        movements=tuple(
            Movement(height, txid, position, currency, script.hex(), int(delta))
            for height, txid, position, currency, script, delta in moved
        ),
        issued=tuple(issued),
    )


def get_cold_change(snapshot: Snapshot, query: GetColdChange) -> ColdChangeView:
    """Two looks at an index each: of the scripts, and of the outputs that lie in cold storage.

    A number that was reserved and not recorded, as an answer was lost, is not watched: it is asked for again.
    """
    (watched,) = snapshot.db.execute(
        "SELECT count(*) FROM own_script WHERE currency = ? AND branch = 'cold_change'",
        (query.currency,),
    ).fetchone()
    (used,) = snapshot.db.execute(
        "SELECT coalesce(max(s.script_index) + 1, 0) FROM own_script s"
        " WHERE s.currency = ? AND s.branch = 'cold_change' AND EXISTS"
        " (SELECT 1 FROM utxo u WHERE u.script_sequence = s.sequence AND u.location = 'cold')",
        (query.currency,),
    ).fetchone()
    return ColdChangeView(watched, used)


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {
    GetScanned: get_scanned,
    GetColdChange: get_cold_change,
}
