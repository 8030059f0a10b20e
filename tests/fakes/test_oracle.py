"""The judge itself: every invariant it knows is broken once, and it must say so."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from coins.types import Block, BlockRef, Branch, ChainDelta, Location, OwnScript, Receipt
from ledger.commands import ApplyChainDelta, Idempotency, OpenWithdrawal, RecordScript, ReserveScript
from tests.fakes.oracle import check_books
from tests.ledger.books import ANCHOR, NOW, do, make_books


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Books with a final deposit, a confirming one and an open withdrawal."""
    store = make_books(tmp_path)
    index = do(store, ReserveScript("BTC", Branch.DEPOSIT, "client:alice:0", "alice"))
    own = OwnScript(b"script", "address", Branch.DEPOSIT, index)
    do(store, RecordScript("BTC", "client:alice:0", own, Location.DEPOSIT, "alice"))
    blocks, parent = [], ANCHOR.block_hash
    for height in range(101, 111):
        paid = {101: 50_000, 110: 7_000}.get(height)
        receipts = () if paid is None else (Receipt("BTC", f"{height:064x}", "0", b"script", paid),)
        blocks.append(Block(BlockRef(height, f"{height:064x}", parent, NOW), receipts))
        parent = f"{height:064x}"
    do(store, ApplyChainDelta(ChainDelta("BTC", (), tuple(blocks), 1)))
    key = Idempotency("key:shop", "w", "h")
    do(
        store,
        OpenWithdrawal("wd_1", "shop", "alice", "BTC", 9_000, False, "a", b"x", "out-1", "key:shop", key),
    )
    store.close()
    return store.path


def break_it(path: Path, *statements: str) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA ignore_check_constraints = ON")
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        assert db.execute(statement).rowcount != 0, statement
    db.close()


def test_right_books_are_right(path: Path) -> None:
    assert check_books(path, {"withdrawal": ["wd_1"]}) == []


ATTEMPT = (
    "INSERT INTO attempt (id, intent_id, currency, state, plan, fee, sender, nonce, txid, created_at)"
    " SELECT '{id}', id, 'BTC', '{state}', '{{}}', '1', {sender}, {nonce}, {txid}, 0 FROM intent LIMIT 1"
)


def attempt(name: str, state: str, sender: str = "NULL", nonce: str = "NULL", txid: str | None = None) -> str:
    text = "NULL" if txid is None else f"'{txid}'"
    return ATTEMPT.format(id=name, state=state, sender=sender, nonce=nonce, txid=text)


BROKEN: list[tuple[str, tuple[str, ...]]] = [
    (
        "I-07",
        (
            "UPDATE event SET data = json_set(data, '$.confirmations_required', 4)"
            " WHERE type LIKE '%credited'",
        ),
    ),
    ("I-07", ("UPDATE deposit SET finality = 'safe' WHERE status = 'final'",)),
    (
        "I-07",
        (
            "UPDATE deposit SET finality = 'finalized' WHERE status = 'final'",
            "UPDATE block SET safe_height = 110, finalized_height = 100",
        ),
    ),
    ("I-07", ("UPDATE deposit SET credited_amount = '49999' WHERE status = 'final'",)),
    (
        "I-07",
        (
            "UPDATE deposit SET block_height = 101, block_hash = (SELECT block_hash FROM block"
            " WHERE height = 101), confirmations_required = 5 WHERE status = 'confirming'",
        ),
    ),
    (
        "I-01",
        ("UPDATE account SET currency = 'ETH', name = 'onchain:ETH:deposit' WHERE name LIKE 'onchain%'",),
    ),
    ("I-02", ("UPDATE account SET balance = '-1' WHERE name LIKE '%:available'",)),
    ("I-02", ("UPDATE posting SET amount = '999999' WHERE id = (SELECT max(id) FROM posting)",)),
    ("I-03", ("UPDATE account SET balance = '1' WHERE name LIKE '%:available'",)),
    ("I-04", ("UPDATE utxo SET amount = '49999' WHERE amount = '50000'",)),
    ("I-04", ("UPDATE chain_movement SET delta = '49999' WHERE delta = '50000'",)),
    ("I-05", ("UPDATE deposit SET status = 'orphaned' WHERE status = 'final'",)),
    ("I-05", ("UPDATE deposit SET status = 'credited' WHERE status = 'confirming'",)),
    ("I-05", ("UPDATE deposit SET amount = '1' WHERE status = 'final'",)),
    ("I-06", ("UPDATE deposit SET block_hash = 'elsewhere' WHERE status = 'final'",)),
    ("I-12", (attempt("a", "signed", txid="t1"), attempt("b", "signed", txid="t2"))),
    (
        "W-51",
        (attempt("a", "signed", txid="t1"), "INSERT INTO attempt_payout SELECT id, 'wd_1', '9' FROM attempt"),
    ),
    (
        "I-13",
        (
            attempt("a", "signed", "x'01'", "7", "t1"),
            "INSERT INTO intent (id, kind, currency, amount, status, created_at)"
            " VALUES ('other', 'payout', 'BTC', '1', 'open', 0)",
            "INSERT INTO attempt (id, intent_id, currency, state, plan, fee, sender, nonce, txid, created_at)"
            " VALUES ('b', 'other', 'BTC', 'signed', '{}', '1', x'01', 7, 't2', 0)",
        ),
    ),
    ("I-14", ("UPDATE withdrawal SET amount = '8999'",)),
    ("I-14", ("UPDATE withdrawal SET status = 'confirmed'",)),
    ("I-17", ("UPDATE journal SET ref_id = 'x' WHERE ref_type = 'withdrawal'",)),
    ("I-17", (attempt("a", "broadcast"),)),
    ("I-17", ("UPDATE deposit SET script_sequence = 99",)),
    ("I-18", ("UPDATE withdrawal SET status = 'signed'",)),
    ("I-18", ("UPDATE withdrawal_history SET status = 'final'", "UPDATE withdrawal SET status = 'final'")),
    ("I-18", ("UPDATE journal SET id = 99 WHERE id = (SELECT max(id) FROM journal)",)),
    ("I-18", ("DELETE FROM event WHERE sequence = 2",)),
    ("I-18", ("UPDATE deposit SET status = 'lost' WHERE status = 'final'",)),
    ("I-19", ("DELETE FROM block WHERE height = 105",)),
    ("I-19", ("UPDATE block SET parent_hash = 'x' WHERE height = 105",)),
    ("I-19", ("UPDATE chain_movement SET block_hash = 'x' WHERE height = 101",)),
    ("I-20", ("UPDATE own_script SET client_id = 'eve'",)),
    ("I-21", ("UPDATE withdrawal SET fee = '0500'",)),
    ("I-21", ("UPDATE withdrawal SET amount = '-9000'",)),
    ("I-21", (f"UPDATE deposit SET amount = '{2**256}' WHERE status = 'final'",)),
]


@pytest.mark.parametrize(("invariant", "statements"), BROKEN)
def test_a_broken_invariant_is_named(path: Path, invariant: str, statements: tuple[str, ...]) -> None:
    break_it(path, *statements)
    assert invariant in {line.split()[0] for line in check_books(path)}


def test_i16_what_was_acknowledged_must_be_there(path: Path) -> None:
    assert check_books(path, {"withdrawal": ["wd_1", "wd_2"]}) == [
        "I-16 withdrawal wd_2 was acknowledged and is gone"
    ]


def test_i09_two_payments_of_one_withdrawal_are_found(path: Path) -> None:
    break_it(
        path,
        attempt("a", "mined", txid="t1"),
        attempt("b", "mined", txid="t2"),
        "INSERT INTO attempt_payout SELECT id, 'wd_1', fee FROM attempt",
    )
    assert "I-09 withdrawal wd_1 is paid 2 times" in check_books(path)
