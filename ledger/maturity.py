"""Credits that may not leave yet, and a policy that became stricter for what is not credited yet."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from ledger.coin_row import CoinRow
from ledger.connection import Database
from ledger.context import Tx
from ledger.deposit import DepositState
from ledger.deposit_row import DepositRow, read_deposits
from ledger.policy import Finality, required_depth, stricter

MATURING = (
    "SELECT currency, chain, credited_amount, withdrawable_height FROM deposit"
    " WHERE client_id = ? AND withdrawable_height IS NOT NULL"
)
"""A client's credits that are not final: a few rows, however many deposits there ever were."""

BROUGHT = "SELECT client_id, amount FROM deposit WHERE chain = ? AND block_hash = ? AND currency = ?"


def immature(db: Database, client_id: str, currency: str, tip_height: int | None) -> int:
    """What of a client's credits is not deep enough to leave at this tip, in base units."""
    rows = db.execute(
        f"{MATURING} AND currency = ? AND withdrawable_height > ?",  # nosec B608
        (client_id, currency, tip_height or 0),
    )
    return sum(int(amount) for _, _, amount, _ in rows)


def tighten(tx: Tx, coin: CoinRow) -> None:
    """Hold deposits that are not credited yet to the policy as it is now, where that is stricter.

    A deposit that waits for a tag of a currency that no longer asks for tags waits until it is final by
    depth instead: what is that deep is never undone.
    """
    rows = read_deposits(
        tx.db, "d.chain = ? AND d.status = ? AND d.currency = ?",
        (coin.chain, DepositState.CONFIRMING, coin.currency),
    )  # fmt: skip
    totals: dict[str, dict[str, int]] = {}
    for row in rows:
        block_hash = row.block_hash or ""
        if block_hash not in totals:
            totals[block_hash] = _brought(tx.db, coin, block_hash)
        held = _tightened(coin, row, totals[block_hash][row.client_id])
        if held != row:
            tx.db.execute(
                "UPDATE deposit SET confirmations_required = ?, due_height = ?, finality = ? WHERE id = ?",
                (held.confirmations_required, held.due_height, held.finality, held.id),
            )


def _tightened(coin: CoinRow, row: DepositRow, total: int) -> DepositRow:
    """The deposit under the stricter of its own policy and the currency's."""
    finality = stricter(row.finality, coin.finality)
    required = max(row.confirmations_required, required_depth(coin.confirmations, coin.tiers, total))
    if coin.finality is Finality.CONFIRMATIONS and finality is not Finality.CONFIRMATIONS:
        finality, required = Finality.CONFIRMATIONS, max(required, coin.final_depth)
    due_height = (row.block_height or 0) + required - 1
    return replace(row, finality=finality, confirmations_required=required, due_height=due_height)


def _brought(db: Database, coin: CoinRow, block_hash: str) -> dict[str, int]:
    """What a block brought each client of a currency, credited or not."""
    totals: dict[str, int] = defaultdict(int)
    for client_id, amount in db.execute(BROUGHT, (coin.chain, block_hash, coin.currency)):
        totals[client_id] += int(amount)
    return totals
