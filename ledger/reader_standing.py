"""What waits beside a comparison that agrees: parked, gone, not swept, not mined; no difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ledger.case import CaseKind
from ledger.coin_row import CoinRow
from ledger.queries import GetStanding
from ledger.snapshot import Snapshot
from ledger.views import Standing

KIND_OF = {
    CaseKind.PARKED: "parked",
    CaseKind.FUNDING: "parked",
    CaseKind.UNSEEN: "parked",
    CaseKind.DUPLICATE: "duplicate",
    CaseKind.UNEXPLAINED: "unknown_outgoing",
    CaseKind.SHORTAGE: "unknown_outgoing",
    CaseKind.ILLIQUID: "unswept",
    CaseKind.NODE_DOUBT: "node_doubt",
}
"""Open cases by what a comparison calls them; those of differences are told with the difference."""


def get_standing(snapshot: Snapshot, query: GetStanding) -> tuple[Standing, ...]:
    """Everything of a currency that waits, the lowest block first. Raises UnknownCurrencyError."""
    coin = snapshot.coin(query.currency)
    found = [*_cases(snapshot, coin), *_withdrawals(snapshot, coin), *_accounts(snapshot, coin)]
    return tuple(sorted(found, key=lambda each: (each.height is None, each.height or 0, each.ref)))


def _cases(snapshot: Snapshot, coin: CoinRow) -> Iterator[Standing]:
    for case_id, kind, amount, txid, height, reason in snapshot.db.execute(
        "SELECT id, kind, amount, txid, block_height, reason FROM unclaimed_case"
        " WHERE currency = ? AND status = 'open' ORDER BY ordinal",
        (coin.currency,),
    ):
        name = KIND_OF.get(CaseKind(kind))
        if name is not None:
            yield Standing(name, coin.currency, int(amount), height, txid, case_id, reason)


def _withdrawals(snapshot: Snapshot, coin: CoinRow) -> Iterator[Standing]:
    """Payouts that were signed and have not been mined for as many blocks as make one final."""
    tip = snapshot.height(coin.chain) or 0
    for withdrawal_id, amount, txid, created_at in snapshot.db.execute(
        "SELECT id, amount, coalesce(txid, ''), created_at FROM withdrawal WHERE currency = ?"
        " AND status IN ('signed', 'broadcast') AND block_height IS NULL ORDER BY ordinal",
        (coin.currency,),
    ):
        (below,) = snapshot.db.execute(
            "SELECT max(height) FROM block WHERE chain = ? AND time <= ?", (coin.chain, created_at)
        ).fetchone()
        if below is not None and tip - below >= coin.final_depth:
            detail = f"not mined in the {tip - below} blocks since it was asked for"
            yield Standing(
                "stuck_withdrawal", coin.currency, int(amount), below + 1, txid, withdrawal_id, detail
            )


def _accounts(snapshot: Snapshot, coin: CoinRow) -> Iterator[Standing]:
    """Deposit accounts that could be swept since a final depth ago, twice over, and were not."""
    tip = snapshot.height(coin.chain) or 0
    for address, amount, first in snapshot.db.execute(
        "SELECT s.address, b.amount, (SELECT max(m.height) FROM chain_movement m WHERE m.chain = s.chain"
        " AND m.script_sequence = s.sequence AND m.currency = b.currency AND m.is_disconnected = 0"
        " AND m.delta NOT LIKE '-%' AND m.delta <> '0')"
        " FROM script_balance b JOIN own_script s ON s.sequence = b.script_sequence"
        " WHERE b.currency = ? AND b.is_sweepable = 1 ORDER BY s.sequence",
        (coin.currency,),
    ):
        if first is not None and tip - first >= 2 * coin.final_depth:
            detail = f"lies at {address} for {tip - first} blocks"
            yield Standing("unswept", coin.currency, int(amount), first, "", address, detail)


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {GetStanding: get_standing}
