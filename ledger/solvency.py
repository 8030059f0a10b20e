"""Whether the chain holds what clients are owed, in one currency."""

from __future__ import annotations

from ledger.connection import Database


def surplus(db: Database, currency: str) -> int:
    """Everything onchain less everything owed (clients, suspense, refunds), in base units.

    Below zero the currency is *short*: the house must fund the hot wallet first. Taken from the other
    side of the balance sheet (revenue + equity - expenses - unexplained - deficits), which needs no sum
    over all clients.
    """
    total = 0
    for name, account_class, balance in db.execute(
        "SELECT name, class, balance FROM account WHERE currency = ? AND client_id IS NULL", (currency,)
    ):
        if account_class in ("revenue", "equity"):
            total += int(balance)
        elif account_class == "expense" or name.startswith("unexplained:"):
            total -= int(balance)
    for (balance,) in db.execute(
        "SELECT balance FROM account WHERE currency = ? AND class = 'asset' AND client_id IS NOT NULL",
        (currency,),
    ):
        total -= int(balance)
    return total
