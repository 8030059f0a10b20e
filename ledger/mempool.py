"""What the mempool says about deposits: shown to the client, never credited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from coins.types import BlockRef, Receipt
from ledger import deposit_row
from ledger.block_book import BlockBook
from ledger.chain_delta import check_amount, coins_of
from ledger.codec import to_dict
from ledger.commands import ApplyMempool
from ledger.connect import insert_deposit, new_deposit
from ledger.context import Tx
from ledger.deposit import DEPOSIT, DepositEvent, DepositState
from ledger.machine import Who, advance
from ledger.spend import own_attempts
from ledger.transition import move_deposit, tip_height


def apply_mempool(tx: Tx, command: ApplyMempool) -> int:
    """New receipts become ``seen``, vanished ones ``conflicted``; answers how many changed."""
    tip = tip_height(tx, command.chain)
    book = BlockBook(tx, command.chain, BlockRef(tip or 0, "", ""), coins_of(tx, command.chain))
    changed = 0
    for receipt in command.view.receipts:
        check_amount(receipt.amount, f"receipt {receipt.txid}:{receipt.position}")
        changed += _see(book, receipt, tip)
    waiting = deposit_row.read_deposits(
        tx.db, "d.chain = ? AND d.status = ?", (command.chain, DepositState.SEEN)
    )
    for row in waiting:
        if row.txid not in command.view.txids:
            move_deposit(tx, row, DepositEvent.VANISHED, tip)
            changed += 1
    return changed


def _see(book: BlockBook, receipt: Receipt, tip: int | None) -> int:
    """Show a client's unconfirmed receipt; nothing is shown for the house's own scripts."""
    coin, owner = book.coin(receipt.currency), book.owner(receipt.script)
    if owner.client_id is None or receipt.amount == 0:
        return 0
    if any(attempt.withdrawal_id is None for attempt in own_attempts(book, [receipt.txid]).values()):
        return 0  # gas that we send to a client's account ourselves
    held = deposit_row.read_deposits(
        book.tx.db,
        "d.chain = ? AND d.currency = ? AND d.txid = ? AND d.position = ?",
        (book.chain, receipt.currency, receipt.txid, receipt.position),
    )
    if held:
        if held[0].status is not DepositState.CONFLICTED:
            return 0
        move_deposit(book.tx, replace(held[0], reason=None), DepositEvent.SEEN, tip)
        return 1
    step = advance(DEPOSIT, None, DepositEvent.SEEN, Who.CHAIN)
    row = new_deposit(book.chain, coin, owner, receipt, book.tx.now_s, step.to, receipt.amount)
    insert_deposit(book, row)
    book.tx.emit("deposit.seen", "deposit", row.id, row.client_id, to_dict(deposit_row.to_view(row, tip)))
    return 1


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {ApplyMempool: apply_mempool}
