"""A node whose answers about one block contradict each other, as cases; they end when it is consistent again.

Nothing of such answers is compared with the books, and no money is missing because of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from coins.types import BlockRef
from ledger.block_book import BlockBook
from ledger.case import CaseEvent, CaseKind
from ledger.case_row import read_cases, to_view
from ledger.context import Tx
from ledger.machine import Who
from ledger.reconciliation_command import RecordNodeDoubt
from ledger.transition import move_case
from ledger.views import CaseView

_OPEN = "c.currency = ? AND c.kind = 'node_doubt' AND c.status = 'open' ORDER BY c.ordinal"


def record_node_doubt(tx: Tx, command: RecordNodeDoubt) -> tuple[CaseView, ...]:
    """One case per location, comparison and block; what is open for a location without one stays alone."""
    coin = tx.coin(command.currency)
    ref = BlockRef(command.height, command.block_hash, "")
    book = BlockBook(tx, coin.chain, ref, {coin.currency: coin})
    held = read_cases(tx.db, _OPEN, (coin.currency,))
    known = {(case.position.partition(":")[0], case.position.split(":")[1]) for case in held}
    for found in command.found:
        if (command.comparison, found.location) in known:
            continue
        position = f"{command.comparison}:{found.location}:{found.script.hex()}"
        owner = book.find_owner(found.script) if found.script else None
        reason = f"{found.kind}: {found.detail}"
        amount, txid = abs(found.amount), command.block_hash
        book.open_case(CaseKind.NODE_DOUBT, coin.currency, amount, txid, position, reason, None, owner)
    cases = read_cases(tx.db, _OPEN, (coin.currency,))
    return tuple(to_view(tx.db, case, command.height) for case in cases)


def close_node_doubts(tx: Tx, currency: str, height: int) -> None:
    """The node told one thing, and the same whenever it was asked: what it said before is over."""
    for case in read_cases(tx.db, _OPEN, (currency,)):
        reason = f"the node is of one mind again at block {height}"
        move_case(tx, case, CaseEvent.VANISHED, Who.CHAIN, "reconciler", reason)


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {RecordNodeDoubt: record_node_doubt}
