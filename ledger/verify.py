"""The audit of the books on a read-only connection: it reads everything and believes nothing.

Amounts are added in Python; the result is a list of findings, empty when all is well. Each names its
kind, the first bad row and what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ledger import accounts, journal
from ledger.accounts import AccountClass
from ledger.connection import DAMAGED, Database, connect, is_disk_fault
from ledger.document_check import check_documents
from ledger.errors import StoreUnavailableError
from ledger.journal import BookedPosting, JournalEntry, Posting
from ledger.period_check import check_periods
from ledger.rebuild import check_rebuilt
from ledger.reconciliation_check import check_reconciliations


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: ``kind`` (``hash_chain``, ``balance`` …), the row, and what is wrong."""

    kind: str
    row: str
    detail: str


@dataclass(slots=True)
class _Audit:
    """Running totals per account id, and the findings so far (the first of each kind and account)."""

    names: dict[int, str]
    totals: dict[int, int]
    findings: list[Finding] = field(default_factory=list)

    def add(self, kind: str, row: str, detail: str) -> None:
        """Note a finding; of one kind only the first matters, what follows is mostly its echo."""
        if all(finding.kind != kind for finding in self.findings):
            self.findings.append(Finding(kind, *(_printable(text) for text in (row, detail))))


UNREADABLE = frozenset({"account", "amount", "foreign_key", "orphan_posting"})
"""Findings after which nothing can be derived from the journal."""

_DIGITS_MAX = 78
"""Digits of the largest amount, 2^256-1."""

EVERY = 2_000
"""Journal entries between two words about how far the audit is."""

OnEntry = Callable[[int, int], None]


def silent(_done: int, _total: int) -> None:
    """Tell nobody how far it is."""


def verify_file(path: Path, on_entry: OnEntry = silent) -> list[Finding]:
    """Audit a database file on a connection of its own, in one state of the books, also beside a server.

    ``on_entry`` is told now and then how many journal entries are done, and of how many. A file that is
    damaged, or no database at all, is a finding. Raises StoreUnavailableError when the disk fails.
    """
    try:
        db = connect(path, read_only=True)
    except DAMAGED as error:
        return [_of_file(error)]
    try:
        return verify(db, on_entry)
    finally:
        db.close()


def _of_file(error: Exception) -> Finding:
    """What the database itself says is wrong. Raises StoreUnavailableError when it is the disk."""
    if is_disk_fault(error):
        raise StoreUnavailableError(f"the database cannot be read: {error}") from error
    return Finding("file", "database", _printable(str(error)))


def _any_text(data: bytes) -> str:
    """A column of text, also where somebody's bytes are none: what was hashed is then another text."""
    return data.decode("utf-8", "surrogateescape")


def _printable(text: str) -> str:
    """A text that can be shown, whatever bytes a row holds."""
    return text.encode("utf-8", "backslashreplace").decode()


def verify(db: Database, on_entry: OnEntry = silent) -> list[Finding]:
    """Audit the books: structure, hash chain, balances, trial balance, all derived tables, closed months, and
    the file with its indexes.

    Takes some 30 seconds per million postings. Raises StoreUnavailableError when the disk fails.
    """
    audit = _Audit({}, {})
    db.text_factory = _any_text
    try:
        db.execute("BEGIN")
        _check_books(db, audit, on_entry)
        _check_file(db, audit)
    except DAMAGED as error:
        audit.findings.append(_of_file(error))
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
    return audit.findings


def _check_books(db: Database, audit: _Audit, on_entry: OnEntry) -> None:
    """All that the books say, in one state of them."""
    stored = db.execute("SELECT id, name, class, currency, client_id, balance FROM account").fetchall()
    audit.names.update({row[0]: row[1] for row in stored})
    audit.totals.update({row[0]: 0 for row in stored})
    _check_accounts(audit, stored)
    _replay(db, audit, on_entry)
    for account_id, name, *_, balance in stored:
        if str(audit.totals[account_id]) != balance:
            audit.add("balance", name, f"stored {balance[:80]}, its postings give {audit.totals[account_id]}")
    _check_trial_balance(audit)
    check_reconciliations(db, audit.add)
    for row in db.execute("PRAGMA foreign_key_check"):
        audit.add("foreign_key", f"{row[0]} {row[1]}", f"has no row in {row[2]}")
    if not UNREADABLE & {finding.kind for finding in audit.findings}:
        _check_derived(db, audit)


def _check_file(db: Database, audit: _Audit) -> None:
    """Pages, constraints and indexes: an index that says something else than its table misleads questions."""
    for (text,) in db.execute("PRAGMA integrity_check(1)"):
        if text != "ok":
            audit.add("file", "database", text)


def _check_derived(db: Database, audit: _Audit) -> None:
    """Everything that the journal and the movements give once more."""
    try:
        check_rebuilt(db, audit.add)
    except (ValueError, TypeError) as error:
        audit.add("movement", "chain_movement", f"cannot be read: {error}")
    check_documents(db, audit.add)
    check_periods(db, audit.add)


def _check_accounts(audit: _Audit, stored: list[tuple[int, str, str, str, str | None, str]]) -> None:
    """Every account is of the chart, and says of itself what its name says."""
    for _, name, account_class, currency, client_id, balance in stored:
        try:
            account = accounts.parse(name)
        except ValueError as error:
            audit.add("account", name, str(error))
            continue
        expected = (account.account_class.value, account.currency, account.client_id)
        if (account_class, currency, client_id) != expected:
            audit.add("account", name, f"is written as {(account_class, currency, client_id)}")
        if not _is_whole(balance):
            audit.add("negative", name, f"its balance is {balance[:80]!r}")


def _replay(db: Database, audit: _Audit, on_entry: OnEntry) -> None:
    """Book everything again: numbers without gaps, hash after hash, balances after each posting."""
    expected_id, prev_hash, last_posting = 1, journal.GENESIS_HASH, 0
    (count,) = db.execute("SELECT count(*) FROM journal").fetchone()
    postings = _postings(db)
    pending = next(postings, None)
    for row in db.execute(
        "SELECT id, at, kind, ref_type, ref_id, by, chain, height, block_hash, txid, reverses, reason,"
        " prev_hash, hash FROM journal ORDER BY id"
    ):
        journal_id: int = row[0]
        if journal_id != expected_id:
            audit.add("journal_gap", f"journal {expected_id}", f"is missing, {journal_id} follows")
        booked = []
        while pending is not None and pending[1] <= journal_id:
            if pending[1] == journal_id:
                booked.append(_book(audit, pending))
                if pending[0] <= last_posting:
                    audit.add("order", f"posting {pending[0]}", f"stands behind posting {last_posting}")
                last_posting = pending[0]
            else:
                audit.add("orphan_posting", f"posting {pending[0]}", f"belongs to no journal {pending[1]}")
            pending = next(postings, None)
        if not booked:
            audit.add("empty_entry", f"journal {journal_id}", "has no posting")
        entry = JournalEntry(row[2], row[3], row[4], tuple(b.posting for b in booked), *row[5:12])
        if row[12] != prev_hash:
            audit.add("hash_chain", f"journal {journal_id}", "does not follow the entry before it")
        own = journal.chain_hash(row[12], journal.canonical_bytes(journal_id, row[1], entry, booked))
        if own != row[13]:
            audit.add("hash_chain", f"journal {journal_id}", "its content is not what was hashed")
        expected_id, prev_hash = journal_id + 1, row[13]
        if expected_id % EVERY == 0:
            on_entry(expected_id, count)
    if pending is not None:
        audit.add("orphan_posting", f"posting {pending[0]}", f"belongs to no journal {pending[1]}")


def _postings(db: Database) -> Iterator[tuple[int, int, str, int, int, str, str, str]]:
    """All postings by entry and in order."""
    return db.execute(
        "SELECT id, journal_id, currency, debit_id, credit_id, amount, debit_balance_after,"
        " credit_balance_after FROM posting ORDER BY journal_id, id"
    )


def _book(audit: _Audit, row: tuple[int, int, str, int, int, str, str, str]) -> BookedPosting:
    """Move one posting on the totals and compare what it says of the balances it left."""
    posting_id, _, currency, debit_id, credit_id, amount_text, debit_after, credit_after = row
    where = f"posting {posting_id}"
    amount, left_debit, left_credit = (
        _whole(audit, where, text) for text in (amount_text, debit_after, credit_after)
    )
    posting = Posting(audit.names.get(debit_id, "?"), audit.names.get(credit_id, "?"), amount)
    for account_id, name, is_debit, after in (
        (debit_id, posting.debit, True, debit_after),
        (credit_id, posting.credit, False, credit_after),
    ):
        try:
            account = accounts.parse(name)
        except ValueError:
            audit.add("account", where, f"names account {account_id}, which is not of the chart")
            continue
        if account.currency != currency:
            audit.add("currency", where, f"moves {currency} on {name}")
        grows = account.is_debit_normal is is_debit
        audit.totals[account_id] += posting.amount if grows else -posting.amount
        if audit.totals[account_id] < 0:
            audit.add("negative", where, f"takes {name} to {audit.totals[account_id]}")
        if str(audit.totals[account_id]) != after:
            audit.add("balance_after", where, f"says {after} of {name}, not {audit.totals[account_id]}")
    return BookedPosting(posting, left_debit, left_credit)


def _whole(audit: _Audit, where: str, text: str) -> int:
    """The integer a column of amounts holds; -1, which no posting can be, for anything else."""
    if _is_whole(text):
        return int(text)
    audit.add("amount", where, f"holds {text[:80]!r}")
    return -1


def _is_whole(text: str) -> bool:
    """Whether a text is an amount as the books write it: plain digits, no zeros before them."""
    is_digits = text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX
    return is_digits and (text[0] != "0" or text == "0")


def _check_trial_balance(audit: _Audit) -> None:
    """Per currency: assets and expenses = liabilities, revenue and equity; clearing accounts are zero."""
    sums: dict[str, int] = {}
    for account_id, name in audit.names.items():
        try:
            account = accounts.parse(name)
        except ValueError:
            continue
        total = audit.totals[account_id]
        sums[account.currency] = sums.get(account.currency, 0) + (
            total if account.is_debit_normal else -total
        )
        if account.account_class is AccountClass.CLEARING and total:
            audit.add("clearing", name, f"holds {total} between two entries")
    for currency, difference in sorted(sums.items()):
        if difference:
            audit.add("trial_balance", currency, f"debits exceed credits by {difference}")
