"""The chain's answer beside the books: only at the same block, exact to the unit, told when it is news."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from coins.types import Asked, Block, BlockRef, ChainDelta, Holdings, Location, Receipt
from ledger.books_at import books_at
from ledger.commands import ApplyChainDelta
from ledger.connection import connect
from ledger.errors import UnknownCurrencyError
from ledger.reconciliation_command import RecordReconciliation
from ledger.reconciliation_digest import digest_of
from ledger.reconciliation_view import BooksAt, ReconciliationView
from ledger.store import SqliteStore
from ledger.verify import verify_file
from tests.ledger.books import ANCHOR, balance, do, fund, make_books, rows, transfer

FULL = {"BTC": {Location.HOT: 2**70, Location.DEPOSIT: 0}}


def compare(number: int, amounts: dict[str, dict[Location, int]]) -> RecordReconciliation:
    return RecordReconciliation(f"rec_{number}", "BTC", Holdings(ANCHOR, amounts))


def test_l11_equal_to_the_unit_is_ok(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 2**70)
    (view,) = do(store, compare(1, FULL))
    assert (view.status, view.height, view.currency) == ("ok", ANCHOR.height, "BTC")
    assert [line["location"] for line in view.lines] == [location.value for location in Location]
    assert do(store, compare(1, FULL)) == (view,)
    store.close()


@pytest.mark.parametrize(
    ("location", "amount", "difference"),
    [
        (Location.HOT, 2**70 - 1, -1),
        (Location.HOT, 2**70 + 1, 1),
        (Location.COLD, 5, 5),
        (Location.DEPOSIT, 7, 7),
    ],
)
def test_l11_one_unit_is_found_and_located_and_nothing_is_corrected(
    tmp_path: Path, location: Location, amount: int, difference: int
) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 2**70)
    (view,) = do(store, compare(1, {"BTC": {**FULL["BTC"], location: amount}}))
    assert view.status == "mismatch"
    assert {line["location"]: line["difference"] for line in view.lines if line["difference"]} == {
        location.value: difference
    }
    store.close()
    assert balance(store.path, "onchain:BTC:hot") == 2**70


def test_l11_change_is_a_place_of_its_own_where_chain_and_books_know_it(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    books = replace(books_now(store), change=300)
    holdings = Holdings(ANCHOR, {"BTC": {Location.HOT: 999}})

    def lines(number: int, books: BooksAt, change: dict[str, int]) -> dict[str, tuple[int, int, int]]:
        command = RecordReconciliation(f"rec_{number}", "BTC", holdings, books=(books,), change=change)
        (view,) = do(store, command)
        assert view.status == "mismatch"
        return {line["location"]: (line["chain"], line["books"], line["difference"]) for line in view.lines}

    assert lines(1, books, {"BTC": 299}) == {
        "deposit": (0, 0, 0), "hot": (700, 700, 0), "change": (299, 300, -1), "cold": (0, 0, 0),
    }  # fmt: skip
    whole = {"deposit": (0, 0, 0), "hot": (999, 1_000, -1), "cold": (0, 0, 0)}
    assert lines(2, books, {}) == lines(3, replace(books, change=None), {"BTC": 299}) == whole
    assert lines(4, books, {"BTC": 301})["hot"] == (698, 700, -2)
    store.close()
    assert verify_file(store.path) == []


def books_now(store: SqliteStore) -> BooksAt:
    db = connect(store.path, read_only=True)
    try:
        return books_at(db, "BTC", "BTC", ANCHOR.height)
    finally:
        db.close()


def test_nothing_is_compared_at_another_block(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    for at in (replace(ANCHOR, height=101), replace(ANCHOR, block_hash="bb" * 32)):
        assert do(store, RecordReconciliation("rec_1", "BTC", Holdings(at, FULL))) is None
    assert do(store, RecordReconciliation("rec_1", "LTC", Holdings(ANCHOR, FULL))) is None
    assert rows(store.path, "SELECT count(*) FROM reconciliation") == [(0,)]
    store.close()


def test_it_is_told_when_the_verdict_or_a_difference_changes(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 2**70)
    missing = {"BTC": {Location.HOT: 2**70 - 1}}
    more_missing = {"BTC": {Location.HOT: 2**70 - 2}}
    for number, amounts in enumerate([FULL, FULL, missing, missing, more_missing, FULL, FULL]):
        do(store, compare(number, amounts))
    store.close()
    told = rows(store.path, "SELECT type, object_id FROM event WHERE object_type = 'reconciliation'")
    assert told == [
        ("reconciliation.ok", "rec_0"),
        ("reconciliation.mismatch", "rec_2"),
        ("reconciliation.mismatch", "rec_4"),
        ("reconciliation.ok", "rec_5"),
    ]


def test_each_comparison_keeps_what_it_was_made_of_and_the_digest_of_the_one_before(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 2**70)
    asked = Asked("http://node", "scantxoutset", 3, ANCHOR.height, 12)
    first, second = (
        do(store, RecordReconciliation(f"rec_{n}", "BTC", Holdings(ANCHOR, FULL, asked=asked), "demand"))[0]
        for n in (1, 2)
    )
    store.close()
    assert isinstance(first, ReconciliationView)
    assert (first.number, first.prev_digest, first.cause) == (1, "", "demand")
    assert (second.number, second.prev_digest) == (2, first.digest)
    assert first.inputs == {
        "node": "http://node", "method": "scantxoutset", "scripts": 3, "from_height": 100, "node_ms": 12,
    }  # fmt: skip
    assert first.totals["onchain"] == first.totals["liabilities"] == 2**70
    assert first.digest == digest_of(first) != second.digest
    assert verify_file(store.path) == []


def test_a_block_below_the_tip_is_compared_with_the_books_at_that_block(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 2**70)
    higher = BlockRef(101, "bb" * 32, ANCHOR.block_hash)
    script = b"\x00"
    receipt = Receipt("BTC", "cd" * 32, "0", script, 7)
    delta = ChainDelta("BTC", (), (Block(higher, (receipt,)),), 1)
    do(store, ApplyChainDelta(delta))
    do(store, transfer(1, "alice", "bob", 5))
    (now,) = do(
        store, RecordReconciliation("rec_1", "BTC", Holdings(higher, {"BTC": {Location.HOT: 2**70 + 7}}))
    )
    (past,) = do(store, RecordReconciliation("rec_2", "BTC", Holdings(ANCHOR, FULL), "height"))
    store.close()
    assert (now.status, now.height, now.totals["liabilities"]) == ("ok", 101, 2**70 + 7)
    assert (past.status, past.height, past.totals["liabilities"]) == ("ok", 100, 2**70)
    assert rows(store.path, "SELECT count(*) FROM event WHERE object_type = 'reconciliation'") == [(1,)]


def test_a_past_comparison_is_no_news_of_now(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 2**70)
    do(store, compare(1, FULL))
    do(store, RecordReconciliation("rec_2", "BTC", Holdings(ANCHOR, {"BTC": {}}), "period"))
    do(store, compare(3, FULL))
    store.close()
    assert rows(store.path, "SELECT type FROM event WHERE object_type = 'reconciliation'") == [
        ("reconciliation.ok",)
    ]


def test_a_currency_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    with pytest.raises(UnknownCurrencyError):
        do(store, compare(1, {"XMR": {}}))
    store.close()
