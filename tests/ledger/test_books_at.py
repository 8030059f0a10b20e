"""The books at a block: from the journal, with what a reorg undid and what has no height of its own."""

from __future__ import annotations

from pathlib import Path

from coins.types import Block, BlockRef, ChainDelta, Location, Receipt
from ledger.books_at import books_at, change_at, is_balanced
from ledger.commands import ApplyChainDelta
from ledger.connection import connect
from tests.ledger.books import ANCHOR, do, fund, make_books, transfer
from tests.ledger.till import Till


def block(height: int, branch: str, parent: BlockRef, *amounts: int) -> Block:
    ref = BlockRef(height, f"{branch}{height:x}".rjust(64, "0"), parent.block_hash)
    return Block(ref, tuple(Receipt("BTC", f"{branch}{height:063x}", str(n), b"\x00", amount)
                            for n, amount in enumerate(amounts)))  # fmt: skip


def test_l11_the_books_at_each_height_are_what_was_there_then(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    first = block(101, "a", ANCHOR, 50)
    second = block(102, "a", first.ref, 6, 7)
    other = block(102, "b", first.ref, 9)
    third = block(103, "b", other.ref)
    do(store, ApplyChainDelta(ChainDelta("BTC", (), (first,), 1)))
    do(store, transfer(1, "alice", "house", 30))
    do(store, ApplyChainDelta(ChainDelta("BTC", (), (second,), 1)))
    do(store, ApplyChainDelta(ChainDelta("BTC", (second.ref,), (other, third), 1)))
    do(store, transfer(2, "alice", "house", 4))
    store.close()
    db = connect(store.path, read_only=True)
    found = {height: books_at(db, "BTC", "BTC", height) for height in (99, 100, 101, 102, 103, 200)}
    db.close()
    held = {height: books.onchain[Location.HOT] for height, books in found.items()}
    assert held == {99: 0, 100: 1_000, 101: 1_050, 102: 1_059, 103: 1_059, 200: 1_059}
    equity = {height: books.totals["equity"] for height, books in found.items()}
    assert equity == {99: 0, 100: 0, 101: 30, 102: 34, 103: 34, 200: 34}
    assert all(is_balanced(books.totals) for books in found.values())


def test_l11_what_lies_on_change_at_each_height_is_what_the_chain_says(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.deposit("alice", 900_000, blocks=6)
    db = connect(till.store.path, read_only=True)
    assert change_at(db, "BTC", "BTC", 106) is None
    for amount in (60_000, 70_000, 80_000):
        till.open("alice", amount)
        till.pay_all()
        till.mine(2)
        till.reorg(1)
    till.mine(6)
    till.open("alice", 50_000)
    till.pay_all()
    till.mine(1)
    scripts = {
        bytes(script) for (script,) in till.rows("SELECT script FROM own_script WHERE branch = 'change'")
    }
    told = {}
    for ref in till.chain.refs():
        outputs = till.chain.blocks[ref.block_hash].state.outputs.values()
        told[ref.height] = sum(amount for script, amount in outputs if script in scripts)
    assert len(set(told.values())) >= 4
    assert {height: change_at(db, "BTC", "BTC", height) for height in told} == told
    assert books_at(db, "BTC", "BTC", 107).change == told[107]
    db.close()
    till.check()
    till.close()


def test_sums_that_do_not_agree_are_seen() -> None:
    names = ("onchain", "deficit", "unexplained", "expenses", "liabilities", "revenue", "equity", "clearing")
    even = dict.fromkeys(names, 0) | {"onchain": 5, "liabilities": 5}
    assert is_balanced(even)
    assert not is_balanced(even | {"liabilities": 6})
    assert not is_balanced(even | {"clearing": 1})
