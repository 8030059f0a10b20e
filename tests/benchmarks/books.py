"""Books of any size, written fast: every row as the ledger would have written it, hash chain included.

Each client has one address with one final deposit; transfers between clients fill up to the number of
postings wanted. Triggers and plain indexes are taken off while rows go in and put back after.
"""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from coins.types import Branch, Location, OwnScript
from ledger import accounts, codec, journal
from ledger.accounts import Part
from ledger.block_book import make_id
from ledger.connection import connect
from ledger.journal import BookedPosting, JournalEntry, Posting
from ledger.views import DepositView, TransferView
from tests.benchmarks.statements import ENTRY, EVENT, POSTING, TRANSFER

AMOUNT = 10_000_000_000
CHUNK = 20_000
NAMED = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
OWN_SCRIPT = (
    "INSERT INTO own_script (chain, currency, script, address, branch, script_index, location, client_id,"
    " purpose, created_at) VALUES (?, ?, ?, ?, 'deposit', ?, 'deposit', ?, ?, ?)"
)
DEPOSIT = (
    "INSERT INTO deposit (id, chain, currency, script_sequence, client_id, txid, position, amount, status,"
    " block_height, block_hash, confirmations_required, seen_at, credited_at, ordinal)"
    " VALUES (?, ?, ?, ?, ?, ?, '0', ?, 'final', ?, ?, 1, ?, ?, ?)"
)
UTXO = (
    "INSERT INTO utxo (chain, txid, output_index, currency, amount, script_sequence, location, is_coinbase,"
    " height, block_hash) VALUES (?, ?, 0, ?, ?, ?, 'deposit', 0, ?, ?)"
)
MOVEMENT = (
    "INSERT INTO chain_movement (chain, currency, height, block_hash, txid, position, script_sequence,"
    " location, delta, journal_id) VALUES (?, ?, ?, ?, ?, 'out:0', ?, 'deposit', ?, ?)"
)


def client_name(number: int) -> str:
    """The id of a client of these books."""
    return f"client-{number:06d}"


def own_of(number: int) -> OwnScript:
    """A made-up deposit script of a client, and the same one every time."""
    program = hashlib.sha256(f"deposit {number}".encode()).digest()[:20]
    return OwnScript(b"\x00\x14" + program, f"made-up-{program.hex()}", Branch.DEPOSIT, number)


@dataclass(slots=True)
class Filler:
    """Writes into the books of ``currency`` (of its own chain, registered, with a first block)."""

    db: sqlite3.Connection
    currency: str
    now_s: int
    height: int
    block_hash: str
    first_sequence: int
    ordinal: int
    events: int
    last: tuple[int, bytes]
    ids: dict[str, int] = field(default_factory=dict)
    balances: dict[str, int] = field(default_factory=dict)

    def entry(self, entry: JournalEntry) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The rows of the next entry with its one posting; the balances move along."""
        (posting,) = entry.postings
        for name, is_debit in ((posting.debit, True), (posting.credit, False)):
            grows = accounts.parse(name).is_debit_normal is is_debit
            self.balances[name] += posting.amount if grows else -posting.amount
        debit_after, credit_after = self.balances[posting.debit], self.balances[posting.credit]
        entry_id, prev = self.last[0] + 1, self.last[1]
        canonical = journal.canonical_bytes(
            entry_id, self.now_s, entry, [BookedPosting(posting, debit_after, credit_after)]
        )
        self.last = (entry_id, journal.chain_hash(prev, canonical))
        where = (entry.chain, entry.height, entry.block_hash, entry.txid, None)
        what = (entry.kind, self.now_s, entry.by, entry.ref_type, entry.ref_id)
        ids = (self.ids[posting.debit], self.ids[posting.credit])
        amounts = (str(posting.amount), str(debit_after), str(credit_after))
        row = (entry_id, *what, *where, entry.reason, prev, self.last[1])
        return row, (entry_id, self.currency, *ids, *amounts)

    def open_accounts(self, clients: int) -> None:
        """Make every account that is used, with a balance of zero."""
        self._account(accounts.onchain(self.currency, Location.DEPOSIT), "asset", None)
        for number in range(clients):
            client = client_name(number)
            for part in (Part.PENDING, Part.AVAILABLE):
                self._account(accounts.client(client, self.currency, part), "liability", client)

    def _account(self, name: str, account_class: str, client_id: str | None) -> None:
        row = self.db.execute("SELECT id, balance FROM account WHERE name = ?", (name,)).fetchone()
        if row is None:
            values = (name, account_class, self.currency, client_id)
            row = self.db.execute(
                "INSERT INTO account (name, class, currency, client_id, balance) VALUES (?, ?, ?, ?, '0')"
                " RETURNING id, balance",
                values,
            ).fetchone()
        self.ids[name], self.balances[name] = row[0], int(row[1])

    def save_balances(self) -> None:
        """Write the running totals."""
        rows = [(str(balance), self.ids[name]) for name, balance in self.balances.items()]
        self.db.executemany("UPDATE account SET balance = ? WHERE id = ?", rows)
        self.db.execute("UPDATE counter SET value = ? WHERE name = 'ordinal'", (self.ordinal,))

    def scripts(self, numbers: Iterable[int]) -> None:
        """One address for each client."""
        currency, now_s = self.currency, self.now_s
        reserve = (
            "INSERT INTO script_reservation (currency, branch, script_index, purpose, client_id)"
            " VALUES (?, 'deposit', ?, ?, ?)"
        )
        for number in numbers:
            own, client = own_of(number), client_name(number)
            purpose = f"client:{client}:0"
            self.db.execute(reserve, (currency, own.index, purpose, client))
            values = (own.script, own.address, own.index, client, purpose, now_s)
            self.db.execute(OWN_SCRIPT, (currency, currency, *values))

    def deposits(self, clients: int) -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
        """One deposit for each client, credited and final."""
        currency, at = self.currency, (self.height, self.block_hash)
        onchain = accounts.onchain(currency, Location.DEPOSIT)
        for number in range(clients):
            client, sequence = client_name(number), self.first_sequence + number
            txid = hashlib.sha256(f"txid {number}".encode()).hexdigest()
            deposit_id = make_id("dep", currency, currency, txid, "0")
            pending, available = (
                accounts.client(client, currency, part) for part in (Part.PENDING, Part.AVAILABLE)
            )
            self.ordinal += 1
            rows: list[tuple[str, tuple[Any, ...]]] = []
            steps = (("deposit_received", onchain, pending), ("deposit_credited", pending, available))
            for kind, debit, credit in steps:
                postings = (Posting(debit, credit, AMOUNT),)
                entry = JournalEntry(
                    kind, "deposit", deposit_id, postings, "chain", currency, *at, txid, None, ""
                )
                entry_row, posting_row = self.entry(entry)
                rows += [(ENTRY, entry_row), (POSTING, posting_row)]
            received = rows[0][1][0]
            amount = str(AMOUNT)
            times = (self.now_s, self.now_s, self.ordinal)
            head = (deposit_id, currency, currency, sequence, client, txid, amount)
            rows.append((DEPOSIT, (*head, *at, *times)))
            rows.append((UTXO, (currency, txid, currency, amount, sequence, *at)))
            rows.append((MOVEMENT, (currency, currency, *at, txid, sequence, amount, received)))
            self.events += 1
            view = DepositView(
                deposit_id, client, currency, own_of(number).address, AMOUNT, txid, "0", 0, *at, 1, 1,
                "credited", self.now_s, self.now_s,
            )  # fmt: skip
            told = (self.events, f"evt_filled_{self.events}", "deposit.credited", self.now_s, client)
            rows.append((EVENT, (*told, "deposit", deposit_id, codec.encode(view)[1])))
            yield rows

    def transfers(self, clients: int, count: int) -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
        """Transfers between clients, each with its event."""
        source, currency, now_s = random.Random(1), self.currency, self.now_s
        for number in range(count):
            payer = source.randrange(clients)
            payee = (payer + source.randrange(1, clients)) % clients
            view = TransferView(
                f"tr_filled_{number}", f"filled-{number}", client_name(payer), client_name(payee),
                currency, 1 + number % 1_000, "bet", now_s,
            )  # fmt: skip
            debit, credit = (
                accounts.client(party, currency, Part.AVAILABLE) for party in (view.source, view.target)
            )
            posting = Posting(debit, credit, view.amount)
            entry = JournalEntry("transfer", "transfer", view.id, (posting,), "key:filled", reason="bet")
            entry_row, posting_row = self.entry(entry)
            self.events += 1
            _, text = codec.encode(view)
            event = (self.events, f"evt_filled_{self.events}", "transfer.posted", now_s, None, "transfer")
            head = (view.id, "filled", view.external_id, view.source, view.target, currency)
            yield [
                (ENTRY, entry_row),
                (POSTING, posting_row),
                (TRANSFER, (*head, str(view.amount), "bet", "key:filled", now_s)),
                (EVENT, (*event, view.id, text)),
            ]

    def write(self, filled: Iterator[list[tuple[str, tuple[Any, ...]]]]) -> None:
        """Write rows by statement, many at a time, those of one table in their order."""
        while chunk := list(islice(filled, CHUNK)):
            for sql in dict.fromkeys(sql for sql, _ in chunk[0]):
                self.db.executemany(sql, [values for rows in chunk for of, values in rows if of == sql])


def fill(path: Path, currency: str, now_s: int, *, clients: int, postings: int) -> None:
    """Fill books that no writer has open; ``postings`` is at least two for each client."""
    db = connect(path)
    try:
        # Nothing else runs and a broken build is thrown away: no flush is worth waiting for here.
        db.execute("PRAGMA synchronous = OFF").fetchall()
        db.execute("PRAGMA foreign_keys = OFF").fetchall()
        db.execute("PRAGMA cache_size = -200000").fetchall()
        db.execute("BEGIN IMMEDIATE")
        named = db.execute(NAMED).fetchall()
        for kind, name, _ in named:
            db.execute(f"DROP {kind} {name}")
        filler = _filler(db, currency, now_s)
        filler.open_accounts(clients)
        filler.scripts(range(clients))
        filler.write(filler.deposits(clients))
        filler.write(filler.transfers(clients, postings - 2 * clients))
        filler.save_balances()
        for _, _, sql in named:
            db.execute(sql)
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        db.close()


def add_addresses(path: Path, currency: str, now_s: int, numbers: Iterable[int]) -> None:
    """Give more clients an address and nothing else, in books that no writer has open."""
    db = connect(path)
    try:
        db.execute("PRAGMA synchronous = OFF").fetchall()
        db.execute("BEGIN IMMEDIATE")
        _filler(db, currency, now_s).scripts(numbers)
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        db.close()


def _filler(db: sqlite3.Connection, currency: str, now_s: int) -> Filler:
    """Begin where the books end."""
    height, block_hash = db.execute(
        "SELECT height, block_hash FROM block WHERE chain = ? ORDER BY height LIMIT 1", (currency,)
    ).fetchone()
    (sequence,) = db.execute("SELECT coalesce(max(sequence), 0) FROM own_script").fetchone()
    (ordinal,) = db.execute("SELECT value FROM counter WHERE name = 'ordinal'").fetchone()
    (events,) = db.execute("SELECT coalesce(max(sequence), 0) FROM event").fetchone()
    last = db.execute("SELECT id, hash FROM journal ORDER BY id DESC LIMIT 1").fetchone()
    return Filler(
        db,
        currency,
        now_s,
        height,
        block_hash,
        sequence + 1,
        ordinal,
        events,
        last or (0, journal.GENESIS_HASH),
    )
