"""What a statement looks like as JSON. Written line by line (``gateway.statement_text``), described here."""

from __future__ import annotations

from pydantic import Field

from gateway.replies import Model


class StatementBalance(Model):
    """A balance. Of a client it is available + reserved + pending - deficit, with these four beside it.

    ``balance`` begins with a minus sign where more is owed by the client than to him.
    """

    balance: str
    available: str | None
    reserved: str | None
    pending: str | None
    deficit: str | None


class MovementReply(Model):
    """One movement: ``debit`` or ``credit`` is null, ``balance`` is what it left.

    ``fee`` is the service fee that is part of it, ``entry`` the number of its journal entry, ``reverses`` the
    entry it undoes, ``reference`` the id of what it is about. ``value`` is what it was worth in
    ``value_currency`` when it was booked, by the ``rate`` known then, of ``rate_at``; null where none was.
    """

    entry: int
    at: str
    kind: str
    entry_kind: str
    debit: str | None
    credit: str | None
    fee: str
    balance: str
    counterpart: str
    reference: str
    txid: str | None
    block_height: int | None
    block_hash: str | None
    reverses: int | None
    reason: str
    value: str | None
    value_currency: str | None
    rate: str | None
    rate_at: str | None


class StatementReply(Model):
    """Opening + credits - debits = closing (of an asset or expense: opening + debits - credits).

    It holds the journal's entries after ``first_entry`` up to ``last_entry``, whose ``hash`` (empty before
    the first entry) stands for all before it. ``is_final`` when the books are closed up to ``to``: otherwise
    there may be more of it later.
    """

    account: str | None
    client_id: str | None
    currency: str
    from_: str | None = Field(serialization_alias="from")
    to: str | None
    is_final: bool
    opening: StatementBalance
    closing: StatementBalance
    first_entry: int
    last_entry: int
    hash: str
    movements: list[MovementReply]
    debits: str
    credits: str
    fees: str


class TrialAccountReply(Model):
    """One account: opening and closing on its normal ``side`` (``debit``, ``credit``), and what moved it."""

    account: str
    class_: str = Field(serialization_alias="class")
    side: str
    opening: str
    debits: str
    credits: str
    closing: str


class TrialSidesReply(Model):
    """What all accounts of each side hold together: two equal sums."""

    debit: str
    credit: str


class TrialTotalsReply(Model):
    """The sums of all accounts: debits = credits, and each balance the same on both sides."""

    opening: TrialSidesReply
    debits: str
    credits: str
    closing: TrialSidesReply


class TrialReply(Model):
    """Every account of a currency that held or moved anything, over the entries after ``first_entry``."""

    currency: str
    from_: str | None = Field(serialization_alias="from")
    to: str | None
    is_final: bool
    first_entry: int
    last_entry: int
    hash: str
    accounts: list[TrialAccountReply]
    totals: TrialTotalsReply
