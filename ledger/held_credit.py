"""Credits that a doubt about the node held back, once it is over: no new block is needed for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ledger.block_book import BlockBook
from ledger.chain_delta import coins_of
from ledger.commands import CreditDue
from ledger.context import Tx
from ledger.currency import tip_of
from ledger.errors import ParentMismatchError
from ledger.settle import settle


def credit_due(tx: Tx, command: CreditDue) -> int:
    """Take every step that is due at our tip, once, as if its block came now; answers the credits.

    The tags are those of the tip's block. Raises ParentMismatchError when ``tip_hash`` is not our tip.
    """
    tip = tip_of(tx, command.chain)
    if tip is None or tip.block_hash != command.tip_hash:
        raise ParentMismatchError(f"{command.tip_hash} is not our tip of {command.chain}")
    safe_height, finalized_height = tx.db.execute(
        "SELECT safe_height, finalized_height FROM block WHERE chain = ? AND height = ?",
        (command.chain, tip.height),
    ).fetchone()
    book = BlockBook(
        tx,
        command.chain,
        tip,
        coins_of(tx, command.chain),
        safe_height=safe_height,
        finalized_height=finalized_height,
        credit_height=command.credit_height,
    )
    return settle(book)


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {CreditDue: credit_due}
