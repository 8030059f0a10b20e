"""The page of one block: ids that stay, cases that open again, accounts that never go below zero."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.block_book import BlockBook, add_to_script, make_id
from ledger.chain_delta import coins_of
from ledger.connection import connect
from ledger.context import Tx
from ledger.errors import BlockRefusedError
from ledger.transition import tip_height
from tests.ledger.till import ETH, Till


def test_ids_depend_on_what_they_name_alone() -> None:
    assert make_id("dep", "BTC", "aa", 0) == make_id("dep", "BTC", "aa", "0")
    assert make_id("dep", "BTC", "aa", 0) != make_id("dep", "BTC", "aa", 1)
    assert make_id("dep", "x").startswith("dep_")


def test_a_case_opens_once_and_again(tmp_path: Path) -> None:
    till = Till(tmp_path, ETH)
    sequence = till.address_seq
    tip = till.known()[0]
    till.close()
    db = connect(tmp_path / "books.sqlite")
    tx = Tx(db, 1)
    book = BlockBook(tx, "ETH", tip, coins_of(tx, "ETH"))
    assert tip_height(tx, "ETH") == tip.height
    for _ in range(2):
        book.open_case("parked", "ETH", 5, "aa", "native", "why", None)
    assert db.execute("SELECT status, amount FROM unclaimed_case").fetchall() == [("open", "5")]
    assert db.execute("SELECT type FROM event").fetchall()[-2:] == [("case.opened",)] * 2
    add_to_script(tx, book.coin("ETH"), sequence, 7)
    with pytest.raises(BlockRefusedError):
        add_to_script(tx, book.coin("ETH"), sequence, -8)
    with pytest.raises(BlockRefusedError):
        book.coin("BTC")
    assert book.find_owner(b"nobody") is None
    db.close()
