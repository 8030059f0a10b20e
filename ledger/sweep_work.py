"""What there is to sweep on account chains, and the gas a deposit account needs for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from coins.types import Branch, OwnScript, PayoutWork, TxOutput
from ledger.coin_row import CoinRow
from ledger.commands import GetSweepWork, OpenTopUp
from ledger.context import Tx
from ledger.errors import IllegalTransitionError
from ledger.machine import Who, advance
from ledger.sweep import SWEEP, SweepEvent
from ledger.transition import tip_height
from ledger.work import ACCOUNT_FAMILIES, free_balance, hold_of, hot_script, next_nonce

DAY_S = 86_400
RETRY_MAX_S = 7 * DAY_S
"""Longest pause between two sweeps of an account whose sweeps have no effect."""

_BUSY = (
    "SELECT 1 FROM intent i JOIN attempt a ON a.intent_id = i.id WHERE i.script_sequence = ?"
    " AND i.status = 'open' AND a.state <> 'abandoned'"
)


def get_sweep_work(tx: Tx, command: GetSweepWork) -> tuple[PayoutWork, ...]:
    """Deposit accounts whose final money reached the threshold, with an intent to sweep each."""
    coin = tx.coin(command.currency)
    hot = hot_script(tx, coin.chain)
    if hold_of(tx, coin) is not None or coin.family not in ACCOUNT_FAMILIES or hot is None:
        return ()
    limit, is_token = _limit(tx, coin, command), coin.currency != coin.chain
    rows = tx.db.execute(
        "SELECT b.script_sequence, b.amount, s.script, s.address, s.branch, s.script_index"
        " FROM script_balance b JOIN own_script s ON s.sequence = b.script_sequence"
        " WHERE b.currency = ? AND b.is_sweepable = 1 ORDER BY b.script_sequence",
        (coin.currency,),
    )
    unannounced = _young_funding(tx, coin) if limit else {}
    work: list[PayoutWork] = []
    for sequence, amount, script, address, branch, index in rows.fetchall() if limit else ():
        if _is_busy(tx, coin, sequence) or tx.now_s < _rests_until(tx, coin, sequence, command.retry_s):
            continue
        final = int(amount) - _young(tx, coin, sequence) - unannounced.get(sequence, 0)
        if final < max(coin.sweep_threshold, 1):
            continue
        work.append(
            PayoutWork(
                intent_id=_sweep_intent(tx, coin, sequence, final),
                kind="sweep",
                currency=coin.currency,
                output=TxOutput(hot.script, hot.address, final),
                source=OwnScript(script, address, Branch(branch), index),
                nonce=next_nonce(tx, coin.chain, script),
                balance=final,
                gas_balance=free_balance(tx, coin.chain, coin.chain, script) if is_token else None,
            )
        )
        if len(work) == limit:
            break
    return tuple(work)


def _limit(tx: Tx, coin: CoinRow, command: GetSweepWork) -> int:
    """How many sweeps may begin: one at a time after one without effect, none when a day cost too much."""
    failed = tx.db.execute(
        "SELECT a.fee FROM attempt a JOIN intent i ON i.id = a.intent_id WHERE a.currency = ?"
        " AND a.state = 'reverted' AND i.kind = 'sweep' AND a.created_at > ?",
        (coin.currency, tx.now_s - DAY_S),
    ).fetchall()
    if not failed:
        return command.limit
    if command.loss_max is not None and sum(int(fee) for (fee,) in failed) >= command.loss_max:
        return 0
    under_way = tx.db.execute(
        "SELECT 1 FROM attempt a JOIN intent i ON i.id = a.intent_id WHERE a.currency = ?"
        " AND a.state IN ('prepared', 'signed', 'broadcast', 'unknown') AND i.kind = 'sweep'",
        (coin.currency,),
    ).fetchone()
    return 0 if under_way else min(command.limit, 1)


def _young(tx: Tx, coin: CoinRow, sequence: int) -> int:
    """Deposits of a script that are not final. Parked money is never called so, but a reorg undoes it as any
    other: it waits as long."""
    rows = tx.db.execute(
        "SELECT amount FROM deposit WHERE script_sequence = ? AND currency = ?"
        " AND (status IN ('confirming', 'credited') OR (status = 'parked' AND block_height > ?))",
        (sequence, coin.currency, _final_height(tx, coin)),
    )
    return sum(int(part) for (part,) in rows)


def _young_funding(tx: Tx, coin: CoinRow) -> dict[int, int]:
    """By script, money that is no deposit (it came to an address never given out) and not final yet."""
    rows = tx.db.execute(
        "SELECT m.script_sequence, m.delta FROM block b CROSS JOIN chain_movement m ON m.chain = b.chain"
        " AND m.block_hash = b.block_hash JOIN journal j ON j.id = m.journal_id WHERE b.chain = ?"
        " AND b.height > ? AND m.currency = ? AND m.is_disconnected = 0 AND j.kind = 'funding'",
        (coin.chain, _final_height(tx, coin), coin.currency),
    )
    young: dict[int, int] = {}
    for sequence, delta in rows:
        young[sequence] = young.get(sequence, 0) + int(delta)
    return young


def _final_height(tx: Tx, coin: CoinRow) -> int:
    """The highest block that no reorg may undo."""
    return (tip_height(tx, coin.chain) or 0) - coin.final_depth + 1


def _is_busy(tx: Tx, coin: CoinRow, sequence: int) -> bool:
    """Whether a chain tx from or for the account is under way.

    Gas that has come is there for the token it was sent for: until it is final, the native currency is
    not swept, or it would take the gas along.
    """
    if coin.currency == coin.chain:
        return tx.db.execute(_BUSY, (sequence,)).fetchone() is not None
    condition = f"{_BUSY} AND (i.kind <> 'top_up' OR a.state <> 'mined')"
    return tx.db.execute(condition, (sequence,)).fetchone() is not None


def _rests_until(tx: Tx, coin: CoinRow, sequence: int, retry_s: int) -> int:
    """When an account may be swept again: each sweep in a row without effect doubles the pause."""
    ended = tx.db.execute(
        "SELECT status, created_at FROM intent WHERE script_sequence = ? AND currency = ? AND kind = 'sweep'"
        " AND status <> 'open' ORDER BY created_at DESC, rowid DESC LIMIT 24",
        (sequence, coin.currency),
    ).fetchall()
    failures = next((n for n, (status, _) in enumerate(ended) if status == "settled"), len(ended))
    if not failures:
        return 0
    last: int = ended[0][1]
    return last + min(retry_s << (failures - 1), RETRY_MAX_S)


def _sweep_intent(tx: Tx, coin: CoinRow, sequence: int, amount: int) -> str:
    """The open intent to sweep a script, made when there is none; the last one must be over."""
    row = tx.db.execute(
        "SELECT id FROM intent WHERE script_sequence = ? AND currency = ? AND kind = 'sweep'"
        " AND status = 'open'",
        (sequence, coin.currency),
    ).fetchone()
    if row is not None:
        intent_id: str = row[0]
        tx.db.execute("UPDATE intent SET amount = ? WHERE id = ?", (str(amount), intent_id))
        return intent_id
    return _open_intent(tx, coin.currency, "sweep", sequence, amount)


def _open_intent(tx: Tx, currency: str, kind: str, sequence: int, amount: int) -> str:
    """A new open intent of a kind for a script."""
    (count,) = tx.db.execute(
        "SELECT count(*) FROM intent WHERE script_sequence = ? AND currency = ? AND kind = ?",
        (sequence, currency, kind),
    ).fetchone()
    step = advance(SWEEP, None, SweepEvent.OPENED, Who.SENDER)
    intent_id = f"{kind}_{currency}_{sequence}_{count + 1}"
    tx.db.execute(
        "INSERT INTO intent (id, kind, currency, script_sequence, amount, status, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (intent_id, kind, currency, sequence, str(amount), step.to, tx.now_s),
    )
    return intent_id


def open_top_up(tx: Tx, command: OpenTopUp) -> bool:
    """Have the hot account send gas to the account of a sweep; False while that is under way already."""
    row = tx.db.execute(
        "SELECT i.script_sequence, i.status, i.kind, c.chain FROM intent i"
        " JOIN coin c ON c.currency = i.currency WHERE i.id = ?",
        (command.intent_id,),
    ).fetchone()
    if row is None or row[1] != "open" or row[2] != "sweep" or command.amount < 1:
        raise IllegalTransitionError(f"{command.intent_id} is no open sweep that needs gas")
    sequence, chain = row[0], row[3]
    waiting = tx.db.execute(
        "SELECT 1 FROM intent i WHERE i.script_sequence = ? AND i.kind = 'top_up' AND i.status = 'open'"
        " AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.intent_id = i.id AND a.state = 'mined')",
        (sequence,),
    ).fetchone()
    if waiting is None:
        _open_intent(tx, chain, "top_up", sequence, command.amount)
    return waiting is None


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {
    GetSweepWork: get_sweep_work,
    OpenTopUp: open_top_up,
}
