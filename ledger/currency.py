"""Currencies: registered, tuned, given a state; the anchor and the recent blocks of their chains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coins.types import BlockRef
from ledger import codec
from ledger.attempt import AttemptEvent
from ledger.attempt_row import read_attempts
from ledger.coin_row import CoinRow, to_view
from ledger.commands import GetWatchState, RegisterCoin, SetAnchor, SetCurrencyState
from ledger.context import Tx
from ledger.currency_state import CurrencyState, state_of
from ledger.errors import IdentityChangedError, UnknownCurrencyError
from ledger.machine import Who
from ledger.maturity import tighten
from ledger.operator_access import HoldCurrency
from ledger.policy import tiers_text
from ledger.transition import move_attempt
from ledger.views import CurrencyView, Outcome, WatchState

BLOCK_COLUMNS = "height, block_hash, parent_hash, time, work"

STATES = frozenset(CurrencyState)
"""What a currency may be; ``disabled`` is for one that is not in the configuration now."""

SEEN_MAX = 5_000
"""Most unconfirmed payments that a watcher is told of; those beyond show as gone until they are mined."""


def to_block(row: tuple[int, str, str, int, str | None]) -> BlockRef:
    """A BlockRef of a row selected as BLOCK_COLUMNS."""
    height, block_hash, parent_hash, time, work = row
    return BlockRef(height, block_hash, parent_hash, time, None if work is None else int(work))


def tip_of(tx: Tx, chain: str) -> BlockRef | None:
    """The last block applied on a chain, None before its anchor is set."""
    row = tx.db.execute(
        f"SELECT {BLOCK_COLUMNS} FROM block WHERE chain = ? ORDER BY height DESC LIMIT 1",  # nosec B608
        (chain,),
    ).fetchone()
    return to_block(row) if row else None


def insert_block(tx: Tx, chain: str, block: BlockRef) -> None:
    """Move the cursor of a chain onto ``block``; the caller has checked that it continues the tip."""
    tx.db.execute(
        "INSERT INTO block (chain, height, block_hash, parent_hash, time, work) VALUES (?, ?, ?, ?, ?, ?)",
        (
            chain,
            block.height,
            block.block_hash,
            block.parent_hash,
            block.time,
            None if block.work is None else str(block.work),
        ),
    )


def address_seq(tx: Tx, chain: str) -> int:
    """Sequence of the last own script of a chain, 0 before the first."""
    row = tx.db.execute("SELECT max(sequence) FROM own_script WHERE chain = ?", (chain,)).fetchone()
    return row[0] or 0


def view_of(tx: Tx, coin: CoinRow) -> CurrencyView:
    """A currency with the height its chain is applied to."""
    tip = tip_of(tx, coin.chain)
    return to_view(coin, tip.height if tip else None)


def register_coin(tx: Tx, command: RegisterCoin) -> CurrencyView:
    """Make a currency known or update its tuning; what it was made of must not change."""
    row = tx.db.execute(
        "SELECT fingerprint, chain, decimals, state FROM coin WHERE currency = ?", (command.currency,)
    ).fetchone()
    identity = (command.fingerprint, command.chain, command.decimals)
    if row is not None and row[:3] != identity:
        raise IdentityChangedError(
            f"{command.currency} was registered with another network, key or contract, or other decimals;"
            " what it holds cannot become something else: give the new one another name"
        )
    values: dict[str, Any] = {
        "currency": command.currency,
        "chain": command.chain,
        "name": command.name,
        "family": command.family,
        "network": command.network,
        "decimals": command.decimals,
        "fingerprint": command.fingerprint,
        "confirmations": command.confirmations,
        "final_depth": command.final_depth,
        "max_reorg": command.max_reorg,
        "minimum_deposit": str(command.minimum_deposit),
        "minimum_withdrawal": str(command.minimum_withdrawal),
        "maximum_withdrawal": str(command.maximum_withdrawal),
        "withdrawal_fee": str(command.withdrawal_fee),
        "approval_above": _text(command.approval_above),
        "second_approval_above": _text(command.second_approval_above),
        "session_withdrawal_cap": _text(command.session_withdrawal_cap),
        "dust": str(command.dust),
        "sweep_threshold": str(command.sweep_threshold),
        "client_day_limit": _text(command.client_day_limit),
        "client_month_limit": _text(command.client_month_limit),
        "day_limit": _text(command.day_limit),
        "destination_cooling_s": command.destination_cooling_s,
        "deposits": command.deposits,
        "withdrawals": command.withdrawals,
        "tiers": tiers_text(command.tiers),
        "withdrawable_depth": command.withdrawable_depth or command.confirmations,
        "finality": command.finality,
        "is_configured": 1,
    }
    if row is None:
        # Nobody has spoken to its node yet: the watcher opens it.
        values |= {"watched_state": "down", "watched_detail": "the node was not asked yet"}
        values |= {"state": "down", "state_detail": "the node was not asked yet"}
    elif row[3] == "disabled":
        values |= {"watched_state": "down", "watched_detail": "enabled again, the node was not asked yet"}
    if command.chain != command.currency and (row is None or row[3] == "disabled"):
        values |= _state_of(tx, command.chain)
    if row is None:
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        tx.db.execute(f"INSERT INTO coin ({names}) VALUES ({marks})", tuple(values.values()))  # nosec B608
    else:
        updates = ", ".join(f"{name} = ?" for name in values)
        tx.db.execute(
            f"UPDATE coin SET {updates} WHERE currency = ?",  # nosec B608
            (*values.values(), command.currency),
        )
    tx.forget_coins()
    if row is not None:
        _restate(tx, tx.coin(command.currency))
        tighten(tx, tx.coin(command.currency))
    return view_of(tx, tx.coin(command.currency))


def _state_of(tx: Tx, chain: str) -> dict[str, Any]:
    """What is watched of a token is what is of its chain, which is registered before.

    Raises UnknownCurrencyError.
    """
    state, detail = tx.coin(chain).watched_state, tx.coin(chain).watched_detail
    return {"watched_state": state, "watched_detail": detail, "state": state, "state_detail": detail}


def set_currency_state(tx: Tx, command: SetCurrencyState) -> CurrencyView:
    """Record a state; the event ``currency.<state>`` only when it changes. A chain's is its tokens' too.

    What is not in the configuration stays ``disabled`` until it is registered again: a late word of
    a watcher that is being stopped does not open it.
    """
    if command.state not in STATES:
        raise ValueError(f"{command.state} is not a state of a currency")
    tokens = tx.db.execute(
        "SELECT currency FROM coin WHERE chain = ? AND currency <> chain ORDER BY currency",
        (command.currency,),
    ).fetchall()
    for (token,) in tokens:
        _set_state(tx, tx.coin(token), command)
    return _set_state(tx, tx.coin(command.currency), command)


def _set_state(tx: Tx, coin: CoinRow, command: SetCurrencyState) -> CurrencyView:
    """Record a state of one currency; tells of a change only."""
    is_late = not coin.is_configured and command.state != "disabled"
    if is_late or (coin.watched_state, coin.watched_detail) == (command.state, command.detail):
        return view_of(tx, coin)
    if command.state == "disabled":
        for attempt in read_attempts(tx.db, "a.currency = ? AND a.state = 'prepared'", (coin.currency,)):
            # Nobody will sign it, and its nonce is free again.
            move_attempt(tx, attempt, AttemptEvent.ABANDONED, Who.SENDER, "the currency was taken out")
    tx.db.execute(
        "UPDATE coin SET watched_state = ?, watched_detail = ?, is_configured = ? WHERE currency = ?",
        (command.state, command.detail, int(command.state != "disabled"), coin.currency),
    )
    return _restate(tx, coin)


def hold_currency(tx: Tx, command: HoldCurrency) -> Outcome[CurrencyView]:
    """Set or take away an operator's hold; it stays through restarts until an operator ends it."""
    coin = tx.coin(command.currency)
    if not coin.is_configured:
        raise UnknownCurrencyError(f"{command.currency} is not in the configuration")
    tx.db.execute(
        "UPDATE coin SET hold = ?, hold_reason = ? WHERE currency = ?",
        (command.hold, command.reason, command.currency),
    )
    data = {"hold": command.hold, "hold_before": coin.hold, "reason": command.reason}
    tx.audit(command.by, "hold_currency", "currency", command.currency, data)
    return Outcome(_restate(tx, coin))


def _restate(tx: Tx, before: CoinRow) -> CurrencyView:
    """Make the state anew from what was watched and what is held; tell of it when it is another one."""
    tx.forget_coins()
    coin = tx.coin(before.currency)
    state, detail = state_of(coin.watched_state, coin.watched_detail, coin.hold, coin.hold_reason)
    tx.db.execute(
        "UPDATE coin SET state = ?, state_detail = ? WHERE currency = ?", (state, detail, coin.currency)
    )
    tx.forget_coins()
    view = view_of(tx, tx.coin(coin.currency))
    if before.state != state:
        tx.emit(f"currency.{state}", "currency", coin.currency, None, codec.to_dict(view))
    return view


def set_anchor(tx: Tx, command: SetAnchor) -> BlockRef:
    """Make the first block of a chain known; the first anchor wins."""
    row = tx.db.execute(
        f"SELECT {BLOCK_COLUMNS} FROM block WHERE chain = ? ORDER BY height LIMIT 1",  # nosec B608
        (command.chain,),
    ).fetchone()
    if row is not None:
        return to_block(row)
    insert_block(tx, command.chain, command.anchor)
    return command.anchor


def get_watch_state(tx: Tx, command: GetWatchState) -> WatchState:
    """Blocks newest first, scripts above ``after``, outpoints unspent or spent above the guard."""
    coin = tx.coin(command.chain)
    blocks = tuple(
        to_block(row)
        for row in tx.db.execute(
            f"SELECT {BLOCK_COLUMNS} FROM block WHERE chain = ?"  # nosec B608
            " ORDER BY height DESC LIMIT ?",
            (command.chain, coin.max_reorg + 1),
        )
    )
    undoable = blocks[0].height - max(coin.max_reorg, coin.final_depth) if blocks else 0
    scripts = tx.db.execute(
        "SELECT script FROM own_script WHERE chain = ? AND sequence > ? ORDER BY sequence",
        (command.chain, command.after),
    )
    outpoints = tx.db.execute(
        "SELECT txid, output_index FROM utxo WHERE chain = ? AND (spent_by IS NULL OR spent_height > ?)",
        (command.chain, undoable),
    )
    seen = tx.db.execute(
        "SELECT txid FROM deposit WHERE chain = ? AND status = 'seen' ORDER BY ordinal DESC LIMIT ?",
        (command.chain, SEEN_MAX),
    )
    return WatchState(
        blocks=blocks,
        scripts=tuple(row[0] for row in scripts),
        outpoints=tuple((txid, index) for txid, index in outpoints),
        address_seq=address_seq(tx, command.chain),
        state=coin.watched_state,
        state_detail=coin.watched_detail,
        seen=tuple(dict.fromkeys(row[0] for row in seen)),
    )


def _text(amount: int | None) -> str | None:
    return None if amount is None else str(amount)


HANDLERS: dict[type[Any], Callable[[Tx, Any], Any]] = {
    RegisterCoin: register_coin,
    SetCurrencyState: set_currency_state,
    HoldCurrency: hold_currency,
    SetAnchor: set_anchor,
    GetWatchState: get_watch_state,
}
