"""What a command's handler works with: one SQL transaction and the few ways to change the books."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NoReturn

from ledger import accounts, codec, journal
from ledger.accounts import AccountClass, Part
from ledger.coin_row import CoinRow, read_coin
from ledger.errors import InsufficientFundsError, LedgerCorruptError
from ledger.journal import BookedPosting, JournalEntry, Posting


@dataclass(slots=True)
class _Balance:
    """An account's row while an entry is booked."""

    account_id: int
    currency: str
    is_debit_normal: bool
    is_clearing: bool
    amount: int


@dataclass(slots=True)
class Tx:
    """One SQL transaction, handed to every handler.

    ``db`` is the writer's connection inside the transaction, ``now_s`` the time of the batch in unix
    seconds. ``webhook_url`` is where events go, None for nowhere; ``coins`` and ``reply`` are caches.
    """

    db: sqlite3.Connection
    now_s: int
    webhook_url: str | None = None
    coins: dict[str, CoinRow] = field(default_factory=dict)
    reply: tuple[object, str] | None = None

    # -- books ----------------------------------------------------------------------------------

    def post(self, entry: JournalEntry) -> int:
        """Book an entry and answer its journal id; accounts are made when first used.

        Its time is now, or that of the entry before it if the clock went back.

        Raises InsufficientFundsError when a client's available balance does not cover it,
        LedgerCorruptError when any other account would go below zero, a clearing account would not be
        zero afterwards, or the entry is malformed.
        """
        try:
            journal.check(entry)
        except ValueError as error:
            raise LedgerCorruptError(str(error)) from error
        balances: dict[str, _Balance] = {}
        booked = [self._book(posting, balances, entry) for posting in entry.postings]
        for name, balance in balances.items():
            if balance.amount and balance.is_clearing:
                raise LedgerCorruptError(f"{name} is {balance.amount} after {entry.kind} {entry.ref_id}")
        journal_id = self._insert_entry(entry, booked)
        execute = self.db.execute
        for balance in balances.values():
            execute("UPDATE account SET balance = ? WHERE id = ?", (str(balance.amount), balance.account_id))
        for line in booked:
            debit, credit = balances[line.posting.debit], balances[line.posting.credit]
            execute(
                "INSERT INTO posting (journal_id, currency, debit_id, credit_id, amount,"
                " debit_balance_after, credit_balance_after) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    journal_id,
                    debit.currency,
                    debit.account_id,
                    credit.account_id,
                    str(line.posting.amount),
                    str(line.debit_balance_after),
                    str(line.credit_balance_after),
                ),
            )
        return journal_id

    def balance(self, account_name: str) -> int:
        """Balance of an account on its normal side; 0 when nothing was ever booked on it."""
        row = self.db.execute("SELECT balance FROM account WHERE name = ?", (account_name,)).fetchone()
        return int(row[0]) if row else 0

    def entry_of(self, journal_id: int) -> JournalEntry:
        """A booked entry as it was posted, for its contra. Raises LedgerCorruptError when it is missing."""
        row = self.db.execute(
            "SELECT kind, ref_type, ref_id, by, chain, height, block_hash, txid, reverses, reason"
            " FROM journal WHERE id = ?",
            (journal_id,),
        ).fetchone()
        if row is None:
            raise LedgerCorruptError(f"journal entry {journal_id} is missing")
        postings = tuple(
            Posting(debit, credit, int(amount))
            for debit, credit, amount in self.db.execute(
                "SELECT d.name, c.name, p.amount FROM posting p JOIN account d ON d.id = p.debit_id"
                " JOIN account c ON c.id = p.credit_id WHERE p.journal_id = ? ORDER BY p.id",
                (journal_id,),
            )
        )
        return JournalEntry(row[0], row[1], row[2], postings, *row[3:])

    def _book(self, posting: Posting, balances: dict[str, _Balance], entry: JournalEntry) -> BookedPosting:
        """Move one posting on the balances in hand; refuses to go below zero."""
        debit = balances.get(posting.debit) or self._load(posting.debit, balances)
        credit = balances.get(posting.credit) or self._load(posting.credit, balances)
        debit.amount += posting.amount if debit.is_debit_normal else -posting.amount
        credit.amount += -posting.amount if credit.is_debit_normal else posting.amount
        if debit.amount < 0:
            self._refuse(entry, posting.debit, debit.amount)
        if credit.amount < 0:
            self._refuse(entry, posting.credit, credit.amount)
        return BookedPosting(posting, debit.amount, credit.amount)

    def _refuse(self, entry: JournalEntry, name: str, amount: int) -> NoReturn:
        """Say why an account may not go below zero."""
        if accounts.parse(name).part == Part.AVAILABLE:
            raise InsufficientFundsError("the available balance does not cover this")
        raise LedgerCorruptError(
            f"{entry.kind} {entry.ref_type} {entry.ref_id} would take {name} to {amount}"
        )

    def _load(self, name: str, balances: dict[str, _Balance]) -> _Balance:
        """Read an account's row into ``balances``, making it when it is new."""
        account = accounts.parse(name)
        row = self.db.execute("SELECT id, balance FROM account WHERE name = ?", (name,)).fetchone()
        if row is None:
            row = self.db.execute(
                "INSERT INTO account (name, class, currency, client_id, balance) VALUES (?, ?, ?, ?, '0')"
                " RETURNING id, balance",
                (name, account.account_class.value, account.currency, account.client_id),
            ).fetchone()
        balance = balances[name] = _Balance(
            row[0],
            account.currency,
            account.is_debit_normal,
            account.account_class is AccountClass.CLEARING,
            int(row[1]),
        )
        return balance

    def _insert_entry(self, entry: JournalEntry, booked: list[BookedPosting]) -> int:
        """Number, chain and write the entry's own row."""
        last = self.db.execute("SELECT id, hash, at FROM journal ORDER BY id DESC LIMIT 1").fetchone()
        journal_id, prev_hash = (last[0] + 1, last[1]) if last else (1, journal.GENESIS_HASH)
        # Under a clock that was set back too: what is before a moment is what lies before an entry.
        at = max(self.now_s, last[2]) if last else self.now_s
        canonical = journal.canonical_bytes(journal_id, at, entry, booked)
        self.db.execute(
            "INSERT INTO journal (id, kind, at, by, ref_type, ref_id, chain, height, block_hash, txid,"
            " reverses, reason, prev_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                journal_id,
                entry.kind,
                at,
                entry.by,
                entry.ref_type,
                entry.ref_id,
                entry.chain,
                entry.height,
                entry.block_hash,
                entry.txid,
                entry.reverses,
                entry.reason,
                prev_hash,
                journal.chain_hash(prev_hash, canonical),
            ),
        )
        return journal_id

    # -- outbox -----------------------------------------------------------------------------------

    def emit(
        self,
        event_type: str,
        object_type: str,
        object_id: str,
        client_id: str | None,
        data: dict[str, Any] | str,
    ) -> int:
        """Write an event (and its delivery, where webhooks go anywhere); answers its sequence.

        ``data`` is the object as its view's dict (``ledger.codec.to_dict``), amounts in base units, or
        the same as JSON already.
        """
        last = self.db.execute("SELECT max(sequence) FROM event").fetchone()[0]
        sequence: int = (last or 0) + 1
        text = data if isinstance(data, str) else codec.to_json(data)
        # Of the content and not of the sequence alone: after a restore from a backup another event may
        # get the same sequence, and a receiver must not take it for one it already has. The sequence comes
        # first, so that the index of ids grows at its end and not at a random page for each event.
        seed = f"{sequence}|{event_type}|{object_id}|{self.now_s}|{text}".encode()
        self.db.execute(
            "INSERT INTO event (sequence, id, type, occurred_at, client_id, object_type, object_id, data)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                sequence,
                f"evt_{sequence:012x}{blake2b(seed, digest_size=10).hexdigest()}",
                event_type,
                self.now_s,
                client_id,
                object_type,
                object_id,
                text,
            ),
        )
        if self.webhook_url is not None:
            self.db.execute(
                "INSERT INTO delivery (event_sequence, object_key, webhook_url, state, next_at)"
                " VALUES (?, ?, ?, 'pending', ?)",
                (sequence, f"{object_type}:{object_id}", self.webhook_url, self.now_s),
            )
        return sequence

    def json_of(self, view: Any) -> str:
        """A view as JSON; remembered, since a reply that is kept is mostly the event's object too."""
        if self.reply is None or self.reply[0] is not view:
            self.reply = (view, codec.to_json(codec.to_dict(view)))
        return self.reply[1]

    # -- small things -------------------------------------------------------------------------------

    def coin(self, currency: str) -> CoinRow:
        """The currency as registered. Raises UnknownCurrencyError."""
        row = self.coins.get(currency)
        if row is None:
            row = self.coins[currency] = read_coin(self.db, currency)
        return row

    def forget_coins(self) -> None:
        """Drop the cached rows: one was changed, or a change was rolled back."""
        self.coins.clear()

    def next_ordinal(self) -> int:
        """The next number in the order of the lists; given once, without gaps in a committed history."""
        row = self.db.execute(
            "UPDATE counter SET value = value + 1 WHERE name = 'ordinal' RETURNING value"
        ).fetchone()
        if row is None:
            raise LedgerCorruptError("the counter of ordinals is missing")
        value: int = row[0]
        return value

    def audit(self, by: str, action: str, object_type: str, object_id: str, data: dict[str, Any]) -> None:
        """Note who did what to which object, beside the change itself."""
        self.db.execute(
            "INSERT INTO audit (at, by, action, object_type, object_id, data) VALUES (?, ?, ?, ?, ?, ?)",
            (self.now_s, by, action, object_type, object_id, codec.to_json(data)),
        )
