"""A search costs the same however much the books hold: it looks nowhere without an index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.connection import connect
from ledger.operator_access import CreateOperator
from ledger.reader_search import search_books
from ledger.reader_story import get_payout_story
from ledger.snapshot import Snapshot
from ledger.story_query import GetPayoutStory, SearchBooks
from tests.ledger.books import NOW
from tests.ledger.till import Till

SMALL = {"house_movement", "coin", "operator", "api_key", "k", "o", "e"}
"""Tables that people fill, and their aliases; ``e`` are the numbers of entries that are asked for."""


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    opened = Till(tmp_path, approval_above=5_000)
    opened.do(CreateOperator("op_ann", "ann", "hash", "salt", ("payments",), "test"))
    opened.deposit("alice", 100_000, blocks=6)
    opened.open("alice", 10_000)
    opened.decide("wd_1", "approve")
    opened.pay_all()
    opened.mine()
    yield opened
    opened.close()


def plans(till: Till, ask: object) -> list[str]:
    """How each statement of an answer is carried out."""
    db = connect(till.store.path)
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    snapshot = Snapshot(db, NOW)
    if isinstance(ask, SearchBooks):
        search_books(snapshot, ask)
    else:
        assert isinstance(ask, GetPayoutStory)
        assert get_payout_story(snapshot, ask) is not None
    db.set_trace_callback(None)
    steps = [row[3] for sql in asked for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    db.close()
    return steps


@pytest.mark.parametrize("text", ["alice", "wd_1", "order-1", "ab" * 32, "btc:nothing", "nobody"])
def test_no_large_table_is_read_whole(till: Till, text: str) -> None:
    for step in plans(till, SearchBooks(text)):
        scanned = re.match(r"SCAN (\w+)", step)
        assert scanned is None or scanned[1] in SMALL | {"CONSTANT"}, step


def test_a_story_reads_no_large_table_whole(till: Till) -> None:
    for step in plans(till, GetPayoutStory("wd_1")):
        scanned = re.match(r"SCAN (\w+)", step)
        assert scanned is None or scanned[1] in SMALL, step


def test_a_known_txid_and_address_too(till: Till) -> None:
    (txid, address) = till.rows("SELECT txid, address FROM withdrawal")[0]
    for text in (txid, address):
        for step in plans(till, SearchBooks(text)):
            scanned = re.match(r"SCAN (\w+)", step)
            assert scanned is None or scanned[1] in SMALL | {"CONSTANT"}, step


def test_a_wrong_case_is_another_base58_address(till: Till) -> None:
    db = connect(till.store.path)
    db.execute("UPDATE own_script SET address = 'mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn' WHERE location = 'hot'")
    snapshot = Snapshot(db, NOW)
    assert search_books(snapshot, SearchBooks("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn")).addresses
    assert not search_books(snapshot, SearchBooks("MipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn")).addresses
    db.close()
