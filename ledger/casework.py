"""An operator's decisions about cases: every one books, tells, and notes who decided and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from coins.types import BlockRef, ForeignAddress
from ledger import accounts
from ledger.accounts import HOUSE, Part, is_client_id
from ledger.block_book import BlockBook
from ledger.case import ACTION_OF, IN_SUSPENSE, CaseEvent, CaseKind, CaseState, actions
from ledger.case_command import (
    AssignCase,
    BlockDeposits,
    RefundCase,
    ReleaseCase,
    ReleaseCases,
    UnblockDeposits,
    WriteOffCase,
)
from ledger.case_row import CaseRow, read_cases, to_view
from ledger.chain_delta import coins_of
from ledger.coin_row import CoinRow
from ledger.connect import OF_RECEIPT, OF_TX, parking_reason, unexplained_of
from ledger.context import Tx
from ledger.deposit import DepositEvent
from ledger.deposit_row import DepositRow, read_deposits
from ledger.errors import (
    ActionNotAllowedError,
    AlreadyExistsError,
    BelowMinimumError,
    CaseDecidedError,
    CurrencyUnavailableError,
    InvalidClientError,
    NotConfirmedError,
    NotFoundError,
)
from ledger.journal import JournalEntry, Posting
from ledger.limit import refuse_over_day_limit
from ledger.machine import Who
from ledger.payout import queue_payout, refuse_own_script
from ledger.policy import Finality
from ledger.settle import credit, credit_postings
from ledger.transition import move_case, move_deposit
from ledger.views import CasesReleased, CaseView, ClientBlock, Outcome
from ledger.withdrawal_row import new_withdrawal

DOUBTED_STATES = frozenset({"behind", "stalled", "disagree", "down", "halted"})
"""States in which what a chain seems to say credits nobody."""

POLICY = frozenset({"below_minimum", "client_blocked", "deposits_closed"})
"""Reasons of parked deposits that can be asked again, for policy may have changed."""

RELEASABLE = (
    f"c.reason IN ({', '.join(map(repr, sorted(POLICY)))})"  # nosec B608 - constants of this module
    " AND NOT EXISTS (SELECT 1 FROM client_block b WHERE b.client_id = c.client_id)"
    " AND EXISTS (SELECT 1 FROM coin k WHERE k.currency = c.currency AND k.deposits = 'open'"
    " AND k.hold IS NULL AND (length(c.amount), c.amount) >= (length(k.minimum_deposit), k.minimum_deposit))"
)
"""Parked deposits that nothing stands against now, by :func:`ledger.connect.parking_reason`, found by the
database: however much dust lies before them, they are reached."""


def assign_case(tx: Tx, command: AssignCase) -> Outcome[CaseView]:
    """Give the money to a client or the house; a parked deposit becomes its client's credit."""
    case = decidable(tx, command.case_id, CaseEvent.ASSIGNED)
    if command.assignee != HOUSE and not is_client_id(command.assignee):
        raise InvalidClientError("a case is assigned to a client or to house")
    coin = tx.coin(case.currency)
    if _is_doubted(coin):
        raise CurrencyUnavailableError(f"{coin.currency} is {coin.watched_state}: nothing is credited now")
    if case.deposit_id is not None and command.assignee != HOUSE:
        if command.assignee != case.client_id:
            raise ActionNotAllowedError(
                f"it came to an address of {case.client_id}: assign it there, a transfer moves it on"
            )
        deposit = _deposit_of(tx, case)
        _refuse_uncovered(_tip_book(tx, coin), deposit)
        _release(tx, coin, deposit, command.by, command.reason)
    else:
        refuse_shallow(tx, coin, case)
        source = accounts.suspense(case.currency)
        if command.assignee == HOUSE:
            postings = [Posting(source, accounts.house(case.currency), case.amount)]
        else:
            postings = credit_postings(tx, source, command.assignee, case.currency, case.amount)
        _post(tx, case, "case_assigned", postings, command.by, command.reason)
    moved = replace(case, client_id=command.assignee)
    return _decide(tx, moved, CaseEvent.ASSIGNED, command.by, command.reason)


def release_case(tx: Tx, command: ReleaseCase) -> Outcome[CaseView]:
    """Let a parked deposit go on; refused while it would be parked again."""
    case = decidable(tx, command.case_id, CaseEvent.RELEASED)
    coin, deposit = tx.coin(case.currency), _deposit_of(tx, case)
    reason = _parked_still(tx, coin, deposit)
    if reason is not None:
        raise ActionNotAllowedError(f"it would be parked again: {reason}")
    _release(tx, coin, deposit, command.by, command.reason)
    return _decide(tx, case, CaseEvent.RELEASED, command.by, command.reason)


def release_cases(tx: Tx, command: ReleaseCases) -> Outcome[CasesReleased]:
    """Release what one cause parked in a currency, the oldest first."""
    tx.coin(command.currency)
    where, arguments = "c.currency = ? AND c.reason = ?", (command.currency, command.cause)
    released = _release_all(tx, where, arguments, command.by, command.reason, command.limit)
    data = {"cause": command.cause, "reason": command.reason, "released": released.released}
    tx.audit(command.by, "release_cases", "currency", command.currency, data)
    return Outcome(released)


def _release_all(
    tx: Tx, where: str, arguments: tuple[str, ...], by: str, reason: str, limit: int
) -> CasesReleased:
    """Release the parked deposits of a condition that would not be parked again, at most ``limit``."""
    where = f"c.status = 'open' AND c.kind = 'parked' AND {where}"
    sql = f"{where} AND {RELEASABLE} ORDER BY c.ordinal LIMIT ?"
    cases = read_cases(tx.db, sql, (*arguments, limit))
    counting = f"SELECT count(*) FROM unclaimed_case c WHERE {where} AND {RELEASABLE}"  # nosec B608
    (count,) = tx.db.execute(counting, arguments).fetchone()
    released = 0
    for case in cases:
        coin, deposit = tx.coin(case.currency), _deposit_of(tx, case)
        if _parked_still(tx, coin, deposit) is None:
            _release(tx, coin, deposit, by, reason)
            _decide(tx, case, CaseEvent.RELEASED, by, reason)
            released += 1
    return CasesReleased(released, count - released)


def refund_case(tx: Tx, command: RefundCase) -> Outcome[CaseView]:
    """Owe the money to whom it is sent back, and queue the payout."""
    case = decidable(tx, command.case_id, CaseEvent.REFUND_OPENED)
    coin = tx.coin(case.currency)
    if command.currency != case.currency:
        raise NotFoundError(f"case {case.id} is not one of {command.currency}")
    refuse_shallow(tx, coin, case)
    refuse_own_script(tx, coin, command.script)
    if case.amount < max(coin.dust, 1):
        raise BelowMinimumError("the network would not carry so small an amount")
    refuse_over_day_limit(coin, case.amount)
    if tx.db.execute("SELECT 1 FROM withdrawal WHERE id = ?", (command.withdrawal_id,)).fetchone():
        raise AlreadyExistsError(f"withdrawal {command.withdrawal_id} exists")
    payee = ForeignAddress(command.address, command.script)
    row = new_withdrawal(
        command.withdrawal_id,
        tx.next_ordinal(),
        case.currency,
        case.amount,
        payee,
        tx.now_s,
        case_id=case.id,
    )
    queue_payout(tx, coin, row, Who.OPERATOR, command.by, command.reason)
    return _decide(tx, case, CaseEvent.REFUND_OPENED, command.by, command.reason)


def write_off_case(tx: Tx, command: WriteOffCase) -> Outcome[CaseView]:
    """Keep what nobody claims, or admit what is gone."""
    case = decidable(tx, command.case_id, CaseEvent.WRITTEN_OFF)
    coin, currency = tx.coin(case.currency), case.currency
    if case.kind is not CaseKind.SHORTAGE:
        refuse_shallow(tx, coin, case)
    if case.kind in IN_SUSPENSE:
        posting = Posting(accounts.suspense(currency), accounts.unclaimed(currency), case.amount)
        _post(tx, case, "case_kept", [posting], command.by, command.reason)
    elif case.kind in (CaseKind.UNEXPLAINED, CaseKind.SHORTAGE):
        _admit_loss(tx, case, command.by, command.reason)
    return _decide(tx, case, CaseEvent.WRITTEN_OFF, command.by, command.reason)


def _admit_loss(tx: Tx, case: CaseRow, by: str, reason: str) -> None:
    """Book what is still unexplained about the case's chain tx or receipt as a loss.

    A chain tx may have taken several amounts, each with a case of its own.
    """
    if case.kind is CaseKind.SHORTAGE:
        ref = ("receipt", f"{case.txid}:{case.position}")
        missing = unexplained_of(tx, case.currency, OF_RECEIPT, ref[1:])
    else:
        ref = ("chain_tx", case.txid)
        found = unexplained_of(tx, case.currency, OF_TX, (case.chain, case.block_hash, case.txid))
        missing = min(found, case.amount)
    if missing > 0:
        posting = Posting(accounts.loss(case.currency), accounts.unexplained(case.currency), missing)
        tx.post(JournalEntry("loss_admitted", *ref, (posting,), by, txid=case.txid, reason=reason))


# -- what decisions share ------------------------------------------------------------------------


def decidable(tx: Tx, case_id: str, event: CaseEvent) -> CaseRow:
    """The case, if this may be decided about it.

    Raises NotFoundError, CaseDecidedError, ActionNotAllowedError.
    """
    rows = read_cases(tx.db, "c.id = ?", (case_id,))
    if not rows:
        raise NotFoundError(f"case {case_id} does not exist")
    if rows[0].status is not CaseState.OPEN:
        raise CaseDecidedError(f"case {case_id} is {rows[0].status}")
    if ACTION_OF[event] not in actions(rows[0].kind, CaseState.OPEN):
        raise ActionNotAllowedError(f"a case of the kind {rows[0].kind} has no {ACTION_OF[event]}")
    return rows[0]


def _decide(tx: Tx, case: CaseRow, event: CaseEvent, by: str, reason: str) -> Outcome[CaseView]:
    """Move the case, note it in the audit log, and answer it as it is now."""
    moved = move_case(tx, case, event, Who.OPERATOR, by, reason)
    data = {"reason": reason, "client_id": moved.client_id, "amount": str(moved.amount)}
    tx.audit(by, f"{ACTION_OF[event].replace('-', '_')}_case", "case", moved.id, data)
    return Outcome(to_view(tx.db, moved, _tip_book(tx, tx.coin(moved.currency)).ref.height))


def _post(tx: Tx, case: CaseRow, kind: str, postings: list[Posting], by: str, reason: str) -> None:
    tx.post(JournalEntry(kind, "case", case.id, tuple(postings), by, txid=case.txid, reason=reason))


def _tip_book(tx: Tx, coin: CoinRow) -> BlockBook:
    """The page of the last block applied on the currency's chain."""
    row = tx.db.execute(
        "SELECT height, block_hash, parent_hash, safe_height, finalized_height FROM block WHERE chain = ?"
        " ORDER BY height DESC LIMIT 1",
        (coin.chain,),
    ).fetchone()
    ref = BlockRef(*row[:3])
    return BlockBook(
        tx, coin.chain, ref, coins_of(tx, coin.chain), safe_height=row[3], finalized_height=row[4]
    )


def _is_covered(book: BlockBook, row: DepositRow) -> bool:
    """Whether a deposit is as deep as a credit needs, and below the node's tag where it waits for one."""
    height = row.block_height or 0
    tag = {Finality.SAFE: book.safe_height, Finality.FINALIZED: book.finalized_height}.get(
        row.finality, book.ref.height
    )
    is_deep = book.ref.height - height + 1 >= row.confirmations_required
    return is_deep and tag is not None and height <= tag


def _refuse_uncovered(book: BlockBook, row: DepositRow) -> None:
    if not _is_covered(book, row):
        raise NotConfirmedError(f"its payment needs {row.confirmations_required} confirmations first")


def refuse_shallow(tx: Tx, coin: CoinRow, case: CaseRow) -> None:
    """What cannot be taken back is decided only when no reorg may undo the payment.

    Raises NotConfirmedError.
    """
    needed = max(coin.final_depth, coin.confirmations, coin.withdrawable_depth)
    if case.deposit_id is not None:
        needed = max(needed, _deposit_of(tx, case).confirmations_required)
    depth = _tip_book(tx, coin).ref.height - (case.block_height or 0) + 1
    if case.block_height is None or depth < needed:
        raise NotConfirmedError(f"this needs {needed} confirmations first: then it is final")


def _is_doubted(coin: CoinRow) -> bool:
    """Whether the chain is not surely what these books hold of it; an operator's pause is no doubt."""
    return not coin.is_configured or coin.watched_state in DOUBTED_STATES


def _deposit_of(tx: Tx, case: CaseRow) -> DepositRow:
    (row,) = read_deposits(tx.db, "d.id = ?", (case.deposit_id,))
    return row


def _parked_still(tx: Tx, coin: CoinRow, deposit: DepositRow) -> str | None:
    """Why the deposit would be parked now, None when it would not."""
    if deposit.reason not in POLICY:
        return deposit.reason
    return parking_reason(tx.db, coin, deposit.client_id, deposit.amount)


def _release(tx: Tx, coin: CoinRow, deposit: DepositRow, by: str, reason: str) -> None:
    """From suspense to pending; from there it is credited as any other, at once where it is deep enough."""
    book = _tip_book(tx, coin)
    pending = accounts.client(deposit.client_id, deposit.currency, Part.PENDING)
    posting = Posting(accounts.suspense(deposit.currency), pending, deposit.amount)
    entry = JournalEntry(
        "deposit_released", "deposit", deposit.id, (posting,), by, txid=deposit.txid, reason=reason
    )
    tx.post(entry)
    due_height = (deposit.block_height or 0) + deposit.confirmations_required - 1
    waiting = replace(deposit, reason=None, due_height=due_height)
    moved = move_deposit(tx, waiting, DepositEvent.RELEASED, book.ref.height, Who.OPERATOR)
    if not _is_doubted(coin) and _is_covered(book, moved):
        credit(book, moved)


# -- clients whose deposits are parked -----------------------------------------------------------


def block_deposits(tx: Tx, command: BlockDeposits) -> Outcome[ClientBlock]:
    """Park what comes in for a client from now on; a block that is there stays as it is."""
    tx.db.execute(
        "INSERT INTO client_block (client_id, at, by, reason) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (command.client_id, tx.now_s, command.by, command.reason),
    )
    row = tx.db.execute(
        "SELECT client_id, at, by, reason FROM client_block WHERE client_id = ?", (command.client_id,)
    ).fetchone()
    tx.audit(command.by, "block_deposits", "client", command.client_id, {"reason": command.reason})
    return Outcome(ClientBlock(*row))


def unblock_deposits(tx: Tx, command: UnblockDeposits) -> Outcome[CasesReleased]:
    """Take the block away and release what it parked."""
    tx.db.execute("DELETE FROM client_block WHERE client_id = ?", (command.client_id,))
    where, arguments = "c.client_id = ? AND c.reason = ?", (command.client_id, "client_blocked")
    released = _release_all(tx, where, arguments, command.by, command.reason, command.limit)
    data = {"reason": command.reason, "released": released.released}
    tx.audit(command.by, "unblock_deposits", "client", command.client_id, data)
    return Outcome(released)


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {
    AssignCase: assign_case,
    ReleaseCase: release_case,
    ReleaseCases: release_cases,
    RefundCase: refund_case,
    WriteOffCase: write_off_case,
    BlockDeposits: block_deposits,
    UnblockDeposits: unblock_deposits,
}
