"""Undoes a block that is no longer in the chain: contra entries, never an edit or a deletion."""

from __future__ import annotations

from dataclasses import replace

from ledger import accounts, journal
from ledger.accounts import HOUSE, Part
from ledger.adjustment_row import corrected
from ledger.attempt import AttemptEvent
from ledger.attempt_row import read_attempts
from ledger.block_book import BlockBook, add_to_script
from ledger.case import CaseEvent, CaseKind, CaseState
from ledger.case_row import read_cases
from ledger.child import restore_children
from ledger.connect import OF_RECEIPT, unexplained_of
from ledger.deposit import DepositEvent, DepositState
from ledger.deposit_row import DepositRow, read_deposits
from ledger.errors import ReorgTooDeepError
from ledger.journal import Posting
from ledger.machine import Who
from ledger.payout import drop_unsigned
from ledger.settle import release
from ledger.spend import paid_withdrawals
from ledger.sweep import SweepEvent
from ledger.transition import move_attempt, move_case, move_deposit, move_sweep, move_withdrawal
from ledger.withdrawal import RELEASED, WithdrawalEvent
from ledger.withdrawal_row import read_withdrawals

ACCOUNT_POSITIONS = "position NOT LIKE 'out:%' AND position NOT LIKE 'in:%'"
FUNDS_OF_OTHERS = ("suspense:", "house:")
"""Accounts whose money may have been moved on since a receipt was booked on them."""

CONFLICTED_BY_BLOCK = (
    "a.currency = ? AND a.state = 'conflicted' AND (EXISTS (SELECT 1 FROM attempt_input n JOIN utxo u"
    " ON u.chain = n.chain AND u.txid = n.txid AND u.output_index = n.output_index"
    " WHERE n.attempt_id = a.id AND u.chain = ? AND u.spent_hash = ?)"
    " OR EXISTS (SELECT 1 FROM chain_movement m JOIN own_script s ON s.sequence = m.script_sequence"
    " WHERE m.chain = ? AND m.block_hash = ? AND m.nonce = a.nonce AND s.script = a.sender))"
    " AND NOT EXISTS (SELECT 1 FROM attempt_input n JOIN utxo u ON u.chain = n.chain AND u.txid = n.txid"
    " AND u.output_index = n.output_index WHERE n.attempt_id = a.id AND u.spent_by <> a.txid"
    " AND u.chain = ? AND u.spent_hash <> ?)"
)
"""Attempts of a currency that conflict with a chain tx of a block, and with none below it (chain and
hash given three times)."""


def disconnect(book: BlockBook) -> None:
    """Undo the tip block.

    Raises ReorgTooDeepError for the anchor, when something in it is final, or when it moved a token that
    nobody reads now.
    """
    block = (book.chain, book.ref.block_hash)
    below = (book.chain, book.ref.height - 1)
    if book.tx.db.execute("SELECT 1 FROM block WHERE chain = ? AND height = ?", below).fetchone() is None:
        raise ReorgTooDeepError(f"block {book.ref.height} of {book.chain} is the first one known")
    _refuse_unread(book)
    deposits = read_deposits(book.tx.db, "d.chain = ? AND d.block_hash = ? ORDER BY d.ordinal DESC", block)
    for deposit in deposits:
        if deposit.status is DepositState.FINAL:
            raise ReorgTooDeepError(f"deposit {deposit.id} in block {book.ref.height} is final")
        if deposit.status is DepositState.CREDITED:
            _take_back(book, deposit)
        if deposit.status in (DepositState.CONFIRMING, DepositState.CREDITED):
            _park_again(book, deposit)
    short = _reverse_entries(book)
    for deposit in deposits:
        gone = replace(
            deposit,
            block_height=None,
            block_hash=None,
            due_height=None,
            credited_amount=0,
            withdrawable_height=None,
        )
        move_deposit(book.tx, gone, DepositEvent.DISCONNECTED, book.ref.height - 1)
    _return_attempts(book)
    _restore_conflicted(book)
    _undo_cases(book)
    for posting, txid, position in short:
        _open_shortage(book, posting.currency, txid, position)
    _restore_holdings(book)
    book.tx.db.execute("DELETE FROM block WHERE chain = ? AND height = ?", (book.chain, book.ref.height))


def _refuse_unread(book: BlockBook) -> None:
    """Money of a token that is out of the configuration is not undone: the payment may be in the new block
    as well, and nobody reads its event there. What we sent ourselves is booked without it.
    """
    for coin in book.coins.values():
        if coin.is_configured or coin.currency == book.chain:
            continue
        moved = book.tx.db.execute(
            "SELECT 1 FROM chain_movement m WHERE m.chain = ? AND m.block_hash = ? AND m.currency = ?"
            " AND m.is_disconnected = 0 AND m.delta <> '0'"
            " AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.txid = m.txid)",
            (book.chain, book.ref.block_hash, coin.currency),
        ).fetchone()
        if moved is not None:
            raise ReorgTooDeepError(
                f"block {book.ref.height} moved {coin.currency}, whose events are not read now: enable it,"
                " so that they are read in the block that takes its place"
            )


def _take_back(book: BlockBook, row: DepositRow) -> None:
    """Undo a credit: what is available, then unsigned payouts are rejected for it, the rest is owed."""
    available = accounts.client(row.client_id, row.currency, Part.AVAILABLE)
    pending = accounts.client(row.client_id, row.currency, Part.PENDING)
    if book.tx.balance(available) < row.amount:
        _recall_unsigned(book, row)
    taken = min(book.tx.balance(available), row.amount)
    postings = [Posting(available, pending, taken)] if taken else []
    if row.amount > taken:
        owed = accounts.client_deficit(row.client_id, row.currency)
        postings.append(Posting(owed, pending, row.amount - taken))
    book.post(
        "deposit_reversed", "deposit", row.id, postings, row.txid, "its block is no longer in the chain"
    )


def _park_again(book: BlockBook, row: DepositRow) -> None:
    """Undo a release: what was booked at this block as parked is undone as parked."""
    (kind,) = book.tx.db.execute(
        "SELECT kind FROM journal WHERE ref_type = 'deposit' AND ref_id = ?"
        " AND kind IN ('deposit_received', 'deposit_parked') ORDER BY id DESC LIMIT 1",
        (row.id,),
    ).fetchone()
    if kind == "deposit_parked":
        pending = accounts.client(row.client_id, row.currency, Part.PENDING)
        posting = Posting(pending, accounts.suspense(row.currency), row.amount)
        reason = "its block is no longer in the chain"
        book.post("deposit_parked_again", "deposit", row.id, [posting], row.txid, reason)


def _recall_unsigned(book: BlockBook, row: DepositRow) -> None:
    """Reject payouts of the client that nothing was signed for, newest first, until the money is there."""
    available = accounts.client(row.client_id, row.currency, Part.AVAILABLE)
    unsigned = read_withdrawals(
        book.tx.db,
        "w.client_id = ? AND w.currency = ? AND w.status IN ('held', 'approved') ORDER BY w.ordinal DESC",
        (row.client_id, row.currency),
    )
    for withdrawal in unsigned:
        if book.tx.balance(available) >= row.amount:
            return
        drop_unsigned(book.tx, withdrawal, Who.CHAIN)
        release(book.tx, withdrawal, "chain", f"deposit {row.id} was undone")
        gone = replace(withdrawal, waiting_for=None)
        move_withdrawal(book.tx, gone, WithdrawalEvent.RECALLED, Who.CHAIN)


def _reverse_entries(book: BlockBook) -> list[tuple[Posting, str, str]]:
    """Contra every entry of the block that moved money on the chain, the last one first.

    Answers what had to be left unexplained, with the txid and position of its receipt.
    """
    short = []
    rows = book.tx.db.execute(
        "SELECT DISTINCT journal_id FROM chain_movement WHERE chain = ? AND block_hash = ?"
        " AND is_disconnected = 0 AND journal_id IS NOT NULL ORDER BY journal_id DESC",
        (book.chain, book.ref.block_hash),
    ).fetchall()
    for (journal_id,) in rows:
        entry = book.tx.entry_of(journal_id)
        contra = journal.reverse(entry, journal_id, kind=f"{entry.kind}_undone", by="chain", reason="reorg")
        spent: dict[str, int] = {}
        postings = [part for posting in contra.postings for part in _covered(book, posting, spent)]
        book.tx.post(replace(contra, postings=tuple(postings)))
        if entry.ref_type == "receipt":
            txid, _, position = entry.ref_id.partition(":")
            missing = [p for p in postings if p.debit == accounts.unexplained(p.currency)]
            short += [(posting, txid, position) for posting in missing]
    return short


def _covered(book: BlockBook, posting: Posting, spent: dict[str, int]) -> list[Posting]:
    """The posting as it can be booked: what somebody moved on since is missing without explanation."""
    if not posting.debit.startswith(FUNDS_OF_OTHERS):
        return [posting]
    left = book.tx.balance(posting.debit) - spent.get(posting.debit, 0)
    covered = min(left, posting.amount)
    spent[posting.debit] = spent.get(posting.debit, 0) + covered
    parts = [Posting(posting.debit, posting.credit, covered)] if covered else []
    if posting.amount > covered:
        missing = accounts.unexplained(posting.currency)
        parts.append(Posting(missing, posting.credit, posting.amount - covered))
    return parts


def _return_attempts(book: BlockBook) -> None:
    """Attempts mined in the block are in flight again: never refunded, never paid anew."""
    rows = read_attempts(
        book.tx.db, "a.block_hash = ? AND a.state IN ('mined', 'reverted')", (book.ref.block_hash,)
    )
    for attempt in rows:
        if attempt.currency not in book.coins:
            continue
        (status,) = book.tx.db.execute(
            "SELECT status FROM intent WHERE id = ?", (attempt.intent_id,)
        ).fetchone()
        if status != "open":
            raise ReorgTooDeepError(f"attempt {attempt.id} in block {book.ref.height} is final")
        move_attempt(book.tx, attempt, AttemptEvent.DISCONNECTED, Who.CHAIN)
        book.tx.db.execute(
            "UPDATE attempt SET block_height = NULL, block_hash = NULL WHERE id = ?", (attempt.id,)
        )
        for withdrawal in paid_withdrawals(book, attempt):
            if withdrawal.status not in RELEASED:
                gone = replace(
                    withdrawal, block_height=None, block_hash=None, due_height=None, attention=False
                )
                move_withdrawal(book.tx, gone, WithdrawalEvent.DISCONNECTED, Who.CHAIN)
        if attempt.withdrawal_id is None:
            move_sweep(book.tx, attempt.intent_id, SweepEvent.DISCONNECTED, None)


def _restore_conflicted(book: BlockBook) -> None:
    """Attempts that lost an input or a nonce to a chain tx of this block may be mined again."""
    block = (book.chain, book.ref.block_hash)
    for currency in book.coins:
        rows = read_attempts(book.tx.db, CONFLICTED_BY_BLOCK, (currency, *block * 3))
        for attempt in rows:
            move_attempt(book.tx, attempt, AttemptEvent.RESTORED, Who.CHAIN, "the conflict is undone")
            restore_children(book.tx, attempt)


def _undo_cases(book: BlockBook) -> None:
    """Money of a block that is gone needs no decision; a credited deposit's decision stands for later.

    Raises ReorgTooDeepError when something was decided that only a final payment allows.
    """
    cases = read_cases(
        book.tx.db, "c.chain = ? AND c.block_hash = ? ORDER BY c.ordinal", (book.chain, book.ref.block_hash)
    )
    for case in cases:
        if corrected(book.tx.db, case.id):
            raise ReorgTooDeepError(f"case {case.id} in block {book.ref.height} was corrected")
        # One that ended before its block did has nothing to undo; a doubt of the node outlives its block:
        # it withdraws the comparison that rested on it, until the next one ends it.
        if case.status is CaseState.CLOSED or case.kind is CaseKind.NODE_DOUBT:
            sql = "UPDATE unclaimed_case SET block_height = NULL, block_hash = NULL WHERE id = ?"
            book.tx.db.execute(sql, (case.id,))
            continue
        is_credit = case.status is CaseState.ASSIGNED and case.deposit_id and case.client_id != HOUSE
        if case.status is not CaseState.OPEN and not is_credit:
            raise ReorgTooDeepError(f"case {case.id} in block {book.ref.height} is {case.status}")
        gone = replace(case, block_height=None, block_hash=None)
        reason = "its block is no longer in the chain"
        move_case(book.tx, gone, CaseEvent.VANISHED, Who.CHAIN, "chain", reason)


def _open_shortage(book: BlockBook, currency: str, txid: str, position: str) -> None:
    """What undoing a receipt could not take back waits for the receipt to be mined again, or for somebody."""
    amount = unexplained_of(book.tx, currency, OF_RECEIPT, (f"{txid}:{position}",))
    reason = "a reorg undid it after the house had used the money"
    book.open_case("shortage", currency, amount, txid, position, reason, None, is_in_block=False)


def _restore_holdings(book: BlockBook) -> None:
    """Outputs, accounts and nonce lanes as they were before the block."""
    block = (book.chain, book.ref.block_hash)
    database = book.tx.db
    moved = database.execute(
        "SELECT currency, script_sequence, delta FROM chain_movement WHERE chain = ? AND block_hash = ?"
        f" AND is_disconnected = 0 AND delta <> '0' AND {ACCOUNT_POSITIONS} ORDER BY id DESC",  # nosec B608
        block,
    ).fetchall()
    for currency, sequence, delta in moved:
        add_to_script(book.tx, book.coin(currency), sequence, -int(delta))
    database.execute(
        "UPDATE nonce_lane SET next_nonce = min(next_nonce, (SELECT min(m.nonce) FROM chain_movement m"
        " JOIN own_script s ON s.sequence = m.script_sequence WHERE m.chain = nonce_lane.chain"
        " AND m.block_hash = ? AND s.script = nonce_lane.sender AND m.nonce IS NOT NULL))"
        " WHERE chain = ? AND sender IN (SELECT s.script FROM chain_movement m JOIN own_script s"
        " ON s.sequence = m.script_sequence WHERE m.chain = ? AND m.block_hash = ? AND m.nonce IS NOT NULL)",
        (book.ref.block_hash, book.chain, *block),
    )
    database.execute(
        "UPDATE utxo SET spent_by = NULL, spent_height = NULL, spent_hash = NULL"
        " WHERE chain = ? AND spent_hash = ?",
        block,
    )
    database.execute("DELETE FROM utxo WHERE chain = ? AND block_hash = ?", block)
    database.execute(
        "UPDATE chain_movement SET is_disconnected = 1 WHERE chain = ? AND block_hash = ?"
        " AND is_disconnected = 0",
        block,
    )
