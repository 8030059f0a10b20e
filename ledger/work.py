"""What there is to send from the house: approved withdrawals, gas for sweeps, attempts to resume."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coins.types import Branch, Outpoint, OwnScript, Payee, PayoutWork, TxOutput, Utxo
from ledger import accounts
from ledger.attempt import AttemptEvent, AttemptState
from ledger.attempt_row import plan_of, read_attempts, to_work
from ledger.coin_row import CoinRow
from ledger.commands import GetPayoutWork, GetUnsettledAttempts
from ledger.context import Tx
from ledger.currency_state import allowing
from ledger.errors import PayoutsHeldError
from ledger.limit import FITS, allowed_now, most_at_once
from ledger.machine import Who
from ledger.shortfall import is_short
from ledger.stop import stopped
from ledger.transition import move_attempt, tip_height
from ledger.views import AttemptWork
from ledger.withdrawal_row import COLD, stop_of

PAYING_STATES = allowing("pays")
"""States in which payouts are given out; in doubt about the node nothing is started."""

ACCOUNT_FAMILIES = frozenset({"evm"})
"""Families whose money lies in accounts with nonces instead of outputs."""

LARGEST, OLDEST = 400, 100
"""How many outputs one piece of work offers: enough to pay with, and old ones so that none piles up."""

SPENDABLE = (
    "u.currency = ? AND u.spent_by IS NULL AND u.reserved_by IS NULL AND u.amount <> '0'"
    " AND u.location <> 'cold'"
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


OFFERED = (
    "SELECT u.txid, u.output_index, u.amount, s.script, s.address, s.branch, s.script_index FROM utxo u"
    " INDEXED BY {} CROSS JOIN own_script s ON s.sequence = u.script_sequence"
    f" WHERE {SPENDABLE} AND u.chain = ?"  # nosec B608
)
LARGEST_SPENDABLE = (
    f"{OFFERED.format('utxo_by_amount')} ORDER BY length(u.amount) DESC, u.amount DESC LIMIT {LARGEST}"
)
OLDEST_SPENDABLE = f"{OFFERED.format('utxo_unspent')} ORDER BY u.height LIMIT {OLDEST}"
"""Both walk an index in the order asked for and stop at the limit, however many outputs there are."""


FOREIGN_SEND = (
    "SELECT 1 FROM unclaimed_case WHERE chain = ? AND kind = 'unexplained' AND status = 'open'"
    " AND position = 'value' LIMIT 1"
)


def spendable_arguments(tx: Tx, coin: CoinRow) -> tuple[str, int, int, int]:
    """The arguments of SPENDABLE at the chain's tip."""
    tip = tip_height(tx, coin.chain) or 0
    return (coin.currency, tip - coin.confirmations + 1, tip - coin.final_depth + 1, tip - 99)


def hold_of(tx: Tx, coin: CoinRow) -> PayoutsHeldError | None:
    """Why nothing of a currency may be signed now, None when it may.

    The operators' stop of all payouts comes first.
    A chain tx from an account of ours that is not ours holds everything of the chain until an operator
    closed its case, whatever it moved. Money that is gone without explanation holds payouts too: whoever
    took it may have the keys, or these books are an old copy and what they would pay has been paid
    already. What is gone of a chain's own currency holds its tokens with it; a token's contract may move
    units by itself, and holds its own.
    """
    held = stopped(tx)
    if held is not None:
        return held
    if coin.state not in PAYING_STATES:
        return PayoutsHeldError(f"{coin.currency} is {coin.state}", waiting_for="node")
    if tx.db.execute(FOREIGN_SEND, (coin.chain,)).fetchone() is not None:
        reason = f"an account of {coin.chain} sent a chain tx that is not ours: its case is open"
        return PayoutsHeldError(reason, waiting_for="funds")
    for currency in dict.fromkeys((coin.currency, coin.chain)):
        if is_short(tx.db, currency):
            reason = f"the chain holds less {currency} than the books say"
            return PayoutsHeldError(reason, waiting_for="funds")
        if tx.balance(accounts.unexplained(currency)):
            reason = f"{currency} has left our scripts by chain tx that are not ours"
            return PayoutsHeldError(reason, waiting_for="funds")
    return None


_APPROVED = (
    "SELECT i.id, w.script, w.address, w.amount FROM withdrawal w JOIN intent i ON i.withdrawal_id = w.id"
    " WHERE w.currency = ? AND w.kind = ? AND w.status = 'approved' AND coalesce(w.cooling_until, 0) <= ?"
    " AND NOT EXISTS (SELECT 1 FROM attempt_payout p JOIN attempt a ON a.id = p.attempt_id"
    " WHERE p.withdrawal_id = w.id AND a.state <> 'abandoned')"
)


def get_payout_work(tx: Tx, command: GetPayoutWork) -> tuple[PayoutWork, ...]:
    """Approved withdrawals without an attempt, oldest first, then gas to send, then what goes to the cold
    address: what cannot be paid there holds no sweep. Raises PayoutsHeldError."""
    coin = tx.coin(command.currency)
    most = most_at_once(coin)
    rows = tx.db.execute(
        f"{_APPROVED} AND {FITS} ORDER BY w.ordinal LIMIT ?",  # nosec B608
        (coin.currency, "payout", tx.now_s, most, most, command.limit),
    ).fetchall()
    to_cold = tx.db.execute(f"{_APPROVED} LIMIT 1", (coin.currency, COLD, tx.now_s)).fetchall()
    waiting = (coin.currency, "payout", tx.now_s)
    is_waiting = bool(rows or to_cold) or tx.db.execute(f"{_APPROVED} LIMIT 1", waiting).fetchone()
    held = hold_of(tx, coin)
    if is_waiting and held is not None:
        raise held
    allowed = rows[: allowed_now(tx, coin, [int(row[3]) for row in rows])]
    house = _top_ups(tx, coin, command.limit) or [(*row, COLD) for row in to_cold]
    house = [] if allowed or held else house
    if is_waiting and not allowed and not house:
        detail = f"what may leave of {coin.currency} within 24 hours has left"
        raise PayoutsHeldError(detail, waiting_for="limit")
    if coin.family in ACCOUNT_FAMILIES:
        return _account_work(tx, coin, [(*row, "payout") for row in allowed] or house)
    payees = [Payee(row[0], TxOutput(row[1], row[2], int(row[3]))) for row in allowed or to_cold]
    is_payout = bool(allowed)
    if not payees or (is_payout and len(rows) < command.limit and not _is_time(tx, command, payees)):
        return ()
    first = payees[0]
    work = PayoutWork(
        intent_id=first.intent_id,
        kind="payout" if is_payout else COLD,
        currency=coin.currency,
        output=first.output,
        utxos=spendable(tx, coin),
        change=own_script(tx, coin.currency, f"change:{first.intent_id}"),
        more=tuple(payees[1:]),
    )
    return (work,)


def _is_time(tx: Tx, command: GetPayoutWork, payees: Sequence[Payee]) -> bool:
    """Whether payouts that may share a chain tx have waited long enough for others, or one is urgent."""
    if not command.gather_s:
        return True
    urgent = command.urgent_above
    if urgent is not None and any(payee.output.amount > urgent for payee in payees):
        return True
    (approved_at,) = tx.db.execute(
        "SELECT max(h.at) FROM withdrawal_history h JOIN intent i ON i.withdrawal_id = h.withdrawal_id"
        " WHERE i.id = ? AND h.status = 'approved'",
        (payees[0].intent_id,),
    ).fetchone()
    return bool(tx.now_s >= approved_at + command.gather_s)


def _top_ups(tx: Tx, coin: CoinRow, limit: int) -> list[tuple[str, bytes, str, str, str]]:
    """Gas that deposit accounts wait for: one lane, so it is sent by who pays from the hot account."""
    return tx.db.execute(
        "SELECT i.id, s.script, s.address, i.amount, i.kind FROM intent i"
        " JOIN own_script s ON s.sequence = i.script_sequence WHERE i.currency = ? AND i.kind = 'top_up'"
        " AND i.status = 'open' AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.intent_id = i.id"
        " AND a.state <> 'abandoned') ORDER BY i.created_at, i.id LIMIT ?",
        (coin.currency, limit),
    ).fetchall()


def _account_work(
    tx: Tx, coin: CoinRow, rows: Sequence[tuple[str, bytes, str, str, str]]
) -> tuple[PayoutWork, ...]:
    """Work for the hot account, which pays the gas of a token from what it holds of the chain's own."""
    source = hot_script(tx, coin.chain) if rows else None
    if source is None:
        return ()
    is_token = coin.currency != coin.chain
    return tuple(
        PayoutWork(
            intent_id=intent_id,
            kind=kind,
            currency=coin.currency,
            output=TxOutput(script, address, int(amount)),
            source=source,
            nonce=next_nonce(tx, coin.chain, source.script),
            balance=free_balance(tx, coin.currency, coin.chain, source.script),
            gas_balance=free_balance(tx, coin.chain, coin.chain, source.script) if is_token else None,
        )
        for intent_id, script, address, amount, kind in rows
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


def spendable(tx: Tx, coin: CoinRow) -> tuple[Utxo, ...]:
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


def is_stopped(tx: Tx, withdrawal_id: str) -> bool:
    """Whether an operator wants a signed withdrawal not to be paid, and the chain has not decided yet."""
    sql = "SELECT 1 FROM intent WHERE id = ? AND kind = 'cancel' AND status = 'open'"
    return tx.db.execute(sql, (stop_of(withdrawal_id),)).fetchone() is not None


def free_balance(tx: Tx, currency: str, chain: str, script: bytes) -> int:
    """What an account holds of a currency less what attempts in flight will take from it.

    The fee of every attempt, a token's too, is paid in the chain's own currency. Of the candidates of one
    nonce only one will ever be mined: the dearest counts.
    """
    row = tx.db.execute(
        "SELECT b.amount FROM own_script s JOIN script_balance b ON b.script_sequence = s.sequence"
        " WHERE s.chain = ? AND s.script = ? AND b.currency = ?",
        (chain, script, currency),
    ).fetchone()
    balance = int(row[0]) if row else 0
    taken: dict[int | None, int] = {}
    in_flight = read_attempts(
        tx.db,
        "a.state IN ('prepared', 'signed', 'broadcast', 'unknown') AND a.sender = ?"
        " AND a.currency IN (SELECT currency FROM coin WHERE chain = ?)",
        (script, chain),
    )
    for attempt in in_flight:
        amount = plan_of(attempt).outputs[0].amount if attempt.currency == currency else 0
        cost = amount + (attempt.fee if currency == chain else 0)
        taken[attempt.nonce] = max(taken.get(attempt.nonce, 0), cost)
    return max(balance - sum(taken.values()), 0)


def _is_chain_paying(tx: Tx, currency: str) -> bool:
    return hold_of(tx, tx.coin(tx.coin(currency).chain)) is None


def get_unsettled_attempts(tx: Tx, command: GetUnsettledAttempts) -> tuple[AttemptWork, ...]:
    """Attempts to resume or to send again, oldest first; none while another of the intent is in a block.

    What is signed may be out already and is sent again in any state of the currency; what is not is
    given out to be signed only in one that allows payouts. A chain's own currency brings what was signed in
    tokens that are out of the configuration: a nonce left unused would hold all that come after it. So one
    that is not signed while its token is held, and the chain is not, is given up. Of the candidates of one
    payment a node holds the dearest only: one that was outbid rests while the node has the newer one.
    """
    if stopped(tx) is not None:
        return ()
    condition = (
        "a.currency = ? AND a.state IN ('prepared', 'signed', 'broadcast', 'unknown') AND NOT EXISTS"
        " (SELECT 1 FROM attempt m WHERE m.intent_id = a.intent_id AND m.state IN ('mined', 'reverted'))"
        " AND NOT EXISTS (SELECT 1 FROM attempt n WHERE n.intent_id = a.intent_id"
        " AND n.rowid > a.rowid AND n.state IN ('signed', 'broadcast'))"
    )
    retired = tx.db.execute(
        "SELECT currency FROM coin WHERE chain = ? AND currency <> chain AND is_configured = 0"
        " ORDER BY currency",
        (command.currency,),
    ).fetchall()
    found = []
    for currency in (command.currency, *(name for (name,) in retired)):
        is_paying = hold_of(tx, tx.coin(currency)) is None
        rows = read_attempts(tx.db, f"{condition} ORDER BY a.created_at, a.id", (currency,))
        for row in rows:
            if is_paying or row.state is not AttemptState.PREPARED:
                found.append(row)
            elif row.nonce is not None and _is_chain_paying(tx, currency):
                # The chain's other currencies would queue behind its nonce.
                move_attempt(tx, row, AttemptEvent.ABANDONED, Who.SENDER, "payouts are held")
    return tuple(to_work(row) for row in found)


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {
    GetPayoutWork: get_payout_work,
    GetUnsettledAttempts: get_unsettled_attempts,
}
