"""Books what a new block brought to scripts of ours: deposits, parked money, funding of the house."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from coins.types import Block, Branch, Receipt
from ledger import accounts, deposit_row
from ledger.accounts import Part
from ledger.block_book import BlockBook, Owner, add_to_script, make_id
from ledger.case import CaseEvent
from ledger.case_row import CaseRow, read_cases
from ledger.codec import to_dict
from ledger.coin_row import CoinRow
from ledger.connection import Database
from ledger.context import Tx
from ledger.deposit import DEPOSIT, DepositEvent, DepositState
from ledger.deposit_row import DepositRow
from ledger.journal import Posting
from ledger.machine import Who, advance
from ledger.policy import required_depth
from ledger.transition import move_case, move_deposit

_ABSENT = (DepositState.SEEN, DepositState.ORPHANED, DepositState.REVERSED, DepositState.CONFLICTED)


Mirrored = frozenset[tuple[str, str, bytes]]
"""(txid, position, recipient) of what moves between accounts of ours and is booked by the sending side."""


@dataclass(frozen=True, slots=True)
class Change:
    """An output of ours that our own chain tx pays back to us; booked with that chain tx."""

    owner: Owner
    receipt: Receipt


def connect_receipts(
    book: BlockBook, block: Block, own_txids: frozenset[str], mirrored: Mirrored
) -> dict[str, list[Change]]:
    """Book every receipt by the role of its script; answers the change outputs by txid.

    ``own_txids`` are chain tx of the block that spend outputs of ours by an attempt of ours, or from cold
    storage as announced.
    ``mirrored`` are the sends between our accounts, booked with the sending side.
    """
    changes: dict[str, list[Change]] = {}
    totals = _totals(book, block, mirrored)
    for receipt in block.receipts:
        coin, owner = book.coin(receipt.currency), book.owner(receipt.script)
        is_output = receipt.position.isdecimal()
        if is_output and not _add_output(book, receipt, owner):
            if receipt.amount:
                _open_duplicate(book, receipt, owner)
            continue
        if receipt.amount == 0 or _is_mirrored(receipt, mirrored):
            continue
        if owner.client_id is not None:
            _book_deposit(book, coin, owner, receipt, totals[owner.client_id, receipt.currency])
        elif is_output and receipt.txid in own_txids:
            changes.setdefault(receipt.txid, []).append(Change(owner, receipt))
        else:
            book_funding(book, coin, owner, receipt)
    return changes


def _totals(book: BlockBook, block: Block, mirrored: Mirrored) -> dict[tuple[str, str], int]:
    """What the block brings each client in each currency; parked parts count, they may be credited later."""
    totals: dict[tuple[str, str], int] = defaultdict(int)
    for receipt in block.receipts:
        client_id = book.owner(receipt.script).client_id
        if client_id is not None and not _is_mirrored(receipt, mirrored):
            totals[client_id, receipt.currency] += receipt.amount
    return totals


def _is_mirrored(receipt: Receipt, mirrored: Mirrored) -> bool:
    """Whether the sending side books this receipt."""
    return (receipt.txid, receipt.position, receipt.script) in mirrored


def _add_output(book: BlockBook, receipt: Receipt, owner: Owner) -> bool:
    """Write the new output down; False when one with its txid and index is held already (BIP30).

    An output that a live attempt of ours had reserved before a reorg is reserved for it again.
    """
    index = int(receipt.position)
    added = book.tx.db.execute(
        "INSERT INTO utxo (chain, txid, output_index, currency, amount, script_sequence, location,"
        " is_coinbase, height, block_hash, reserved_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
        " (SELECT n.attempt_id FROM attempt_input n JOIN attempt a ON a.id = n.attempt_id WHERE n.chain = ?"
        " AND n.txid = ? AND n.output_index = ? AND a.state NOT IN ('abandoned', 'replaced') LIMIT 1))"
        " ON CONFLICT DO NOTHING",
        (
            book.chain,
            receipt.txid,
            index,
            receipt.currency,
            str(receipt.amount),
            owner.sequence,
            owner.location,
            int(receipt.is_coinbase),
            book.ref.height,
            book.ref.block_hash,
            book.chain,
            receipt.txid,
            index,
        ),
    )
    return added.rowcount == 1


def _open_duplicate(book: BlockBook, receipt: Receipt, owner: Owner) -> None:
    """The same txid and position mined twice (BIP30): credited once, and somebody must look."""
    reason = "a receipt with this txid and position is in an earlier block"
    key = (receipt.currency, receipt.amount, receipt.txid, receipt.position)
    book.open_case("duplicate", *key, reason, None, owner)


def book_movement(book: BlockBook, coin: CoinRow, owner: Owner, receipt: Receipt, journal_id: int) -> None:
    """Note the receipt as a movement; on account chains the script holds that much more."""
    is_output = receipt.position.isdecimal()
    position = f"out:{receipt.position}" if is_output else receipt.position
    book.move(coin.currency, receipt.txid, position, owner, receipt.amount, journal_id)
    if not is_output:
        add_to_script(book.tx, coin, owner.sequence, receipt.amount)


# -- clients -------------------------------------------------------------------------------------


def parking_reason(db: Database, coin: CoinRow, client_id: str, amount: int) -> str | None:
    """Why policy does not credit the client this amount now, None when it does.

    What does not pass with time comes first, so that a release can never credit it by the way.
    """
    if amount < coin.minimum_deposit:
        return "below_minimum"
    if db.execute("SELECT 1 FROM client_block WHERE client_id = ?", (client_id,)).fetchone():
        return "client_blocked"
    if coin.deposits != "open" or coin.hold is not None:
        return "deposits_closed"
    return None


def _reason_now(
    book: BlockBook, coin: CoinRow, owner: Owner, receipt: Receipt, held: DepositRow | None
) -> str | None:
    """Why the receipt is parked, None when it is not.

    An operator's decision stands for the same amount and the same reason: a chain tx that calls a contract
    may bring another amount when it is mined again.
    """
    client_id = owner.client_id or ""
    reason = receipt.doubt or parking_reason(book.tx.db, coin, client_id, receipt.amount)
    case = decision_on(book.tx.db, held.id, reason, client_id, receipt.amount) if held is not None else None
    if case is None:
        return reason
    mined = replace(case, amount=receipt.amount, block_height=book.ref.height, block_hash=book.ref.block_hash)
    move_case(book.tx, mined, CaseEvent.INCLUDED, Who.CHAIN, "chain", "mined again")
    return None


def decision_on(
    db: Database, deposit_id: str, reason: str | None, client_id: str, amount: int
) -> CaseRow | None:
    """The case by which a deposit is credited though it would be parked, None without such a decision."""
    for case in read_cases(db, "c.deposit_id = ? AND c.status = 'assigned'", (deposit_id,)):
        decided = (case.reason, case.client_id, case.amount)
        if reason is None or (reason, client_id, amount) == decided:
            return case
    return None


def new_deposit(
    book_chain: str,
    coin: CoinRow,
    owner: Owner,
    receipt: Receipt,
    now_s: int,
    status: DepositState,
    total: int,
) -> DepositRow:
    """A receipt that was not known before, not yet in any block.

    ``total`` is what comes to its client together with it: from a block all of it, else its own amount.
    """
    return DepositRow(
        id=make_id("dep", book_chain, receipt.currency, receipt.txid, receipt.position),
        chain=book_chain,
        currency=receipt.currency,
        script_sequence=owner.sequence,
        address=owner.address,
        client_id=owner.client_id or "",
        txid=receipt.txid,
        position=receipt.position,
        amount=receipt.amount,
        status=status,
        reason=None,
        block_height=None,
        block_hash=None,
        confirmations_required=required_depth(
            coin.confirmations, coin.tiers, total, is_coinbase=receipt.is_coinbase
        ),
        due_height=None,
        seen_at=now_s,
        credited_at=None,
        finality=coin.finality,
    )


def _book_deposit(book: BlockBook, coin: CoinRow, owner: Owner, receipt: Receipt, total: int) -> None:
    """A client's receipt: to pending, or parked in suspense; once however often it is mined.

    ``total`` is what the block brings the client in this currency.
    """
    held = deposit_row.read_deposits(
        book.tx.db,
        "d.chain = ? AND d.currency = ? AND d.txid = ? AND d.position = ?",
        (book.chain, receipt.currency, receipt.txid, receipt.position),
    )
    if held and held[0].status not in _ABSENT:
        _open_duplicate(book, receipt, owner)
        return
    reason = _reason_now(book, coin, owner, receipt, held[0] if held else None)
    event = DepositEvent.INCLUDED if reason is None else DepositEvent.PARKED
    fresh = new_deposit(book.chain, coin, owner, receipt, book.tx.now_s, DepositState.SEEN, total)
    row = replace(
        held[0] if held else fresh,
        amount=receipt.amount,
        script_sequence=owner.sequence,
        address=owner.address,
        client_id=fresh.client_id,
        reason=reason,
        block_height=book.ref.height,
        block_hash=book.ref.block_hash,
        confirmations_required=fresh.confirmations_required,
        finality=fresh.finality,
        due_height=book.ref.height + fresh.confirmations_required - 1 if reason is None else None,
    )
    if held:
        _correct(book, held[0], row)
        move_deposit(book.tx, row, event, book.ref.height)
    else:
        step = advance(DEPOSIT, None, event, Who.CHAIN)
        row = replace(row, status=step.to)
        insert_deposit(book, row)
        view = to_dict(deposit_row.to_view(row, book.ref.height))
        book.tx.emit(f"deposit.{row.status}", "deposit", row.id, row.client_id, view)
    location = accounts.onchain(coin.currency, owner.location)
    if reason is None:
        credit = accounts.client(row.client_id, coin.currency, Part.PENDING)
        kind = "deposit_received"
    else:
        credit = accounts.suspense(coin.currency)
        kind = "deposit_parked"
        book.open_case("parked", coin.currency, row.amount, row.txid, row.position, reason, row.id, owner)
    journal_id = book.post(kind, "deposit", row.id, [Posting(location, credit, row.amount)], row.txid)
    book_movement(book, coin, owner, receipt, journal_id)


def _correct(book: BlockBook, held: DepositRow, row: DepositRow) -> None:
    """The block's word counts: what a mempool or an undone block said of the same receipt is dropped."""
    if (held.amount, held.script_sequence) != (row.amount, row.script_sequence):
        book.tx.db.execute(
            "UPDATE deposit SET amount = ?, script_sequence = ?, client_id = ? WHERE id = ?",
            (str(row.amount), row.script_sequence, row.client_id, row.id),
        )


def insert_deposit(book: BlockBook, row: DepositRow) -> None:
    """Write a deposit's first row."""
    book.tx.db.execute(
        "INSERT INTO deposit (id, chain, currency, script_sequence, client_id, txid, position, amount,"
        " status, reason, block_height, block_hash, confirmations_required, due_height, seen_at, credited_at,"
        " finality, ordinal)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.id,
            row.chain,
            row.currency,
            row.script_sequence,
            row.client_id,
            row.txid,
            row.position,
            str(row.amount),
            row.status,
            row.reason,
            row.block_height,
            row.block_hash,
            row.confirmations_required,
            row.due_height,
            row.seen_at,
            row.credited_at,
            row.finality,
            book.tx.next_ordinal(),
        ),
    )


# -- house ---------------------------------------------------------------------------------------


def book_funding(book: BlockBook, coin: CoinRow, owner: Owner, receipt: Receipt) -> None:
    """Money on a hot or cold script that is no change of ours: the house's when announced, else suspense.

    What an earlier reorg of the same receipt left unexplained is made good first.
    """
    ref_id = f"{receipt.txid}:{receipt.position}"
    is_house = is_announced(book, coin.currency, receipt.txid)
    target = accounts.house(coin.currency) if is_house else accounts.suspense(coin.currency)
    location = accounts.onchain(coin.currency, owner.location)
    short = min(unexplained_of(book.tx, coin.currency, OF_RECEIPT, (ref_id,)), receipt.amount)
    postings = []
    if short:
        postings.append(Posting(location, accounts.unexplained(coin.currency), short))
    if receipt.amount > short:
        postings.append(Posting(location, target, receipt.amount - short))
    journal_id = book.post("funding", "receipt", ref_id, postings, receipt.txid)
    book_movement(book, coin, owner, receipt, journal_id)
    key = (coin.currency, receipt.txid, receipt.position)
    for case in read_cases(book.tx.db, "c.id = ? AND c.status = 'open'", (book.case_id("shortage", *key),)):
        move_case(book.tx, case, CaseEvent.VANISHED, Who.CHAIN, "chain", "the receipt was mined again")
    if not is_house and receipt.amount > short:
        reason = receipt.doubt or _unannounced(owner)
        amount = receipt.amount - short
        book.open_case("funding", key[0], amount, receipt.txid, receipt.position, reason, None, owner)


def is_announced(book: BlockBook, currency: str, txid: str) -> bool:
    """Whether an operator told of a chain tx of the house before it was mined."""
    return (
        book.tx.db.execute(
            "SELECT 1 FROM house_movement WHERE currency = ? AND txid = ?", (currency, txid)
        ).fetchone()
        is not None
    )


def _unannounced(owner: Owner) -> str:
    """Why money to a script of nobody's is before an operator."""
    if owner.branch is Branch.DEPOSIT:
        return "unissued_address"
    return f"nobody announced money to the {owner.location} address"


OF_RECEIPT = "j.ref_type = 'receipt' AND j.ref_id = ?"
OF_TX = "j.chain = ? AND j.block_hash = ? AND j.txid = ? AND j.ref_type <> 'receipt'"
"""Entries about a receipt (``{txid}:{position}``), or about a chain tx of one block."""


def unexplained_of(tx: Tx, currency: str, where: str, arguments: tuple[object, ...]) -> int:
    """What these entries have left unexplained, and nothing made good or admitted yet."""
    name = accounts.unexplained(currency)
    rows = tx.db.execute(
        "SELECT d.name = ?, p.amount FROM journal j JOIN posting p ON p.journal_id = j.id"
        " JOIN account d ON d.id = p.debit_id JOIN account c ON c.id = p.credit_id"
        f" WHERE {where} AND (d.name = ? OR c.name = ?)",  # nosec B608
        (name, *arguments, name, name),
    )
    return sum(int(amount) if is_debit else -int(amount) for is_debit, amount in rows)
