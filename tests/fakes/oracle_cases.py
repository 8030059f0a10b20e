"""The independent judge of the books: what is told of money that credits nobody."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator

RELEASED = ("rejected", "cancelled", "failed")

_NO_BLOCK = ("shortage", "illiquid", "node_doubt")
"""Kinds about what is missing or stuck, whatever block it is in, and about the node, in whatever block."""


def check_cases(db: sqlite3.Connection) -> Iterator[str]:
    """I-22: suspense is what open cases say, and case, deposit, refund and block tell one story."""
    waiting: dict[str, int] = defaultdict(int)
    sql = "SELECT case_id, status FROM withdrawal WHERE case_id IS NOT NULL ORDER BY ordinal"
    refunds = dict(db.execute(sql))
    for case_id, kind, currency, amount, status, client_id, block_hash, held, deposit in db.execute(
        "SELECT c.id, c.kind, c.currency, c.amount, c.status, c.client_id, c.block_hash, b.block_hash,"
        " d.status FROM unclaimed_case c"
        " LEFT JOIN block b ON b.chain = c.chain AND b.block_hash = c.block_hash"
        " LEFT JOIN deposit d ON d.id = c.deposit_id"
    ):
        story = f"I-22 case {case_id} of {kind} is {status}"
        if status == "open" and kind in ("parked", "funding", "unseen"):
            waiting[f"suspense:{currency}"] += int(amount)
        if block_hash != held or (block_hash is None and status == "open" and kind not in _NO_BLOCK):
            yield f"{story}, its block {block_hash} is not applied"
        is_parked = kind == "parked" and (status not in ("assigned", "closed") or client_id == "house")
        if (deposit == "parked") != is_parked:
            yield f"{story}, its deposit {deposit}"
        refund = refunds.get(case_id)
        is_flying = refund not in (None, "final", *RELEASED)
        if (status == "refunding", status == "refunded") != (is_flying, refund == "final"):
            yield f"{story}, its refund {refund}"
        last = db.execute(
            "SELECT status FROM case_history WHERE case_id = ? ORDER BY id DESC LIMIT 1", (case_id,)
        ).fetchone()
        if last != (status,):
            yield f"{story}, its history ends with {last}"
    for name, balance in db.execute("SELECT name, balance FROM account WHERE name LIKE 'suspense:%'"):
        if waiting.pop(name, 0) != int(balance):
            yield f"I-22 {name} is {balance}, which is not what its open cases say"
    yield from (f"I-22 {name} lacks {amount} of its cases" for name, amount in waiting.items() if amount)


def corrected(db: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """What operators corrected onchain beside the movements, by currency and location.

    About an entry that no movement stands behind they bring the books back to the movements.
    """
    fixed: dict[tuple[str, str], int] = defaultdict(int)
    for debit, credit, amount in db.execute(
        "SELECT d.name, c.name, p.amount FROM posting p JOIN journal j ON j.id = p.journal_id"
        " JOIN account d ON d.id = p.debit_id JOIN account c ON c.id = p.credit_id"
        " JOIN unclaimed_case u ON u.id = j.ref_id WHERE j.ref_type = 'case'"
        " AND j.kind IN ('difference_corrected', 'correction_reversed')"
        " AND substr(u.position, 1, 8) <> 'journal:'"
    ):
        for name, change in ((debit, int(amount)), (credit, -int(amount))):
            if name.startswith("onchain:"):
                _, currency, location = name.split(":")
                fixed[currency, location] += change
    return fixed
