"""Books token units that leave accounts of ours: payouts, sweeps, and what left without us.

A token's event is what counts, never the status of its chain tx alone: a token may answer false and
move nothing, keep a fee of what it moves, or let somebody else move what is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coins.types import Block, Location, TokenSend
from ledger import accounts
from ledger.attempt_row import AttemptRow, plan_of
from ledger.block_book import BlockBook, Owner, add_to_script
from ledger.coin_row import CoinRow
from ledger.connect import Mirrored, is_announced
from ledger.errors import BlockRefusedError
from ledger.journal import Posting
from ledger.send import meet_shortage
from ledger.spend import paid_withdrawals, payee_postings, withdrawn
from ledger.withdrawal_row import COLD

UNREAD = "plan"
"""Position of a send that nobody saw, because the token is not watched now, and that is taken as done."""


@dataclass(frozen=True, slots=True)
class _Page:
    """What booking the token sends of one block needs; ``arrived`` is by (currency, txid, position)."""

    book: BlockBook
    arrived: Mapping[tuple[str, str, str], int]
    mirrored: Mirrored


def connect_token_sends(
    book: BlockBook, block: Block, attempts: dict[str, AttemptRow], mirrored: Mirrored
) -> frozenset[str]:
    """Book every send of token units; answers the txids of attempts that moved what they were signed for."""
    arrived = {(r.currency, r.txid, r.position): r.amount for r in block.receipts}
    sends: dict[tuple[str, str], list[TokenSend]] = {}
    for send in (*block.token_sends, *_unread(book, block, attempts)):
        if send.amount:
            sends.setdefault((send.txid, send.currency), []).append(send)
        if send.position == UNREAD:
            arrived[send.currency, send.txid, send.position] = send.amount
    page, moved, sent = _Page(book, arrived, mirrored), set(), {tx.txid for tx in block.sent}
    for (txid, currency), group in sends.items():
        attempt = attempts.get(txid)
        if attempt is not None and txid not in sent:
            raise BlockRefusedError(f"{txid} is ours, and the node tells another sender of it")
        own = [s for s in group if attempt and attempt.currency == currency and s.sender == attempt.sender]
        if attempt is not None and own:
            if _book_own(page, attempt, own):
                moved.add(txid)
            else:
                _book_others(page, own)
        _book_others(page, [send for send in group if send not in own])
    return frozenset(moved)


def _unread(book: BlockBook, block: Block, attempts: dict[str, AttemptRow]) -> list[TokenSend]:
    """What successful attempts in tokens that are out of the configuration were signed to move.

    Nobody reads the events of such a token. To take the payout as failed might pay it twice.
    """
    found = []
    for tx in block.sent:
        attempt = attempts.get(tx.txid)
        if attempt is None or not tx.is_success or attempt.currency == book.chain:
            continue
        if not book.coin(attempt.currency).is_configured:
            payee = plan_of(attempt).outputs[0]
            found.append(TokenSend(attempt.currency, tx.txid, UNREAD, tx.sender, payee.script, payee.amount))
    return found


def _book_own(page: _Page, attempt: AttemptRow, sends: Sequence[TokenSend]) -> bool:
    """Book what an attempt of ours moved; False, and nothing booked, when that is not what was signed.

    A fee on top of the amount is the house's; what is more than the amount itself is no fee, and holds the
    token's payouts. What a token takes out of the amount is the payee's in a
    payout, and the house's in a sweep.
    """
    book, payee = page.book, plan_of(attempt).outputs[0]
    coin, owner = book.coin(attempt.currency), book.owner(sends[0].sender)
    total = sum(send.amount for send in sends)
    paid = sum(send.amount for send in sends if send.recipient == payee.script)
    source, fee = accounts.onchain(coin.currency, owner.location), accounts.token_fee(coin.currency)
    withdrawals = paid_withdrawals(book, attempt) if attempt.kind != COLD else []
    if withdrawals:
        if not paid or payee.amount not in (paid, total):
            return False
        postings = [part for each in withdrawals for part in payee_postings(each, source)]
        lost = total - payee.amount
    else:
        arrived = _arrived(page, sends)
        if not arrived:
            return False
        target = accounts.onchain(coin.currency, book.owner(payee.script).location)
        postings = [Posting(target, source, arrived)] if target != source else []
        lost = total - arrived
    is_fee = lost <= payee.amount
    if lost:
        postings.append(Posting(fee if is_fee else accounts.unexplained(coin.currency), source, lost))
    txid = sends[0].txid
    if not is_fee:
        reason = "far more left than was signed: that is no fee"
        book.open_case("unexplained", coin.currency, lost, txid, sends[0].position, reason, None, owner)
    meet_shortage(book, coin, owner, txid, total, f"unseen:{sends[0].position}")
    kind = "payout" if withdrawals else "internal"
    journal_id = book.post(kind, "attempt", attempt.id, postings, txid)
    for send in sends:
        _move(page, coin, owner, send, journal_id)
    return True


def _arrived(page: _Page, sends: Sequence[TokenSend]) -> int:
    """What of some sends reached accounts of ours that this side books."""
    return sum(_arrives(page, send) for send in sends)


def _arrives(page: _Page, send: TokenSend) -> int:
    """What a send brought to an account of ours, at most what left; 0 when its receipt is booked itself."""
    is_ours = send.position == UNREAD and page.book.find_owner(send.recipient) is not None
    if not is_ours and (send.txid, send.position, send.recipient) not in page.mirrored:
        return 0
    return min(page.arrived.get((send.currency, send.txid, send.position), 0), send.amount)


def _book_others(page: _Page, sends: Sequence[TokenSend]) -> None:
    """Units that left without us, or not as signed: inside the house when they came to us, else gone."""
    book = page.book
    for send in sends:
        coin, owner = book.coin(send.currency), book.owner(send.sender)
        meet_shortage(book, coin, owner, send.txid, send.amount, f"unseen:{send.position}")
        source = accounts.onchain(coin.currency, owner.location)
        arrives, postings = _arrives(page, send), []
        if arrives:
            target = accounts.onchain(coin.currency, book.owner(send.recipient).location)
            postings += [Posting(target, source, arrives)] if target != source else []
        gone = send.amount - arrives
        if gone and owner.location is Location.COLD and is_announced(book, coin.currency, send.txid):
            postings += withdrawn(book, coin.currency, source, gone, send.txid, send.position)
        elif gone:
            postings.append(Posting(accounts.unexplained(coin.currency), source, gone))
            reason = "token units left, and no attempt of ours is this send"
            book.open_case("unexplained", coin.currency, gone, send.txid, send.position, reason, None, owner)
        kind = "unexplained" if gone else "internal"
        journal_id = book.post(kind, "chain_tx", send.txid, postings, send.txid) if postings else None
        _move(page, coin, owner, send, journal_id)


def _move(page: _Page, coin: CoinRow, owner: Owner, send: TokenSend, journal_id: int | None) -> None:
    """Note what the send took from its account, and what it brought to another one of ours."""
    book = page.book
    book.move(coin.currency, send.txid, f"send:{send.position}", owner, -send.amount, journal_id)
    add_to_script(book.tx, coin, owner.sequence, -send.amount)
    arrives = _arrives(page, send)
    if arrives:
        to = book.owner(send.recipient)
        book.move(coin.currency, send.txid, send.position, to, arrives, journal_id)
        add_to_script(book.tx, coin, to.sequence, arrives)
