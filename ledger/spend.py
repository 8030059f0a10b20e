"""Books chain tx that spend outputs of ours: our own payouts, and money that left without us."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from coins.types import Block, Branch, Location, Outpoint
from ledger import accounts
from ledger.attempt import AttemptEvent
from ledger.attempt_row import AttemptRow, plan_of, read_attempts
from ledger.block_book import BlockBook, Owner
from ledger.child import conflict_children, drop_unsigned_child
from ledger.connect import Change, book_funding, book_movement, is_announced
from ledger.errors import BlockRefusedError
from ledger.journal import Posting
from ledger.machine import Who
from ledger.sweep import SweepEvent
from ledger.transition import move_attempt, move_sweep, move_withdrawal, set_attention, tell_withdrawal
from ledger.withdrawal import RELEASED, WithdrawalEvent
from ledger.withdrawal_row import COLD, PAID_BY, PAYOUT, WithdrawalRow, read_withdrawals, reserve_of


@dataclass(frozen=True, slots=True)
class Input:
    """An output of ours that a chain tx of this block consumes."""

    outpoint: Outpoint
    currency: str
    amount: int
    owner: Owner


def own_attempts(book: BlockBook, txids: Sequence[str]) -> dict[str, AttemptRow]:
    """Attempts of ours among some txids."""
    found = {}
    for txid in txids:
        for row in read_attempts(book.tx.db, "a.txid = ?", (txid,)):
            found[txid] = row
    return found


def connect_spends(
    book: BlockBook,
    block: Block,
    attempts: dict[str, AttemptRow],
    changes: dict[str, list[Change]],
    announced: frozenset[str],
) -> None:
    """Book every chain tx that spends outputs of ours, in the order of the block.

    ``announced`` are those that spend cold outputs alone and were told of before.
    """
    by_txid: dict[str, list[Outpoint]] = {}
    paid_out = {spend.txid: spend.paid_out for spend in block.spends}
    for spend in block.spends:
        by_txid.setdefault(spend.txid, []).append(spend.outpoint)
    for txid, outpoints in by_txid.items():
        inputs = [_take(book, txid, outpoint) for outpoint in outpoints]
        attempt = attempts.get(txid)
        if attempt is None and txid in announced:
            _book_from_cold(book, txid, inputs, changes.get(txid, []), paid_out[txid])
        elif attempt is None:
            _book_unexplained(book, txid, [i for i in inputs if i.amount])
            _mark_conflicts(book, inputs)
        else:
            _book_own(book, attempt, txid, inputs, changes.get(txid, []))
            include_attempt(book, attempt, is_success=True)


def announced_spends(book: BlockBook, block: Block, attempts: dict[str, AttemptRow]) -> frozenset[str]:
    """Chain tx that were announced and spend nothing of ours but cold outputs: somebody used the cold key."""
    inputs: dict[str, list[Outpoint]] = {}
    for spend in block.spends:
        inputs.setdefault(spend.txid, []).append(spend.outpoint)
    found = set()
    for txid, outpoints in inputs.items():
        if txid not in attempts and is_announced(book, book.chain, txid):
            locations = {_location(book, block, outpoint) for outpoint in outpoints}
            found |= {txid} if locations == {Location.COLD} else set()
    return frozenset(found)


def _location(book: BlockBook, block: Block, outpoint: Outpoint) -> Location | None:
    """Where an output of ours lies, one of this very block too."""
    row = book.tx.db.execute(
        "SELECT location FROM utxo WHERE chain = ? AND txid = ? AND output_index = ?",
        (book.chain, outpoint.txid, outpoint.index),
    ).fetchone()
    if row is not None:
        return Location(row[0])
    place = (outpoint.txid, str(outpoint.index))
    scripts = [receipt.script for receipt in block.receipts if (receipt.txid, receipt.position) == place]
    return book.owner(scripts[0]).location if scripts else None


def _book_from_cold(
    book: BlockBook, txid: str, inputs: Sequence[Input], changes: Sequence[Change], paid_out: int
) -> None:
    """A transfer between locations, its fee an expense; the house pays what left, as far as it has money.

    ``paid_out`` is what all its outputs bring, to whomever. One that brings us more than it takes from us
    spends money of somebody else too: the house gets the one and gives the other.
    """
    currency = book.chain
    postings, rest = _through_clearing(currency, inputs, changes)
    if rest < 0:
        for change in changes:
            book_funding(book, book.coin(currency), change.owner, change.receipt)
        source, gone, changes, postings = accounts.onchain(currency, Location.COLD), _total(inputs), (), []
    else:
        source, fee = accounts.chain_tx(currency), min(max(_total(inputs) - paid_out, 0), rest)
        gone = rest - fee
        postings += [Posting(accounts.network_fee(currency), source, fee)] if fee else []
    postings += withdrawn(book, currency, source, gone, txid, "spend")
    _note_moves(book, txid, inputs, changes, book.post("from_cold", "chain_tx", txid, postings, txid))


def _total(inputs: Sequence[Input]) -> int:
    return sum(spent.amount for spent in inputs)


def _through_clearing(
    currency: str, inputs: Sequence[Input], changes: Sequence[Change]
) -> tuple[list[Posting], int]:
    """What is spent goes into the clearing account, what comes back to us out of it; answers what is left."""
    clearing, postings = accounts.chain_tx(currency), []
    for spent in inputs:
        postings.append(Posting(clearing, accounts.onchain(currency, spent.owner.location), spent.amount))
    for change in changes:
        location = accounts.onchain(currency, change.owner.location)
        postings.append(Posting(location, clearing, change.receipt.amount))
    return postings, _total(inputs) - sum(change.receipt.amount for change in changes)


def _note_moves(
    book: BlockBook, txid: str, inputs: Sequence[Input], changes: Sequence[Change], journal_id: int
) -> None:
    """The movements that an entry books."""
    _move_inputs(book, txid, inputs, journal_id)
    for change in changes:
        book_movement(book, book.coin(book.chain), change.owner, change.receipt, journal_id)


def withdrawn(
    book: BlockBook, currency: str, source: str, amount: int, txid: str, position: str
) -> list[Posting]:
    """What the house took out of cold storage as announced: out of its own money, and what is more than it
    has is unexplained, with a case."""
    house = accounts.house(currency)
    covered = min(book.tx.balance(house), amount)
    postings = [Posting(house, source, covered)] if covered else []
    gone = amount - covered
    if gone:
        postings.append(Posting(accounts.unexplained(currency), source, gone))
        reason = "more left the cold address than the house has"
        book.open_case("unexplained", currency, gone, txid, position, reason, None)
    return postings


def _take(book: BlockBook, txid: str, outpoint: Outpoint) -> Input:
    """Mark an output as spent. Raises BlockRefusedError for one that is not there to be spent."""
    key = (book.chain, outpoint.txid, outpoint.index)
    row = book.tx.db.execute(
        "SELECT u.currency, u.amount, u.spent_by, s.sequence, s.branch, u.location, s.client_id, s.address"
        " FROM utxo u JOIN own_script s ON s.sequence = u.script_sequence"
        " WHERE u.chain = ? AND u.txid = ? AND u.output_index = ?",
        key,
    ).fetchone()
    if row is None or row[2] is not None:
        state = "does not exist" if row is None else f"was spent by {row[2]}"
        raise BlockRefusedError(f"{txid} spends {outpoint.txid}:{outpoint.index}, which {state}")
    book.tx.db.execute(
        "UPDATE utxo SET spent_by = ?, spent_height = ?, spent_hash = ?"
        " WHERE chain = ? AND txid = ? AND output_index = ?",
        (txid, book.ref.height, book.ref.block_hash, *key),
    )
    owner = Owner(row[3], Branch(row[4]), Location(row[5]), row[6], row[7])
    return Input(outpoint, row[0], int(row[1]), owner)


def _move_inputs(book: BlockBook, txid: str, inputs: Sequence[Input], journal_id: int | None) -> None:
    for spent in inputs:
        position = f"in:{spent.outpoint.txid}:{spent.outpoint.index}"
        book.move(spent.currency, txid, position, spent.owner, -spent.amount, journal_id)


def _book_own(
    book: BlockBook, attempt: AttemptRow, txid: str, inputs: Sequence[Input], changes: Sequence[Change]
) -> None:
    """One entry per chain tx of ours; the clearing account takes the inputs and ends at zero.

    A payee whose address became ours after the payout was asked for (a cold address of today) is paid all
    the same: what came there is nobody's change.
    """
    currency = attempt.currency
    payees = 1 + len(plan_of(attempt).more) if attempt.kind == PAYOUT else 0
    own = [change for change in changes if int(change.receipt.position) >= payees]
    clearing = accounts.chain_tx(currency)
    postings, rest = _through_clearing(currency, inputs, own)
    for withdrawal in paid_withdrawals(book, attempt):
        if withdrawal.kind != COLD:  # the cold address is ours: its output is one of the changes
            postings += payee_postings(withdrawal, clearing)
            rest -= withdrawal.amount
    if rest < 0:
        raise BlockRefusedError(f"{txid} pays out {-rest} more than it spends")
    if rest:
        postings.append(Posting(accounts.network_fee(currency), clearing, rest))
    kind = PAYOUT if attempt.withdrawal_id is not None else attempt.kind
    journal_id = book.post(kind, "attempt", attempt.id, postings, txid)
    open_released(book, attempt, txid)
    _note_moves(book, txid, inputs, own, journal_id)
    for change in changes:
        if change not in own:
            book_funding(book, book.coin(currency), change.owner, change.receipt)


def paid_withdrawals(book: BlockBook, attempt: AttemptRow) -> list[WithdrawalRow]:
    """The withdrawals an attempt pays."""
    return read_withdrawals(book.tx.db, PAID_BY, (attempt.id,))


def payee_postings(withdrawal: WithdrawalRow, source: str) -> list[Posting]:
    """What a mined payout takes from the client's reserve: the amount to ``source``, the fee to us.

    Money of a withdrawal that was released already left without the client paying for it.
    """
    currency = withdrawal.currency
    if withdrawal.status in RELEASED:
        return [Posting(accounts.unexplained(currency), source, withdrawal.amount)]
    reserved = reserve_of(withdrawal)
    postings = [Posting(reserved, source, withdrawal.amount)]
    if withdrawal.fee:
        postings.append(Posting(reserved, accounts.withdrawal_fee(currency), withdrawal.fee))
    return postings


def open_released(book: BlockBook, attempt: AttemptRow, txid: str) -> None:
    """A case for a withdrawal whose money was given back and that is paid now after all."""
    for withdrawal in paid_withdrawals(book, attempt):
        if withdrawal.status in RELEASED and withdrawal.kind != COLD:
            reason = f"withdrawal {withdrawal.id} was {withdrawal.status} and is paid"
            book.open_case(
                "unexplained", withdrawal.currency, withdrawal.amount, txid, withdrawal.id, reason, None
            )


def include_attempt(book: BlockBook, attempt: AttemptRow, is_success: bool) -> None:
    """The attempt is in this block: its withdrawals and its sweep wait for the block's depth."""
    event = AttemptEvent.INCLUDED if is_success else AttemptEvent.REVERTED
    move_attempt(book.tx, attempt, event, Who.CHAIN)
    book.tx.db.execute(
        "UPDATE attempt SET block_height = ?, block_hash = ? WHERE id = ?",
        (book.ref.height, book.ref.block_hash, attempt.id),
    )
    coin = book.coin(attempt.currency)
    final_height = book.ref.height + coin.final_depth - 1
    due_height = book.ref.height + coin.confirmations - 1 if is_success else final_height
    for withdrawal in paid_withdrawals(book, attempt):
        if withdrawal.status not in RELEASED:
            row = replace(
                withdrawal,
                txid=attempt.txid,
                block_height=book.ref.height,
                block_hash=book.ref.block_hash,
                due_height=due_height,
                attention=not is_success,
                waiting_for=None,
            )
            moved = move_withdrawal(book.tx, row, WithdrawalEvent.INCLUDED, Who.CHAIN)
            if not is_success and not withdrawal.attention:
                tell_withdrawal(book.tx, moved, "withdrawal.attention")
    drop_unsigned_child(book.tx, attempt)
    if attempt.withdrawal_id is None:
        move_sweep(book.tx, attempt.intent_id, SweepEvent.INCLUDED, final_height)


def _book_unexplained(book: BlockBook, txid: str, inputs: Sequence[Input]) -> None:
    """Money gone that we did not send: booked as such, a case, and never guessed at."""
    for currency in sorted({spent.currency for spent in inputs}):
        mine = [spent for spent in inputs if spent.currency == currency]
        postings = [
            Posting(
                accounts.unexplained(currency), accounts.onchain(currency, spent.owner.location), spent.amount
            )
            for spent in mine
        ]
        journal_id = book.post("unexplained", "chain_tx", txid, postings, txid)
        _move_inputs(book, txid, mine, journal_id)
        total = sum(spent.amount for spent in mine)
        book.open_case(
            "unexplained", currency, total, txid, "spend", "no attempt of ours is this chain tx", None
        )


def _mark_conflicts(book: BlockBook, inputs: Sequence[Input]) -> None:
    """Attempts that wanted an output that is gone now can not be mined while this block stands."""
    for spent in inputs:
        rows = read_attempts(
            book.tx.db,
            "a.id IN (SELECT n.attempt_id FROM attempt_input n WHERE n.chain = ? AND n.txid = ?"
            " AND n.output_index = ?) AND a.state IN ('prepared', 'signed', 'broadcast', 'unknown')",
            (book.chain, spent.outpoint.txid, spent.outpoint.index),
        )
        for row in rows:
            conflict_attempt(
                book, row, f"{spent.outpoint.txid}:{spent.outpoint.index} was spent by another chain tx"
            )


def conflict_attempt(book: BlockBook, row: AttemptRow, detail: str) -> None:
    """A chain tx that is not ours took an attempt's input or nonce. Nothing is released."""
    moved = move_attempt(book.tx, row, AttemptEvent.CONFLICTED, Who.CHAIN, detail)
    conflict_children(book.tx, row, detail)
    if moved.state == "conflicted":
        for withdrawal in paid_withdrawals(book, row):
            set_attention(book.tx, withdrawal.id, True)
