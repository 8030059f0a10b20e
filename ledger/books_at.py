"""The books as they stood at a block, from account balances and the journal.

An entry with a height stands at that height; a contra entry has the height of what it undoes, so what a
reorg took away is gone at every height. An entry without one (a transfer, an opened withdrawal, a
write-off) stands at the block the chain was at when it was booked: at height H it counts unless an entry
of the chain above H was booked before it. So the books at H are those of now without what was booked
since the first entry above H, as far as that stands above H or has no height.
"""

from __future__ import annotations

from coins.types import Location
from ledger.accounts import DEBIT_NORMAL
from ledger.connection import Database
from ledger.difference import CORRECTIONS
from ledger.views import BooksAt

SIDES = {
    "liability": "liabilities",
    "revenue": "revenue",
    "equity": "equity",
    "expense": "expenses",
    "clearing": "clearing",
}
LEFT = ("onchain", "deficit", "unexplained", "expenses")
RIGHT = ("liabilities", "revenue", "equity")
"""The equation of a currency: what is on the left sums to what is on the right, at every block."""


def books_at(db: Database, chain: str, currency: str, height: int) -> BooksAt:
    """What is onchain by location, and the sums of the equation, at ``height`` of ``chain``.

    Costs the accounts of the currency and what was booked since.
    """
    held: dict[int, tuple[str, str, int]] = {}
    for account_id, name, account_class, balance in db.execute(
        "SELECT id, name, class, balance FROM account WHERE currency = ?", (currency,)
    ):
        held[account_id] = (name, account_class, int(balance))
    since: dict[int, int] = {}
    for debit_id, credit_id, amount in _booked_since(db, chain, currency, height):
        since[debit_id] = since.get(debit_id, 0) + int(amount)
        since[credit_id] = since.get(credit_id, 0) - int(amount)
    onchain = dict.fromkeys(Location, 0)
    totals = dict.fromkeys((*LEFT, *RIGHT, "clearing"), 0)
    for account_id, (name, account_class, balance) in held.items():
        debited = since.get(account_id, 0)
        balance -= debited if account_class in DEBIT_NORMAL else -debited
        kind, _, rest = name.partition(":")
        totals[side_of(kind, account_class)] += balance
        if kind == "onchain":
            onchain[Location(rest.rpartition(":")[2])] = balance
    return BooksAt(currency, onchain, totals, change_at(db, chain, currency, height))


def change_at(db: Database, chain: str, currency: str, height: int) -> int | None:
    """What lies on change scripts at ``height`` by the books' outputs; None while no such script was issued.

    Outputs unspent now, less what the blocks above ``height`` brought and took.
    """
    issued = db.execute(
        "SELECT 1 FROM script_reservation WHERE currency = ? AND branch = 'change' LIMIT 1", (currency,)
    ).fetchone()
    if issued is None:
        return None
    # That it is not cold is said for the index of unspent outputs, which is made with these words.
    now = db.execute(
        "SELECT u.amount FROM utxo u JOIN own_script s ON s.sequence = u.script_sequence WHERE u.chain = ?"
        " AND u.spent_by IS NULL AND u.location <> 'cold' AND u.location = 'hot' AND s.branch = 'change'",
        (chain,),
    )
    since = db.execute(
        "SELECT m.delta FROM block b"
        " JOIN chain_movement m ON m.chain = b.chain AND m.block_hash = b.block_hash"
        " JOIN own_script s ON s.sequence = m.script_sequence WHERE b.chain = ? AND b.height > ?"
        " AND m.is_disconnected = 0 AND s.branch = 'change'",
        (chain, height),
    )
    lies = sum(int(amount) for (amount,) in now) - sum(int(delta) for (delta,) in since)
    return lies + _corrected_change(db, chain, currency, height)


def _corrected_change(db: Database, chain: str, currency: str, height: int) -> int:
    """What operators corrected at ``change`` until ``height``: outputs know nothing of it."""
    first = _first_above(db, chain, height)
    return sum(
        int(amount) if debit.startswith("onchain:") else -int(amount)
        for debit, amount in db.execute(
            "SELECT d.name, p.amount FROM journal j JOIN unclaimed_case k ON k.id = j.ref_id"
            " JOIN posting p ON p.journal_id = j.id JOIN account d ON d.id = p.debit_id"
            " WHERE j.kind IN (?, ?) AND j.ref_type = 'case' AND p.currency = ?"
            " AND k.position LIKE '%:change:%' AND (? IS NULL OR j.id < ?)",
            (*CORRECTIONS, currency, first, first),
        )
    )


def is_balanced(totals: dict[str, int]) -> bool:
    """Whether onchain + deficit + unexplained + expenses = liabilities + revenue + equity."""
    left, right = (sum(totals[name] for name in side) for side in (LEFT, RIGHT))
    return left == right and totals["clearing"] == 0


def side_of(kind: str, account_class: str) -> str:
    """The sum of the equation that an account belongs to."""
    return "deficit" if kind == "client_deficit" else SIDES.get(account_class, kind)


def _booked_since(db: Database, chain: str, currency: str, height: int) -> list[tuple[int, int, str]]:
    """(debit account, credit account, amount) of what does not stand at ``height``."""
    first = _first_above(db, chain, height)
    if first is None:
        return []
    return db.execute(
        "SELECT p.debit_id, p.credit_id, p.amount FROM journal j JOIN posting p ON p.journal_id = j.id"
        " WHERE j.id >= ? AND p.currency = ? AND (j.height IS NULL OR j.height > ?)",
        (first, currency, height),
    ).fetchall()


def _first_above(db: Database, chain: str, height: int) -> int | None:
    """The first entry booked above a height of a chain."""
    first: int | None = db.execute(
        "SELECT min(id) FROM journal WHERE chain = ? AND height > ?", (chain, height)
    ).fetchone()[0]
    return first
