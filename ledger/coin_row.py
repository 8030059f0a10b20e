"""A currency's row, typed; read by the writer and by the read side alike."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ledger.errors import UnknownCurrencyError
from ledger.policy import Finality, Tier, parse_tiers
from ledger.views import CurrencyView

COLUMNS = (
    "currency, chain, name, family, network, decimals, fingerprint, confirmations, final_depth, max_reorg,"
    " minimum_deposit, minimum_withdrawal, maximum_withdrawal, withdrawal_fee, approval_above,"
    " second_approval_above, session_withdrawal_cap, dust, sweep_threshold, client_day_limit,"
    " client_month_limit, day_limit, deposits, withdrawals, state, state_detail,"
    " hold, hold_reason, watched_state, watched_detail, destination_cooling_s, tiers,"
    " withdrawable_depth, finality, is_configured"
)
_AMOUNTS = slice(10, 22)
"""Where the amounts stand in COLUMNS: decimal TEXT, some NULL."""


@dataclass(frozen=True, slots=True)
class CoinRow:
    """A currency as registered; amounts in base units, None where there is no such limit.

    ``hold`` is what an operator set (``paused``, ``draining``, None), ``watched_state`` what the watcher
    reported, ``state`` what follows from both (`ledger.currency_state`).
    """

    currency: str
    chain: str
    name: str
    family: str
    network: str
    decimals: int
    fingerprint: str
    confirmations: int
    final_depth: int
    max_reorg: int
    minimum_deposit: int
    minimum_withdrawal: int
    maximum_withdrawal: int
    withdrawal_fee: int
    approval_above: int | None
    second_approval_above: int | None
    session_withdrawal_cap: int | None
    dust: int
    sweep_threshold: int
    client_day_limit: int | None
    client_month_limit: int | None
    day_limit: int | None
    deposits: str
    withdrawals: str
    state: str
    state_detail: str
    hold: str | None
    hold_reason: str
    watched_state: str
    watched_detail: str
    destination_cooling_s: int
    tiers: tuple[Tier, ...]
    withdrawable_depth: int
    finality: Finality
    is_configured: bool


def from_row(row: tuple[object, ...]) -> CoinRow:
    """A CoinRow of a row selected as COLUMNS."""
    values = list(row)
    values[_AMOUNTS] = [None if value is None else int(str(value)) for value in values[_AMOUNTS]]
    values[-4] = parse_tiers(str(values[-4]))
    values[-2] = Finality(str(values[-2]))
    values[-1] = bool(values[-1])
    return CoinRow(*values)  # type: ignore[arg-type]  # STRICT columns in the order of COLUMNS


def read_coin(db: sqlite3.Connection, currency: str) -> CoinRow:
    """The row of one currency. Raises UnknownCurrencyError."""
    row = db.execute(f"SELECT {COLUMNS} FROM coin WHERE currency = ?", (currency,)).fetchone()  # nosec B608
    if row is None:
        raise UnknownCurrencyError(f"{currency} is not a currency of this cashier")
    return from_row(row)


def to_view(coin: CoinRow, height: int | None) -> CurrencyView:
    """The picture others see; ``height`` is the last block applied on the currency's chain."""
    return CurrencyView(
        currency=coin.currency,
        chain=coin.chain,
        name=coin.name,
        family=coin.family,
        network=coin.network,
        decimals=coin.decimals,
        confirmations_required=coin.confirmations,
        final_depth=coin.final_depth,
        minimum_deposit=coin.minimum_deposit,
        minimum_withdrawal=coin.minimum_withdrawal,
        maximum_withdrawal=coin.maximum_withdrawal,
        withdrawal_fee=coin.withdrawal_fee,
        deposits=coin.deposits if coin.hold is None else "closed",
        withdrawals=coin.withdrawals if coin.hold is None else "closed",
        state=coin.state,
        state_detail=coin.state_detail,
        height=height,
        destination_cooling_s=coin.destination_cooling_s,
    )
