"""What a closing report tells of the month's movements on the chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coins.types import Location
from ledger import accounts, period_report
from ledger.connection import Database, connect
from ledger.context import Tx
from ledger.journal import JournalEntry, Posting
from tests.ledger.books import NOW, make_books
from tests.ledger.till import Till


def report(db: Database) -> dict[str, Any]:
    """Of all that was booked."""
    (cut,) = db.execute("SELECT max(id) FROM journal").fetchone()
    return period_report.compute(db, "BTC", "2023-11", after=0, cut=cut, salt=bytes(32))


def test_a_payout_is_told_without_the_change_that_came_back(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.deposit("alice", 9_000_000, blocks=8)
    till.open("alice", 100_000)
    till.pay_all()
    till.mine(2)
    db = connect(till.store.path, read_only=True)
    top = report(db)["top"]
    (out,) = [int(line["amount"]) for line in top if line["kind"] == "payout"]
    before, after = 9_000_000, sum(till.onchain().values())
    db.close()
    till.close()
    # All of the deposit's output was spent, and the change came back to another location.
    assert before - after < out <= before
    assert max(int(line["amount"]) for line in top) == before


def test_change_to_the_location_that_paid_is_no_movement(tmp_path: Path) -> None:
    hot, clearing, house = (
        accounts.onchain("BTC", Location.HOT),
        accounts.chain_tx("BTC"),
        accounts.house("BTC"),
    )
    store = make_books(tmp_path)
    store.close()
    db = connect(store.path)
    db.execute("BEGIN")
    tx = Tx(db, NOW)
    tx.post(JournalEntry("funding", "test", "1", (Posting(hot, house, 1_000),), "test"))
    spent = (Posting(clearing, hot, 1_000), Posting(hot, clearing, 990), Posting(house, clearing, 10))
    tx.post(JournalEntry("payout", "test", "2", spent, "test"))
    assert [(line["kind"], line["amount"]) for line in report(db)["top"]] == [
        ("funding", "1000"),
        ("payout", "10"),
    ]
    db.close()


def test_the_largest_movements_are_whole_however_many_there_are(tmp_path: Path) -> None:
    hot, house = accounts.onchain("BTC", Location.HOT), accounts.house("BTC")
    store = make_books(tmp_path)
    store.close()
    db = connect(store.path)
    db.execute("BEGIN")
    tx = Tx(db, NOW)
    for number in range(2_000):
        # Every entry has a small first part, and its rank only with the second one.
        parts = (Posting(hot, house, 1), Posting(hot, house, 1_000 + number))
        tx.post(JournalEntry("funding", "test", str(number), parts, "test"))
    found = [(line["entry"], line["amount"]) for line in report(db)["top"]]
    assert found == [(number + 1, str(1_001 + number)) for number in range(1_999, 1_989, -1)]
    db.close()


def test_every_movement_around_the_bound_is_whole(tmp_path: Path) -> None:
    """The bound on what is kept is met in the middle of an entry: with its first part it is the smallest."""
    hot, house = accounts.onchain("BTC", Location.HOT), accounts.house("BTC")
    store = make_books(tmp_path)
    store.close()
    db = connect(store.path)
    db.execute("BEGIN")
    tx = Tx(db, NOW)
    bound = 64 * period_report.TOP
    for number in range(bound + 3):
        parts: tuple[Posting, ...] = (Posting(hot, house, 5),)
        if number >= bound - 1:
            parts = (Posting(hot, house, 1), Posting(hot, house, 1_000))
        tx.post(JournalEntry("funding", "test", str(number), parts, "test"))
    amounts = [line["amount"] for line in report(db)["top"]]
    assert amounts == ["1001"] * 4 + ["5"] * 6
    db.close()
