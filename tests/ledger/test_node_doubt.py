"""Cases of a node that contradicts itself: once for a location, ended by the next comparison."""

from __future__ import annotations

from pathlib import Path

from coins.types import Holdings, Location
from ledger.connection import connect
from ledger.difference import NODE_DOUBT, Found
from ledger.node_doubt import HANDLERS, close_node_doubts, record_node_doubt
from ledger.reconciliation_command import RecordNodeDoubt, RecordReconciliation
from ledger.shortfall import is_short
from ledger.store import SqliteStore
from tests.ledger.books import ANCHOR, do, fund, make_books, rows

HOT = b"\x00"
DOUBT = Found(NODE_DOUBT, "hot", -5, script=HOT, detail="told two things")
CASES = "SELECT status, amount, position, txid FROM unclaimed_case ORDER BY ordinal"


def compare(store: SqliteStore, number: int, amount: int, cause: str = "schedule") -> str:
    holdings = Holdings(ANCHOR, {"BTC": {Location.HOT: amount}})
    (view,) = do(store, RecordReconciliation(f"rec_{number}", "BTC", holdings, cause))
    return str(view.status)


def doubt(store: SqliteStore, *found: Found, comparison: str = "") -> list[tuple[str, int, str]]:
    command = RecordNodeDoubt("BTC", ANCHOR.height, ANCHOR.block_hash, found, comparison)
    return [(case.kind, case.amount, case.reason) for case in do(store, command)]


def test_l11_a_doubt_is_a_case_once_for_each_location_and_ends_with_the_next_comparison(
    tmp_path: Path,
) -> None:
    assert {RecordNodeDoubt: record_node_doubt} == HANDLERS
    assert close_node_doubts.__doc__
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    for amount in (-5, -6):
        other = Found(NODE_DOUBT, "hot", amount, script=HOT, detail="told two things")
        assert doubt(store, other) == [("node_doubt", 5, "node_doubt: told two things")]
    cold = Found(NODE_DOUBT, "cold", 3, detail="of cold storage")
    assert [each[:2] for each in doubt(store, cold)] == [("node_doubt", 5), ("node_doubt", 3)]
    place = ANCHOR.block_hash
    assert rows(store.path, CASES) == [("open", "5", ":hot:00", place), ("open", "3", ":cold:", place)]
    compare(store, 1, 1_000, "height")  # of the past: says nothing of now
    assert {row[0] for row in rows(store.path, CASES)} == {"open"}
    assert compare(store, 2, 999) == "mismatch"  # it tells of money that is missing, and of one mind
    assert {row[0] for row in rows(store.path, CASES)} == {"closed"}
    assert doubt(store, DOUBT) == [("node_doubt", 5, "node_doubt: told two things")]
    told = "SELECT type FROM event WHERE object_type = 'case' ORDER BY sequence"
    store.close()
    assert [each for (each,) in rows(store.path, told)] == [
        "case.opened", "case.opened", "case.closed", "case.closed", "case.opened",
    ]  # fmt: skip


def test_l11_a_verdict_that_rested_on_a_doubted_answer_holds_nothing_and_the_one_before_it_counts(
    tmp_path: Path,
) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    db = connect(store.path, read_only=True)
    compare(store, 1, 1_000)
    compare(store, 2, 995)
    assert is_short(db, "BTC")
    doubt(store, DOUBT)  # of some other answer: what was found before stands
    assert is_short(db, "BTC")
    doubt(store, DOUBT, comparison="rec_2")
    assert not is_short(db, "BTC")
    compare(store, 3, 995)
    assert is_short(db, "BTC")
    compare(store, 4, 990)
    doubt(store, DOUBT, comparison="rec_4")
    assert is_short(db, "BTC")  # by rec_3, which nobody doubts
    db.close()
    store.close()
