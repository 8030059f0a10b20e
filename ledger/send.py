"""Books chain tx that accounts of ours sent: payouts, sweeps, gas, and sends that are not ours."""

from __future__ import annotations

from coins.types import AccountTx, Block, Branch, Location
from ledger import accounts
from ledger.attempt_row import AttemptRow, is_cancel, plan_of, read_attempts
from ledger.block_book import BlockBook, Owner, add_to_script
from ledger.coin_row import CoinRow
from ledger.connect import Mirrored, is_announced
from ledger.errors import BlockRefusedError
from ledger.journal import Posting
from ledger.spend import (
    conflict_attempt,
    include_attempt,
    open_released,
    paid_withdrawals,
    payee_postings,
    withdrawn,
)
from ledger.withdrawal_row import COLD


def mirrored_sends(book: BlockBook, block: Block, attempts: dict[str, AttemptRow]) -> Mirrored:
    """Sends between accounts of ours, native or of a token, which the sending side books whole.

    To a client's deposit account only a send of our own that pays no withdrawal is one (gas); anything
    else that reaches a client's account is the client's.
    """
    moves = [(tx.txid, "native", tx.recipient) for tx in block.sent if tx.is_success]
    moves += [(send.txid, send.position, send.recipient) for send in block.token_sends if send.amount]
    found = set()
    for txid, position, recipient in moves:
        owner = book.find_owner(recipient) if recipient is not None else None
        if owner is None or recipient is None:
            continue
        attempt = attempts.get(txid)
        is_internal = attempt is not None and (attempt.withdrawal_id is None or attempt.kind == COLD)
        if is_internal or (attempt is None and owner.branch is not Branch.DEPOSIT):
            found.add((txid, position, recipient))
    return frozenset(found)


def connect_sends(
    book: BlockBook,
    block: Block,
    attempts: dict[str, AttemptRow],
    mirrored: Mirrored,
    moved: frozenset[str],
) -> None:
    """Book every chain tx that an account of ours sent, in the order of the block.

    ``moved`` are the txids of token attempts that moved what they were signed for; another one had no
    effect, whatever its status says: the token answered false.
    """
    coin = book.coin(book.chain) if block.sent else None
    for tx in block.sent:
        if coin is None:
            continue
        owner, attempt = book.owner(tx.sender), attempts.get(tx.txid)
        value = tx.amount if tx.is_success else 0
        _refuse_used_nonce(book, tx)
        meet_shortage(book, coin, owner, tx.txid, value + tx.gas_fee)
        if attempt is not None:
            _check_own(book, attempt, tx)
        is_native = attempt is None or attempt.currency == book.chain
        pays = attempt is None or not is_cancel(attempt)
        if value or (attempt is not None and is_native and tx.is_success and pays):
            _book_value(book, coin, owner, tx, attempt, mirrored)
        if tx.gas_fee:
            _book_gas(book, coin, owner, tx)
        _note_nonce(book, tx)
        if attempt is not None:
            include_attempt(book, attempt, tx.is_success and pays and (is_native or tx.txid in moved))
        elif not _is_from_cold(book, owner, tx.txid, value):
            reason = "no attempt of ours is this chain tx"
            book.open_case("unexplained", coin.currency, value, tx.txid, "value", reason, None, owner)
            _mark_conflicts(book, tx)


def _is_from_cold(book: BlockBook, owner: Owner, txid: str, value: int) -> bool:
    """Whether somebody used the key of the cold address and told so before.

    What moves nothing of the chain's own currency may have been told of a token that it moves.
    """
    names = (book.chain,) if value else tuple(book.coins)
    return owner.location is Location.COLD and any(is_announced(book, name, txid) for name in names)


def _refuse_used_nonce(book: BlockBook, tx: AccountTx) -> None:
    """An account uses a nonce once: a node that shows a payout and its replacement is not believed."""
    condition = "a.sender = ? AND a.nonce = ? AND a.state IN ('mined', 'reverted')"
    for other in read_attempts(book.tx.db, condition, (tx.sender, tx.nonce)):
        if other.currency in book.coins:
            raise BlockRefusedError(f"{tx.txid} has the nonce {tx.nonce} that {other.txid} has used")


def _check_own(book: BlockBook, attempt: AttemptRow, tx: AccountTx) -> None:
    """A txid fixes its content: a node that tells another story about ours is not believed.

    A payment in a token moves nothing of the chain's own currency.
    """
    if attempt.sender != tx.sender or attempt.nonce != tx.nonce:
        raise BlockRefusedError(f"{tx.txid} has another sender or nonce than we signed")
    expected = plan_of(attempt).outputs[0].amount if attempt.currency == book.chain else 0
    if tx.amount != expected:
        raise BlockRefusedError(f"{tx.txid} moves {tx.amount}, we signed {expected}")


def meet_shortage(
    book: BlockBook, coin: CoinRow, owner: Owner, txid: str, needed: int, position: str = "unseen"
) -> None:
    """An account that sends more than we saw it get was paid unseen (inside a contract call).

    ``position`` tells the sends of one chain tx apart: what each of them lacked is a case of its own.
    """
    row = book.tx.db.execute(
        "SELECT amount FROM script_balance WHERE script_sequence = ? AND currency = ?",
        (owner.sequence, coin.currency),
    ).fetchone()
    missing = needed - int(row[0] if row else 0)
    if missing <= 0:
        return
    location = accounts.onchain(coin.currency, owner.location)
    posting = Posting(location, accounts.suspense(coin.currency), missing)
    journal_id = book.post("unseen", "receipt", f"{txid}:{position}", [posting], txid)
    book.move(coin.currency, txid, position, owner, missing, journal_id)
    add_to_script(book.tx, coin, owner.sequence, missing)
    reason = "spent more than was seen coming"
    book.open_case("unseen", coin.currency, missing, txid, position, reason, None, owner)


def _book_value(
    book: BlockBook,
    coin: CoinRow,
    owner: Owner,
    tx: AccountTx,
    attempt: AttemptRow | None,
    mirrored: Mirrored,
) -> None:
    """The value a successful send moved: to a payee, to another account of ours, or away."""
    source = accounts.onchain(coin.currency, owner.location)
    is_internal = tx.recipient is not None and (tx.txid, "native", tx.recipient) in mirrored
    withdrawals = paid_withdrawals(book, attempt) if attempt is not None else []
    postings: list[Posting] = []
    if is_internal and tx.recipient is not None:
        to = book.owner(tx.recipient)
        target = accounts.onchain(coin.currency, to.location)
        if target != source:
            postings.append(Posting(target, source, tx.amount))
    elif withdrawals:
        for withdrawal in withdrawals:
            paid_from = accounts.onchain(withdrawal.currency, owner.location)
            postings += payee_postings(withdrawal, paid_from)
    elif attempt is None and _is_from_cold(book, owner, tx.txid, tx.amount):
        postings += withdrawn(book, coin.currency, source, tx.amount, tx.txid, "cold")
    else:
        postings.append(Posting(accounts.unexplained(coin.currency), source, tx.amount))
    kind = "internal" if is_internal else "payout" if withdrawals else "unexplained"
    ref = ("attempt", attempt.id) if attempt is not None else ("chain_tx", tx.txid)
    journal_id = book.post(kind, *ref, postings, tx.txid) if postings else None
    if attempt is not None:
        open_released(book, attempt, tx.txid)
    if tx.amount:
        book.move(coin.currency, tx.txid, "value", owner, -tx.amount, journal_id)
        add_to_script(book.tx, coin, owner.sequence, -tx.amount)
    if is_internal and tx.recipient is not None:
        to = book.owner(tx.recipient)
        book.move(coin.currency, tx.txid, "native", to, tx.amount, journal_id)
        add_to_script(book.tx, coin, to.sequence, tx.amount)


def _book_gas(book: BlockBook, coin: CoinRow, owner: Owner, tx: AccountTx) -> None:
    """Gas is paid by the sender whether or not the chain tx did anything."""
    posting = Posting(
        accounts.network_fee(coin.currency), accounts.onchain(coin.currency, owner.location), tx.gas_fee
    )
    journal_id = book.post("gas", "chain_tx", tx.txid, [posting], tx.txid)
    book.move(coin.currency, tx.txid, "gas", owner, -tx.gas_fee, journal_id)
    add_to_script(book.tx, coin, owner.sequence, -tx.gas_fee)


def _note_nonce(book: BlockBook, tx: AccountTx) -> None:
    """The lane moves on with what the chain saw; the movement lets a reorg move it back."""
    book.move(book.chain, tx.txid, "nonce", book.owner(tx.sender), 0, None, tx.nonce)
    book.tx.db.execute(
        "INSERT INTO nonce_lane (chain, sender, next_nonce) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET next_nonce = max(next_nonce, excluded.next_nonce)",
        (book.chain, tx.sender, tx.nonce + 1),
    )


def _mark_conflicts(book: BlockBook, tx: AccountTx) -> None:
    """Attempts with the nonce that an unknown chain tx used can not be mined while this block stands."""
    rows = read_attempts(
        book.tx.db,
        "a.sender = ? AND a.nonce = ? AND a.state IN ('prepared', 'signed', 'broadcast', 'unknown')",
        (tx.sender, tx.nonce),
    )
    for row in rows:
        if book.coins.get(row.currency) is not None:
            conflict_attempt(book, row, f"nonce {tx.nonce} was used by {tx.txid}")
