"""The derived tables once more, from the journal and the movements alone, in a store of their own.

Compared row by row with what is stored: who edits a balance, an output or what a script holds is found,
and the first wrong row is named. What is not derived (an output's reservation, whether a script is worth
sweeping now) is not compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any

from ledger import accounts
from ledger.connection import Database, scratch
from ledger.difference import CORRECTIONS
from ledger.document import Tell

_SHADOW = """
CREATE TABLE account (name TEXT PRIMARY KEY, class TEXT, currency TEXT, client_id TEXT, balance TEXT);
CREATE TABLE script_balance (script_sequence INTEGER, currency TEXT, amount TEXT,
    PRIMARY KEY (script_sequence, currency));
CREATE TABLE utxo (chain TEXT, txid TEXT, output_index INTEGER, currency TEXT, amount TEXT,
    script_sequence INTEGER, location TEXT, height INTEGER, block_hash TEXT, spent_by TEXT,
    spent_height INTEGER, spent_hash TEXT, PRIMARY KEY (chain, txid, output_index));
"""
_COMPARED = {
    "account": ("name", "name, class, currency, client_id, balance"),
    "script_balance": ("script_sequence, currency", "script_sequence, currency, amount"),
    "utxo": (
        "chain, txid, output_index",
        "chain, txid, output_index, currency, amount, script_sequence, location, height, block_hash,"
        " spent_by, spent_height, spent_hash",
    ),
}


def check_rebuilt(db: Database, tell: Tell) -> None:
    """Rebuild the derived tables and ``tell`` the first row of each that is not what is stored.

    ``db`` is inside one SQL transaction; the store of our own is gone afterwards.
    """
    shadow = scratch()
    try:
        shadow.executescript(_SHADOW)
        shadow.execute("BEGIN")
        shadow.executemany("INSERT INTO account VALUES (?, ?, ?, ?, ?)", _accounts(db))
        _fill_chain(db, shadow, tell)
        for table, (order, columns) in _COMPARED.items():
            sql = f"SELECT {columns} FROM {table} ORDER BY {order}"  # nosec B608
            stored, rebuilt = db.execute(sql), shadow.execute(sql)
            _compare(table, stored, rebuilt, len(order.split(",")), tell)
        _check_locations(db, tell)
    finally:
        shadow.close()


def _accounts(db: Database) -> Iterator[tuple[object, ...]]:
    """Every account as its name and its postings tell it."""
    names: dict[int, str] = dict(db.execute("SELECT id, name FROM account").fetchall())
    totals: defaultdict[int, int] = defaultdict(int)
    for debit, credit, amount in db.execute("SELECT debit_id, credit_id, amount FROM posting"):
        totals[debit] += int(amount)
        totals[credit] -= int(amount)
    for account_id, name in names.items():
        account = accounts.parse(name)
        balance = totals[account_id] if account.is_debit_normal else -totals[account_id]
        yield name, account.account_class.value, account.currency, account.client_id, str(balance)


def _fill_chain(db: Database, shadow: Database, tell: Tell) -> None:
    """Outputs and what account scripts hold, from the movements of blocks that still stand."""
    held: defaultdict[tuple[int, str], int] = defaultdict(int)
    for row in db.execute(
        "SELECT chain, currency, height, block_hash, txid, position, script_sequence, location, delta"
        " FROM chain_movement WHERE is_disconnected = 0 ORDER BY id"
    ):
        chain, currency, height, block_hash, txid, position, sequence, location, delta = row
        kind, _, place = position.partition(":")
        if kind == "out":
            shadow.execute(
                "INSERT INTO utxo VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
                (chain, txid, int(place), currency, delta, sequence, location, height, block_hash),
            )
        elif kind == "in":
            spent_txid, _, index = place.partition(":")
            done = shadow.execute(
                "UPDATE utxo SET spent_by = ?, spent_height = ?, spent_hash = ?"
                " WHERE chain = ? AND txid = ? AND output_index = ? AND amount = ? AND script_sequence = ?"
                " AND spent_by IS NULL",
                (txid, height, block_hash, chain, spent_txid, int(index), delta.removeprefix("-"), sequence),
            )
            if done.rowcount != 1:
                tell("rebuild", f"movement {txid} {position}", "spends an output that was not there")
        elif int(delta):
            held[sequence, currency] += int(delta)
    # An account that was emptied keeps its row; one that no movement ever touched has none.
    shadow.executemany(
        "INSERT INTO script_balance VALUES (?, ?, ?)",
        ((sequence, currency, str(amount)) for (sequence, currency), amount in held.items()),
    )


def _compare(table: str, stored: Iterable[Any], rebuilt: Iterable[Any], key_columns: int, tell: Tell) -> None:
    """Name the first row in which the two differ."""
    for have, want in zip_longest(stored, rebuilt):
        if have != want:
            row = min(filter(None, (have, want)), key=lambda found: found[:key_columns])
            if have is not None and want is not None and have[:key_columns] == want[:key_columns]:
                detail = f"is stored as {have[key_columns:]}, the journal gives {want[key_columns:]}"
            else:
                detail = "is stored, the journal knows nothing of it" if row is have else "is missing"
            tell("rebuild", " ".join(map(str, (table, *row[:key_columns]))), detail)
            return


def _check_locations(db: Database, tell: Tell) -> None:
    """What is booked as ours on the chain by location is what blocks moved and operators corrected."""
    moved: defaultdict[str, int] = defaultdict(int)
    for currency, location, delta in db.execute(
        "SELECT currency, location, delta FROM chain_movement WHERE is_disconnected = 0"
    ):
        moved[f"onchain:{currency}:{location}"] += int(delta)
    for name, amount in _corrections(db):
        moved[name] += amount
    booked = dict(db.execute("SELECT name, balance FROM account WHERE name LIKE 'onchain:%'").fetchall())
    for name in sorted({*moved, *booked}):
        if moved[name] != int(booked.get(name, "0")):
            tell("movement", name, f"is booked as {booked.get(name, '0')}, blocks moved {moved[name]}")
            return


def _corrections(db: Database) -> Iterator[tuple[str, int]]:
    """What corrections did to what is booked onchain, beside the movements.

    One about an entry that no movement stands behind brings the books back to the movements.
    """
    for debit, credit, amount in db.execute(
        "SELECT d.name, c.name, p.amount FROM journal j JOIN unclaimed_case k ON k.id = j.ref_id"
        " JOIN posting p ON p.journal_id = j.id JOIN account d ON d.id = p.debit_id"
        " JOIN account c ON c.id = p.credit_id WHERE j.kind IN (?, ?) AND k.position NOT LIKE 'journal:%'",
        CORRECTIONS,
    ):
        for name, change in ((debit, int(amount)), (credit, -int(amount))):
            if accounts.parse(name).kind == "onchain":
                yield name, change
