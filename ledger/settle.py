"""What a new block makes deep enough: credits, final deposits, confirmed and final payouts and sweeps.

Each row says at which height its next step is due, so a block costs what is due at it and nothing
more, however many addresses and old deposits there are.
"""

from __future__ import annotations

from dataclasses import replace

from ledger import accounts
from ledger.accounts import Part
from ledger.attempt import AttemptEvent
from ledger.attempt_row import PAYS, AttemptRow, is_cancel, plan_of, read_attempts
from ledger.block_book import BlockBook, Owner
from ledger.case import CaseEvent
from ledger.case_row import read_cases
from ledger.child import outlive_children
from ledger.coin_row import CoinRow
from ledger.consolidation import end_lost
from ledger.context import Tx
from ledger.deposit import DepositEvent, DepositState
from ledger.deposit_row import DepositRow, read_deposits
from ledger.errors import LedgerCorruptError
from ledger.journal import JournalEntry, Posting
from ledger.machine import Who
from ledger.sweep import SweepEvent
from ledger.transition import move_attempt, move_case, move_deposit, move_sweep, move_withdrawal
from ledger.withdrawal import WithdrawalEvent, WithdrawalState
from ledger.withdrawal_row import COLD, WithdrawalRow, read_withdrawals, reserve_of, source_of, stop_of

DUE_DEPOSITS = "d.chain = ? AND d.status = ? AND d.due_height <= ? ORDER BY d.due_height, d.ordinal"
DUE_CREDITS = (
    "d.chain = ? AND d.status = 'confirming' AND d.due_height <= ? AND (d.finality = 'confirmations'"
    " OR d.block_height <= CASE d.finality WHEN 'safe' THEN ? ELSE ? END) AND d.block_height <= ?"
    " ORDER BY d.due_height, d.ordinal"
)
"""Deep enough, covered by the node's tag where they wait for one (safe, then finalized height), and not
above the height from which the node is in doubt."""
DUE_WITHDRAWALS = "w.currency = ? AND w.due_height <= ? ORDER BY w.due_height, w.ordinal"
DUE_SWEEPS = "SELECT id FROM intent WHERE currency = ? AND due_height <= ? ORDER BY due_height, id"


def settle(book: BlockBook) -> int:
    """Take every step that is due at this block, once; answers the number of deposits credited."""
    height = book.ref.height
    undoubted = height if book.credit_height is None else book.credit_height
    arguments = (book.chain, height, book.safe_height, book.finalized_height, undoubted)
    confirmed = read_deposits(book.tx.db, DUE_CREDITS, arguments)
    for row in confirmed:
        credit(book, row)
    for row in read_deposits(book.tx.db, DUE_DEPOSITS, (book.chain, DepositState.CREDITED, height)):
        final = replace(row, due_height=None, withdrawable_height=None)
        move_deposit(book.tx, final, DepositEvent.BURIED, height)
    for coin in book.coins.values():
        for withdrawal in read_withdrawals(book.tx.db, DUE_WITHDRAWALS, (coin.currency, height)):
            _settle_withdrawal(book, coin, withdrawal)
        for (intent_id,) in book.tx.db.execute(DUE_SWEEPS, (coin.currency, height)).fetchall():
            _settle_sweep(book, coin, intent_id)
        end_lost(book.tx, coin, height)
    return len(confirmed)


def credit(book: BlockBook, row: DepositRow) -> None:
    """Pending to the client: first what the client owes, the rest becomes available."""
    coin, height = book.coin(row.currency), book.ref.height
    owed = min(book.tx.balance(accounts.client_deficit(row.client_id, row.currency)), row.amount)
    pending = accounts.client(row.client_id, row.currency, Part.PENDING)
    postings = credit_postings(book.tx, pending, row.client_id, row.currency, row.amount)
    book.post("deposit_credited", "deposit", row.id, postings, row.txid)
    below = (row.block_height or height) - 1
    credited = replace(
        row,
        due_height=below + max(coin.final_depth, row.confirmations_required),
        credited_at=book.tx.now_s,
        credited_amount=row.amount - owed,
        withdrawable_height=below + max(coin.withdrawable_depth, row.confirmations_required),
    )
    move_deposit(book.tx, credited, DepositEvent.CONFIRMED, height)


def credit_postings(tx: Tx, source: str, client_id: str, currency: str, amount: int) -> list[Posting]:
    """From ``source`` to a client: first what the client owes, the rest becomes available."""
    deficit = accounts.client_deficit(client_id, currency)
    owed = min(tx.balance(deficit), amount)
    postings = [Posting(source, deficit, owed)] if owed else []
    if amount > owed:
        available = accounts.client(client_id, currency, Part.AVAILABLE)
        postings.append(Posting(source, available, amount - owed))
    return postings


def _settle_withdrawal(book: BlockBook, coin: CoinRow, row: WithdrawalRow) -> None:
    """A mined payout that is deep enough for its next step: confirmed, final, or failed at finality."""
    attempt = _winner(book.tx, PAYS, row.id)
    if attempt.state == "reverted":
        failed = replace(row, due_height=None, attention=False)
        reason = "stopped: its nonce is used up" if is_cancel(attempt) else "mined without effect"
        release(book.tx, failed, "chain", reason)
        move_withdrawal(book.tx, failed, WithdrawalEvent.REVERTED, Who.CHAIN)
        _close_intent(book.tx, row, attempt, "closed")
        return
    if row.status is WithdrawalState.BROADCAST:
        final_height = (row.block_height or 0) + max(coin.final_depth, coin.confirmations) - 1
        row = replace(row, due_height=final_height, attention=False)
        row = move_withdrawal(book.tx, row, WithdrawalEvent.CONFIRMED, Who.CHAIN)
        if final_height > book.ref.height:
            return
    move_withdrawal(book.tx, replace(row, due_height=None), WithdrawalEvent.BURIED, Who.CHAIN)
    _close_intent(book.tx, row, attempt, "settled")
    for case in read_cases(book.tx.db, "c.id = ?", (row.case_id,)):
        move_case(book.tx, case, CaseEvent.REFUNDED, Who.CHAIN, "chain", f"by {attempt.txid}")


def _settle_sweep(book: BlockBook, coin: CoinRow, intent_id: str) -> None:
    """A mined sweep below the reorg depth is over, with or without effect."""
    attempt = _winner(book.tx, "a.intent_id = ?", intent_id)
    if attempt.kind == "sweep" and coin.currency != coin.chain and attempt.sender is not None:
        _note_liquidity(book, coin, attempt, book.owner(attempt.sender))
    event = SweepEvent.REVERTED if attempt.state == "reverted" else SweepEvent.BURIED
    move_sweep(book.tx, intent_id, event, None)
    _outlive(book.tx, intent_id, attempt.id)


def _note_liquidity(book: BlockBook, coin: CoinRow, attempt: AttemptRow, owner: Owner) -> None:
    """A token that lets nothing move (paused, an account on its list) is put before an operator, once.

    What clients are owed stands, and cannot be paid out of this account. A sweep that works ends the case.
    """
    condition = "c.kind = 'illiquid' AND c.status = 'open' AND c.currency = ? AND c.script_sequence = ?"
    held = read_cases(book.tx.db, condition, (coin.currency, owner.sequence))
    if attempt.state != "reverted":
        for case in held:
            move_case(book.tx, case, CaseEvent.VANISHED, Who.CHAIN, "chain", f"swept by {attempt.txid}")
    elif not held:
        amount, txid = plan_of(attempt).outputs[0].amount, attempt.txid or ""
        reason = "the token did not let this be moved: it is owed to clients and cannot be paid out"
        book.open_case(
            "illiquid", coin.currency, amount, txid, "sweep", reason, None, owner, is_in_block=False
        )


def _winner(tx: Tx, condition: str, argument: str) -> AttemptRow:
    """The one attempt of an intent that is in a block."""
    found = read_attempts(tx.db, f"{condition} AND a.state IN ('mined', 'reverted')", (argument,))
    if len(found) != 1:
        raise LedgerCorruptError(f"{argument} counts confirmations with {len(found)} attempts in a block")
    return found[0]


def _close_intent(tx: Tx, row: WithdrawalRow, winner: AttemptRow, status: str) -> None:
    """End a withdrawal's intent with the attempt that won; the others can never be mined now."""
    tx.db.execute("UPDATE intent SET status = ? WHERE withdrawal_id = ?", (status, row.id))
    tx.db.execute("UPDATE intent SET status = 'closed' WHERE id = ?", (stop_of(row.id),))
    _outlive(tx, winner.intent_id, winner.id)


def _outlive(tx: Tx, intent_id: str, winner_id: str) -> None:
    others = read_attempts(
        tx.db,
        "a.intent_id = ? AND a.id <> ? AND a.state NOT IN ('abandoned', 'replaced')",
        (intent_id, winner_id),
    )
    for other in others:
        move_attempt(tx, other, AttemptEvent.OUTLIVED, Who.CHAIN)
        outlive_children(tx, other)


def release(tx: Tx, row: WithdrawalRow, by: str, reason: str) -> None:
    """Give a withdrawal's reserved money back where it came from (contra of its opening), if it has any."""
    if row.kind == COLD:
        return
    opened = tx.db.execute(
        "SELECT id FROM journal WHERE ref_type = 'withdrawal' AND ref_id = ? AND kind = 'withdrawal_opened'",
        (row.id,),
    ).fetchone()
    if opened is None:
        raise LedgerCorruptError(f"withdrawal {row.id} was never booked")
    postings = (Posting(reserve_of(row), source_of(row), row.amount + row.fee),)
    tx.post(
        JournalEntry(
            "withdrawal_released", "withdrawal", row.id, postings, by, reverses=opened[0], reason=reason
        )
    )
    for case in read_cases(tx.db, "c.id = ?", (row.case_id,)):
        who = Who.CHAIN if by == "chain" else Who.OPERATOR
        move_case(tx, case, CaseEvent.RETURNED, who, by, reason)
