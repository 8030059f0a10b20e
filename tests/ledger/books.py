"""A ledger to test with: a store in its own folder, one currency, money put in from a made-up block."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from coins.types import BlockRef, Location
from ledger import accounts
from ledger.accounts import HOUSE, Part
from ledger.commands import (
    Command,
    Idempotency,
    PostTransfer,
    RegisterCoin,
    SetAnchor,
    SetCurrencyState,
)
from ledger.connection import connect
from ledger.context import Tx
from ledger.dispatch import Result
from ledger.journal import JournalEntry, Posting
from ledger.store import SqliteStore

NOW = 1_700_000_000
ANCHOR = BlockRef(100, "aa" * 32, "99" * 32, NOW)

BTC = RegisterCoin(
    currency="BTC",
    chain="BTC",
    name="Bitcoin",
    family="bitcoin",
    network="regtest",
    decimals=8,
    fingerprint="regtest/xpub-1",
    confirmations=3,
    final_depth=6,
    max_reorg=100,
    minimum_deposit=1_000,
    minimum_withdrawal=1_000,
    maximum_withdrawal=10**12,
    withdrawal_fee=500,
    approval_above=None,
    session_withdrawal_cap=None,
    deposits="open",
    withdrawals="open",
)


def open_store(folder: Path, **options: Any) -> SqliteStore:
    """A store on ``folder/books.sqlite`` without any currency."""
    store = SqliteStore(folder / "books.sqlite", now_s=NOW, **options)
    store.open()
    return store


def make_books(folder: Path, **options: Any) -> SqliteStore:
    """A store with BTC registered, open and anchored."""
    store = open_store(folder, **options)
    for result in store.apply_batch(
        [BTC, SetCurrencyState("BTC", "open", ""), SetAnchor("BTC", ANCHOR)], NOW
    ):
        result.unwrap()
    return store


def do(store: SqliteStore, command: Command[Any], now_s: int = NOW) -> Any:
    """Apply one command and answer its reply, or raise its refusal."""
    return store.apply_batch([command], now_s)[0].unwrap()


def codes(results: list[Result]) -> list[str | None]:
    """What each command was refused with, None where it succeeded."""
    return [None if result.error is None else result.error.code for result in results]


def fund(store: SqliteStore, party: str, amount: int) -> None:
    """Give a client or the house money that stands on the chain at the anchor, from a second connection."""
    db = connect(store.path)
    try:
        db.execute("BEGIN IMMEDIATE")
        tx = Tx(db, NOW)
        account = accounts.house("BTC") if party == HOUSE else accounts.client(party, "BTC", Part.AVAILABLE)
        (count,) = db.execute("SELECT count(*) FROM utxo").fetchone()
        txid = f"{count:064x}"
        db.execute(
            "INSERT INTO script_reservation (currency, branch, script_index, purpose)"
            " VALUES ('BTC', 'hot', 0, 'hot') ON CONFLICT DO NOTHING"
        )
        db.execute(
            "INSERT INTO own_script (chain, currency, script, address, branch, script_index, location,"
            " purpose, created_at) VALUES ('BTC', 'BTC', x'00', 'hot', 'hot', 0, 'hot', 'hot', ?)"
            " ON CONFLICT DO NOTHING",
            (NOW,),
        )
        (sequence,) = db.execute("SELECT sequence FROM own_script WHERE purpose = 'hot'").fetchone()
        posting = Posting(accounts.onchain("BTC", Location.HOT), account, amount)
        entry = JournalEntry("funding", "house_movement", txid, (posting,), "test")
        journal_id = tx.post(replace(entry, chain="BTC", height=ANCHOR.height, block_hash=ANCHOR.block_hash))
        db.execute(
            "INSERT INTO utxo (chain, txid, output_index, currency, amount, script_sequence, location,"
            " is_coinbase, height, block_hash) VALUES ('BTC', ?, 0, 'BTC', ?, ?, 'hot', 0, ?, ?)",
            (txid, str(amount), sequence, ANCHOR.height, ANCHOR.block_hash),
        )
        db.execute(
            "INSERT INTO chain_movement (chain, currency, height, block_hash, txid, position,"
            " script_sequence, location, delta, journal_id)"
            " VALUES ('BTC', 'BTC', ?, ?, ?, 'out:0', ?, 'hot', ?, ?)",
            (ANCHOR.height, ANCHOR.block_hash, txid, sequence, str(amount), journal_id),
        )
        db.execute("COMMIT")
    finally:
        db.close()


def transfer(
    number: int, source: str, target: str, amount: int, *, key: str | None = None, body: str = "h"
) -> PostTransfer:
    """A transfer whose ids come from ``number``; ``body`` stands for the request's hash."""
    return PostTransfer(
        id=f"tr_{number}",
        website="shop",
        source=source,
        target=target,
        currency="BTC",
        amount=amount,
        external_id=f"order-{number}",
        reason="test",
        by="key:shop",
        idempotency=Idempotency("key:shop", key or f"key-{number}", body),
    )


def rows(path: Path, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Rows of a question to the file itself."""
    db = connect(path)
    try:
        return db.execute(sql, arguments).fetchall()
    finally:
        db.close()


def balance(path: Path, name: str) -> int:
    """Stored balance of an account, 0 when it is not there."""
    found = rows(path, "SELECT balance FROM account WHERE name = ?", name)
    return int(found[0][0]) if found else 0
