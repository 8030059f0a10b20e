"""What there is to send: approved withdrawals, deposit accounts worth sweeping, attempts to resume."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from coins.types import Branch, Outpoint, OwnScript, PayoutWork, TxOutput, Utxo
from ledger import accounts
from ledger.attempt import AttemptState
from ledger.attempt_row import plan_of, read_attempts, to_work
from ledger.coin_row import CoinRow
from ledger.commands import GetPayoutWork, GetSweepWork, GetUnsettledAttempts
from ledger.context import Tx
from ledger.currency_state import allowing
from ledger.errors import PayoutsHeldError
from ledger.limit import allowed_now
from ledger.machine import Who, advance
from ledger.sweep import SWEEP, SweepEvent
from ledger.transition import tip_height
from ledger.views import AttemptWork

PAYING_STATES = allowing("pays")
"""States in which payouts are given out; in doubt about the node nothing is started."""

ACCOUNT_FAMILIES = frozenset({"evm"})
"""Families whose money lies in accounts with nonces instead of outputs."""

LARGEST, OLDEST = 400, 100
"""How many outputs one piece of work offers: enough to pay with, and old ones so that none piles up."""

SPENDABLE = (
    "u.currency = ? AND u.spent_by IS NULL AND u.reserved_by IS NULL AND u.amount <> '0'"
    " AND coalesce((SELECT d.status = 'final' OR (d.status = 'parked' AND EXISTS (SELECT 1"
    " FROM unclaimed_case c WHERE c.deposit_id = d.id AND c.status NOT IN ('open', 'closed')))"
    " FROM deposit d WHERE d.chain = u.chain AND d.currency = u.currency AND d.txid = u.txid"
    " AND d.position = CAST(u.output_index AS TEXT)),"
    " u.height <= CASE WHEN EXISTS (SELECT 1 FROM attempt a WHERE a.txid = u.txid) THEN ? ELSE ? END)"
    " AND (u.is_coinbase = 0 OR u.height <= ?)"
)
"""Final deposits and parked ones that were decided (possible once they are final), own change that is
confirmed, other money that is no client's once it is final. Arguments: currency, then the highest block of
change, of other money and of a coinbase that may be spent."""


_OFFERED = (
    "SELECT u.txid, u.output_index, u.amount, s.script, s.address, s.branch, s.script_index FROM utxo u"
    " INDEXED BY {} CROSS JOIN own_script s ON s.sequence = u.script_sequence"
    f" WHERE {SPENDABLE} AND u.chain = ?"  # nosec B608
)
LARGEST_SPENDABLE = (
    f"{_OFFERED.format('utxo_by_amount')} ORDER BY length(u.amount) DESC, u.amount DESC LIMIT {LARGEST}"
)
OLDEST_SPENDABLE = f"{_OFFERED.format('utxo_unspent')} ORDER BY u.height LIMIT {OLDEST}"
"""Both walk an index in the order asked for and stop at the limit, however many outputs there are."""


def spendable_arguments(tx: Tx, coin: CoinRow) -> tuple[str, int, int, int]:
    """The arguments of SPENDABLE at the chain's tip."""
    tip = tip_height(tx, coin.chain) or 0
    return (coin.currency, tip - coin.confirmations + 1, tip - coin.final_depth + 1, tip - 99)


def hold_of(tx: Tx, coin: CoinRow) -> PayoutsHeldError | None:
    """Why nothing of a currency may be signed now, None when it may.

    Money that is gone without explanation holds payouts too: whoever took it may have the keys, or
    these books are an old copy and what they would pay has been paid already.
    """
    if coin.state not in PAYING_STATES:
        return PayoutsHeldError(f"{coin.currency} is {coin.state}", waiting_for="node")
    if tx.balance(accounts.unexplained(coin.currency)):
        reason = f"{coin.currency} has left our scripts by chain tx that are not ours"
        return PayoutsHeldError(reason, waiting_for="funds")
    return None


def get_payout_work(tx: Tx, command: GetPayoutWork) -> tuple[PayoutWork, ...]:
    """Approved withdrawals without an attempt, oldest first. Raises PayoutsHeldError."""
    coin = tx.coin(command.currency)
    rows = tx.db.execute(
        "SELECT i.id, w.script, w.address, w.amount FROM withdrawal w JOIN intent i ON i.withdrawal_id = w.id"
        " WHERE w.currency = ? AND w.status = 'approved' AND NOT EXISTS (SELECT 1 FROM attempt a"
        " WHERE a.intent_id = i.id AND a.state <> 'abandoned') ORDER BY w.ordinal LIMIT ?",
        (coin.currency, command.limit),
    ).fetchall()
    if not rows:
        return ()
    if (held := hold_of(tx, coin)) is not None:
        raise held
    rows = rows[: allowed_now(tx, coin, [int(row[3]) for row in rows])]
    if not rows:
        detail = f"what may leave of {coin.currency} within 24 hours has left"
        raise PayoutsHeldError(detail, waiting_for="limit")
    is_account = coin.family in ACCOUNT_FAMILIES
    source = hot_script(tx, coin.chain) if is_account else None
    if is_account and source is None:
        return ()
    utxos = () if is_account else _spendable(tx, coin)
    return tuple(
        PayoutWork(
            intent_id=intent_id,
            kind="payout",
            currency=coin.currency,
            output=TxOutput(script, address, int(amount)),
            utxos=utxos,
            change=None if is_account else own_script(tx, coin.currency, f"change:{intent_id}"),
            source=source,
            nonce=next_nonce(tx, coin.chain, source.script) if source else None,
            balance=_free_balance(tx, coin, source.script) if source else None,
        )
        for intent_id, script, address, amount in rows
    )


def own_script(tx: Tx, currency: str, purpose: str) -> OwnScript | None:
    """The script recorded under a purpose, None before it is."""
    row = tx.db.execute(
        "SELECT script, address, branch, script_index FROM own_script WHERE currency = ? AND purpose = ?",
        (currency, purpose),
    ).fetchone()
    return OwnScript(row[0], row[1], Branch(row[2]), row[3]) if row else None


def hot_script(tx: Tx, chain: str) -> OwnScript | None:
    """The house's hot account of an account chain (index 0 of the hot branch)."""
    row = tx.db.execute(
        "SELECT script, address, branch, script_index FROM own_script WHERE currency = ? AND branch = 'hot'"
        " ORDER BY sequence LIMIT 1",
        (chain,),
    ).fetchone()
    return OwnScript(row[0], row[1], Branch(row[2]), row[3]) if row else None


def _spendable(tx: Tx, coin: CoinRow) -> tuple[Utxo, ...]:
    """Outputs that may be spent now: the largest, and the oldest."""
    arguments = spendable_arguments(tx, coin)
    found: dict[Outpoint, Utxo] = {}
    for sql in (LARGEST_SPENDABLE, OLDEST_SPENDABLE):
        for txid, index, amount, script, *path in tx.db.execute(sql, (*arguments, coin.chain)):
            outpoint = Outpoint(txid, index)
            own = OwnScript(script, path[0], Branch(path[1]), path[2])
            found[outpoint] = Utxo(outpoint, int(amount), own)
    return tuple(found.values())


def next_nonce(tx: Tx, chain: str, sender: bytes) -> int:
    """The lowest nonce that neither the chain used nor an attempt of ours holds."""
    row = tx.db.execute(
        "SELECT next_nonce FROM nonce_lane WHERE chain = ? AND sender = ?", (chain, sender)
    ).fetchone()
    nonce: int = row[0] if row else 0
    taken = {
        held
        for (held,) in tx.db.execute(
            "SELECT a.nonce FROM attempt a JOIN coin c ON c.currency = a.currency WHERE a.sender = ?"
            " AND a.nonce >= ? AND a.state <> 'abandoned' AND c.chain = ?",
            (sender, nonce, chain),
        )
    }
    while nonce in taken:
        nonce += 1
    return nonce


def _free_balance(tx: Tx, coin: CoinRow, script: bytes) -> int:
    """What an account holds less what attempts in flight will take from it."""
    row = tx.db.execute(
        "SELECT b.amount FROM own_script s JOIN script_balance b ON b.script_sequence = s.sequence"
        " WHERE s.chain = ? AND s.script = ? AND b.currency = ?",
        (coin.chain, script, coin.currency),
    ).fetchone()
    balance = int(row[0]) if row else 0
    in_flight = read_attempts(
        tx.db,
        "a.currency = ? AND a.state IN ('prepared', 'signed', 'broadcast', 'unknown') AND a.sender = ?",
        (coin.currency, script),
    )
    for attempt in in_flight:
        balance -= plan_of(attempt).outputs[0].amount + attempt.fee
    return max(balance, 0)


# -- sweeps --------------------------------------------------------------------------------------


def get_sweep_work(tx: Tx, command: GetSweepWork) -> tuple[PayoutWork, ...]:
    """Deposit accounts whose final money reached the threshold, with an intent to sweep each."""
    coin = tx.coin(command.currency)
    hot = hot_script(tx, coin.chain)
    if hold_of(tx, coin) is not None or coin.family not in ACCOUNT_FAMILIES or hot is None:
        return ()
    rows = tx.db.execute(
        "SELECT b.script_sequence, b.amount, s.script, s.address, s.branch, s.script_index"
        " FROM script_balance b JOIN own_script s ON s.sequence = b.script_sequence"
        " WHERE b.currency = ? AND b.is_sweepable = 1"
        " AND NOT EXISTS (SELECT 1 FROM intent i JOIN attempt a ON a.intent_id = i.id"
        " WHERE i.script_sequence = b.script_sequence AND i.status = 'open' AND a.state <> 'abandoned')"
        " ORDER BY b.script_sequence",
        (coin.currency,),
    )
    final_height = (tip_height(tx, coin.chain) or 0) - coin.final_depth + 1
    work: list[PayoutWork] = []
    for sequence, amount, script, address, branch, index in rows.fetchall():
        # Parked money is never called final, but a reorg undoes it as any other: it waits as long.
        young = tx.db.execute(
            "SELECT amount FROM deposit WHERE script_sequence = ? AND currency = ?"
            " AND (status IN ('confirming', 'credited') OR (status = 'parked' AND block_height > ?))",
            (sequence, coin.currency, final_height),
        )
        final = int(amount) - sum(int(part) for (part,) in young)
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
            )
        )
        if len(work) == command.limit:
            break
    return tuple(work)


def _sweep_intent(tx: Tx, coin: CoinRow, sequence: int, amount: int) -> str:
    """The open intent to sweep a script, made when there is none; the last one must be over."""
    row = tx.db.execute(
        "SELECT id FROM intent WHERE script_sequence = ? AND currency = ? AND status = 'open'",
        (sequence, coin.currency),
    ).fetchone()
    if row is not None:
        intent_id: str = row[0]
        tx.db.execute("UPDATE intent SET amount = ? WHERE id = ?", (str(amount), intent_id))
        return intent_id
    (count,) = tx.db.execute(
        "SELECT count(*) FROM intent WHERE script_sequence = ? AND currency = ?", (sequence, coin.currency)
    ).fetchone()
    step = advance(SWEEP, None, SweepEvent.OPENED, Who.SENDER)
    intent_id = f"sweep_{coin.currency}_{sequence}_{count + 1}"
    tx.db.execute(
        "INSERT INTO intent (id, kind, currency, script_sequence, amount, status, created_at)"
        " VALUES (?, 'sweep', ?, ?, ?, ?, ?)",
        (intent_id, coin.currency, sequence, str(amount), step.to, tx.now_s),
    )
    return intent_id


def get_unsettled_attempts(tx: Tx, command: GetUnsettledAttempts) -> tuple[AttemptWork, ...]:
    """Attempts to resume or to send again, oldest first; none while another of the intent is in a block.

    What is signed may be out already and is sent again in any state of the currency; what is not is
    given out to be signed only in one that allows payouts.
    """
    condition = (
        "a.currency = ? AND a.state IN ('prepared', 'signed', 'broadcast', 'unknown') AND NOT EXISTS"
        " (SELECT 1 FROM attempt m WHERE m.intent_id = a.intent_id AND m.state IN ('mined', 'reverted'))"
    )
    is_paying = hold_of(tx, tx.coin(command.currency)) is None
    rows = read_attempts(tx.db, f"{condition} ORDER BY a.created_at, a.id", (command.currency,))
    return tuple(to_work(row) for row in rows if is_paying or row.state is not AttemptState.PREPARED)


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {
    GetPayoutWork: get_payout_work,
    GetSweepWork: get_sweep_work,
    GetUnsettledAttempts: get_unsettled_attempts,
}
