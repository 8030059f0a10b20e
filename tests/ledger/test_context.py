"""Posting inside one SQL transaction: running balances, the hash chain, and what is never booked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from coins.amounts import AMOUNT_MAX
from ledger import journal
from ledger.connection import connect
from ledger.context import Tx
from ledger.errors import InsufficientFundsError, LedgerCorruptError, UnknownCurrencyError
from ledger.journal import JournalEntry, Posting
from ledger.solvency import surplus
from ledger.verify import verify
from tests.ledger.books import NOW, make_books

HOT, DEPOSIT, HOUSE = "onchain:BTC:hot", "onchain:BTC:deposit", "house:BTC"
PENDING, AVAILABLE, RESERVED = (f"client:alice:BTC:{part}" for part in ("pending", "available", "reserved"))
CLEARING = "chain_tx:BTC"


def entry(*postings: tuple[str, str, int], kind: str = "test") -> JournalEntry:
    return JournalEntry(kind, "test", "1", tuple(Posting(*posting) for posting in postings), "test")


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[Tx]:
    store = make_books(tmp_path)
    db = connect(store.path)
    db.execute("BEGIN IMMEDIATE")
    yield Tx(db, NOW)
    if db.in_transaction:
        db.execute("COMMIT")
        # Entries by hand have no block behind them: the audit says that, and nothing else.
        found = {(finding.kind, finding.row.partition(":")[0]) for finding in verify(db)}
        assert found <= {("movement", "onchain"), ("case", "case suspense")}
    db.close()
    store.close()


def test_balances_run_on_their_normal_side(tx: Tx) -> None:
    assert tx.balance(HOT) == 0
    assert tx.post(entry((HOT, HOUSE, 100), (HOT, PENDING, 7))) == 1
    assert tx.post(entry(("network_fee:BTC", HOT, 3))) == 2
    assert [tx.balance(name) for name in (HOT, HOUSE, PENDING, "network_fee:BTC")] == [104, 100, 7, 3]
    after = tx.db.execute(
        "SELECT debit_balance_after, credit_balance_after FROM posting ORDER BY id"
    ).fetchall()
    assert after == [("100", "100"), ("107", "7"), ("3", "104")]


def test_sums_may_pass_what_one_amount_may_be(tx: Tx) -> None:
    tx.post(entry((HOT, HOUSE, AMOUNT_MAX), (HOT, HOUSE, AMOUNT_MAX)))
    assert tx.balance(HOUSE) == 2 * AMOUNT_MAX


def test_a_client_is_told_that_funds_are_missing(tx: Tx) -> None:
    tx.post(entry((HOT, AVAILABLE, 10)))
    with pytest.raises(InsufficientFundsError):
        tx.post(entry((AVAILABLE, RESERVED, 11)))
    assert (tx.balance(AVAILABLE), tx.balance(RESERVED)) == (10, 0)


@pytest.mark.parametrize(
    "postings",
    [
        [(HOUSE, HOT, 1)],
        [(PENDING, AVAILABLE, 1)],
        [("suspense:BTC", "unclaimed:BTC", 1)],
        [(HOT, HOUSE, 5), (DEPOSIT, HOT, 6)],
        [],
        [(HOT, "house:ETH", 1)],
        [(HOT, HOUSE, 0)],
        [("cash:BTC", HOUSE, 1)],
    ],
)
def test_what_breaks_an_invariant_is_never_booked(tx: Tx, postings: list[tuple[str, str, int]]) -> None:
    with pytest.raises(LedgerCorruptError):
        tx.post(entry(*postings))
    assert tx.db.execute("SELECT count(*) FROM journal").fetchone() == (0,)
    assert tx.db.execute("SELECT count(*) FROM account WHERE balance <> '0'").fetchone() == (0,)


def test_a_clearing_account_is_empty_after_each_entry(tx: Tx) -> None:
    tx.post(entry((DEPOSIT, HOUSE, 10)))
    with pytest.raises(LedgerCorruptError, match="chain_tx:BTC is 1"):
        tx.post(entry((CLEARING, DEPOSIT, 10), (HOT, CLEARING, 9)))
    tx.post(entry((CLEARING, DEPOSIT, 10), (HOT, CLEARING, 9), ("network_fee:BTC", CLEARING, 1)))
    assert (tx.balance(DEPOSIT), tx.balance(HOT), tx.balance(CLEARING)) == (0, 9, 0)


def test_an_entry_is_read_back_and_its_contra_ends_at_zero(tx: Tx) -> None:
    first = entry(
        (DEPOSIT, HOUSE, 10), (CLEARING, DEPOSIT, 10), (HOT, CLEARING, 9), ("loss:BTC", CLEARING, 1)
    )
    journal_id = tx.post(first)
    assert tx.entry_of(journal_id) == first
    tx.post(journal.reverse(first, journal_id, kind="undo", by="chain"))
    assert [tx.balance(name) for name in (DEPOSIT, HOT, HOUSE, CLEARING, "loss:BTC")] == [0] * 5
    with pytest.raises(LedgerCorruptError):
        tx.entry_of(99)


def test_an_entry_is_reversed_once(tx: Tx) -> None:
    first = entry((DEPOSIT, HOUSE, 10))
    journal_id = tx.post(first)
    tx.post(entry((DEPOSIT, HOUSE, 10)))
    contra = journal.reverse(first, journal_id, kind="undo", by="chain")
    tx.post(contra)
    tx.db.execute("SAVEPOINT again")
    with pytest.raises(Exception, match=r"UNIQUE constraint failed: journal\.reverses"):
        tx.post(contra)
    tx.db.execute("ROLLBACK TO again")


def test_events_are_numbered_without_a_gap_and_hold_whole_amounts(tx: Tx) -> None:
    (before,) = tx.db.execute("SELECT max(sequence) FROM event").fetchone()
    sequences = [tx.emit("transfer.posted", "transfer", str(n), None, {"amount": 2**255}) for n in range(3)]
    assert sequences == [before + 1, before + 2, before + 3]
    (text,) = tx.db.execute("SELECT data FROM event WHERE sequence = ?", (sequences[0],)).fetchone()
    assert json.loads(text) == {"amount": 2**255}
    assert tx.db.execute("SELECT count(DISTINCT id) FROM event").fetchone() == (before + 3,)


def test_ordinals_are_given_once(tx: Tx) -> None:
    assert [tx.next_ordinal() for _ in range(3)] == [1, 2, 3]
    tx.db.execute("DELETE FROM counter")
    with pytest.raises(LedgerCorruptError):
        tx.next_ordinal()


def test_a_currency_is_read_once_and_again_after_a_change(tx: Tx) -> None:
    assert tx.coin("BTC").withdrawal_fee == 500
    tx.db.execute("UPDATE coin SET withdrawal_fee = '7'")
    assert tx.coin("BTC").withdrawal_fee == 500
    tx.forget_coins()
    assert tx.coin("BTC").withdrawal_fee == 7
    with pytest.raises(UnknownCurrencyError):
        tx.coin("XMR")


def test_surplus_is_what_the_chain_holds_beyond_what_is_owed(tx: Tx) -> None:
    tx.post(entry((HOT, AVAILABLE, 100), (HOT, "suspense:BTC", 5)))
    assert surplus(tx.db, "BTC") == 0
    tx.post(entry((HOT, HOUSE, 40)))
    assert surplus(tx.db, "BTC") == 40
    tx.post(entry(("network_fee:BTC", HOT, 15)))
    assert surplus(tx.db, "BTC") == 25
    tx.post(entry(("unexplained:BTC", HOT, 30)))
    assert surplus(tx.db, "BTC") == -5
    tx.post(entry(("client_deficit:bob:BTC", "client:bob:BTC:pending", 3)))
    assert surplus(tx.db, "BTC") == -8
    owed = sum(tx.balance(name) for name in (AVAILABLE, "suspense:BTC", "client:bob:BTC:pending"))
    assert tx.balance(HOT) - owed == -8
