"""How much may leave in a window of time: per client, and of a currency as a whole (velocity).

Windows roll: a day is the last 24 hours, a month the last 30 days, so no midnight opens a second helping.
Amounts are what payees get, without fees.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from coins.amounts import AMOUNT_MAX, format_amount
from ledger.coin_row import CoinRow
from ledger.context import Tx
from ledger.errors import LimitExceededError

DAY_S = 86_400
MONTH_S = 30 * DAY_S


def refuse_over_client_limits(tx: Tx, coin: CoinRow, client_id: str, amount: int) -> None:
    """Refuse a withdrawal that would pass what one client may take out. Raises LimitExceededError."""
    for limit, window_s, name in (
        (coin.client_day_limit, DAY_S, "24 hours"),
        (coin.client_month_limit, MONTH_S, "30 days"),
    ):
        if limit is None:
            continue
        rows = tx.db.execute(
            "SELECT amount FROM withdrawal WHERE client_id = ? AND currency = ? AND created_at > ?"
            " AND status NOT IN ('rejected', 'cancelled', 'failed')",
            (client_id, coin.currency, tx.now_s - window_s),
        )
        if sum(int(taken) for (taken,) in rows) + amount > limit:
            shown = f"{format_amount(limit, coin.decimals)} {coin.currency}"
            raise LimitExceededError(f"a client may withdraw {shown} within {name}")


def refuse_over_day_limit(coin: CoinRow, amount: int) -> None:
    """Refuse a payout that the velocity limit would never let leave. Raises LimitExceededError."""
    if coin.day_limit is not None and amount > coin.day_limit:
        shown = f"{format_amount(coin.day_limit, coin.decimals)} {coin.currency}"
        raise LimitExceededError(f"at most {shown} may leave within 24 hours")


FITS = "(length(w.amount), w.amount) <= (length(?), ?)"
"""Payouts that the velocity limit lets leave at all (``most_at_once``, twice). One above it (it was lowered
since) is passed over: the others would wait behind it for ever."""


def most_at_once(coin: CoinRow) -> str:
    """The largest payout that the velocity limit of a currency lets leave, as amounts are stored."""
    return str(AMOUNT_MAX if coin.day_limit is None else coin.day_limit)


def allowed_now(tx: Tx, coin: CoinRow, amounts: Sequence[int]) -> int:
    """How many of these payouts, in this order, the velocity limit of their currency lets be signed now.

    None is above the limit by itself: see :data:`FITS`.
    Counted against it are payouts signed within the last 24 hours, and those reserved to be signed next; what
    goes to the cold address is not.
    """
    if coin.day_limit is None:
        return len(amounts)
    rows = tx.db.execute(
        "SELECT w.amount FROM withdrawal w JOIN withdrawal_history h ON h.withdrawal_id = w.id"
        " WHERE h.status = 'signed' AND h.at > ? AND w.currency = ? AND w.kind = 'payout'"
        " UNION ALL SELECT w.amount FROM withdrawal w JOIN attempt_payout p ON p.withdrawal_id = w.id"
        " JOIN attempt a ON a.id = p.attempt_id WHERE a.currency = ? AND a.state = 'prepared'"
        " AND w.status = 'approved' AND w.kind = 'payout'",
        (tx.now_s - DAY_S, coin.currency, coin.currency),
    )
    room = coin.day_limit - sum(int(amount) for (amount,) in rows)
    return sum(total <= room for total in accumulate(amounts))
