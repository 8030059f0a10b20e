"""What makes chain and books differ becomes a case, holds payouts while money is missing, and ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from coins.types import Holdings, Location
from ledger.connection import connect
from ledger.difference import Found
from ledger.difference_case import record_differences
from ledger.queries import GetBlockBooks, GetLastAgreed
from ledger.reader_difference import READERS, get_block_books, get_last_agreed
from ledger.reconciliation_command import RecordDifferences, RecordReconciliation
from ledger.shortfall import is_short
from ledger.snapshot import Snapshot
from ledger.store import SqliteStore
from ledger.verify import verify_file
from tests.ledger.books import ANCHOR, NOW, do, fund, make_books, rows
from tests.ledger.test_document_check import edit, findings

HOT = b"\x00"
LESS = Found("extra_credit", "hot", -5, "ab" * 32, "out:0", HOT, "not there")
MORE = Found("forced_balance", "hot", 7, detail="more is there")


def compare(store: SqliteStore, number: int, amount: int, cause: str = "schedule") -> str:
    holdings = Holdings(ANCHOR, {"BTC": {Location.HOT: amount}})
    (view,) = do(store, RecordReconciliation(f"rec_{number}", "BTC", holdings, cause))
    return str(view.status)


def record(store: SqliteStore, *found: Found, block_hash: str = ANCHOR.block_hash) -> list[tuple[str, int]]:
    cases = do(store, RecordDifferences("BTC", ANCHOR.height, block_hash, found))
    return [(case.kind, case.amount) for case in cases]


def test_l11_each_finding_is_a_case_once_and_ends_when_both_agree(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    assert compare(store, 1, 1_002) == "mismatch"
    for _ in range(3):
        assert record(store, LESS, MORE) == [("short", 5), ("surplus", 7)]
    assert rows(store.path, "SELECT kind, status, txid, address FROM unclaimed_case c LEFT JOIN own_script s"
                " ON s.sequence = c.script_sequence ORDER BY c.ordinal") == [
        ("short", "open", "ab" * 32, "hot"), ("surplus", "open", ANCHOR.block_hash, None),
    ]  # fmt: skip
    told = "SELECT type FROM event WHERE object_type = 'case' ORDER BY sequence"
    assert rows(store.path, told) == [("case.opened",)] * 2
    assert compare(store, 2, 1_000, "height") == "ok"  # of the past: says nothing of now
    assert rows(store.path, "SELECT count(*) FROM unclaimed_case WHERE status = 'open'") == [(2,)]
    assert compare(store, 3, 1_000) == "ok"
    store.close()
    assert rows(store.path, told) == [("case.opened",)] * 2 + [("case.closed",)] * 2
    assert rows(store.path, "SELECT DISTINCT status FROM unclaimed_case") == [("closed",)]


def test_what_was_found_too_late_or_at_a_block_that_is_gone_opens_nothing(tmp_path: Path) -> None:
    assert record_differences.__doc__
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    assert record(store, LESS) == []
    compare(store, 1, 999)
    assert record(store, LESS, block_hash="ee" * 32) == []
    compare(store, 2, 1_000)
    assert record(store, LESS) == []
    store.close()
    assert rows(store.path, "SELECT count(*) FROM unclaimed_case") == [(0,)]


def test_l11_money_that_is_missing_holds_and_more_than_there_should_be_does_not(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    db = connect(store.path, read_only=True)
    found = []
    for number, amount in enumerate((1_000, 999, 1_000, 1_001)):
        compare(store, number, amount)
        found.append(is_short(db, "BTC"))
    compare(store, 9, 5, "period")
    assert [*found, is_short(db, "BTC"), is_short(db, "LTC")] == [False, True, False, False, False, False]
    db.close()
    store.close()


def test_where_both_last_agreed_and_what_a_block_is_booked_as(tmp_path: Path) -> None:
    assert set(READERS) == {GetLastAgreed, GetBlockBooks}
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    compare(store, 1, 1_000)
    store.close()
    db = connect(store.path, read_only=True)
    snapshot = Snapshot(db, NOW)
    assert get_last_agreed(snapshot, GetLastAgreed("BTC", "BTC", 101)) == (100, 100)
    assert get_last_agreed(snapshot, GetLastAgreed("BTC", "BTC", 100)) == (None, 100)
    books = get_block_books(snapshot, GetBlockBooks("BTC", "BTC", 100, ("ab" * 32,)))
    db.close()
    ((script, amount),) = [(each.script, each.amount) for each in books.moved]
    assert (script, amount, books.attempts) == (HOT, 1_000, ())
    assert [(each.location, each.amount, each.others) for each in books.booked] == [
        ("hot", 1_000, ("client",))
    ]


@pytest.mark.parametrize("position", ["x", "", "x:nowhere:"])
def test_l14_a_difference_at_a_place_nobody_knows_is_named(tmp_path: Path, position: str) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    compare(store, 1, 993)
    record(store, LESS)
    store.close()
    assert findings(store.path) == []
    edit(store.path, f"UPDATE unclaimed_case SET position = '{position}'")
    ((kind, row, detail),) = findings(store.path)
    assert (kind, row.startswith("case case_"), detail[:15]) == ("case", True, "cannot be read:")
    assert (kind, row) in {(found.kind, found.row) for found in verify_file(store.path)}
