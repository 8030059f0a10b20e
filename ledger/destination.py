"""Where a client's money goes to: an address that is new to the client waits, so that the client can object.

Known is what a payout of this client has reached for good. Nothing is ever suggested from history, where
somebody may have put an address that looks like the client's own.
"""

from __future__ import annotations

from ledger.coin_row import CoinRow
from ledger.context import Tx


def cooling_until(tx: Tx, coin: CoinRow, client_id: str, script: bytes) -> int | None:
    """When the first payout of a client to this address may leave (unix seconds); None: it need not wait.

    The time runs from when the client first asked for it, in any currency of the chain; what was rejected,
    cancelled or failed does not count.
    """
    if not coin.destination_cooling_s:
        return None
    states = dict(
        tx.db.execute(
            "SELECT status, min(created_at) FROM withdrawal WHERE client_id = ? AND script = ?"
            " AND currency IN (SELECT currency FROM coin WHERE chain = ?)"
            " AND status NOT IN ('rejected', 'cancelled', 'failed') GROUP BY status",
            (client_id, script, coin.chain),
        ).fetchall()
    )
    until: int = min(states.values(), default=tx.now_s) + coin.destination_cooling_s
    return None if "final" in states or until <= tx.now_s else until
