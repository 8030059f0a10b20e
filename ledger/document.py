"""What the journal says of each document: a deposit, a withdrawal, a case, whatever an entry refers to.

A document's row can be edited by whoever has the file; its entries cannot without breaking the hashes. So the
audit holds the one against the other (:mod:`ledger.document_check`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol, TypeVar

from ledger.accounts import parse
from ledger.connection import Database

Tell = Callable[[str, str, str], None]
"""Notes a finding: kind, row, what is wrong."""

_ENTRIES = (
    "SELECT j.ref_id, d.name, c.name, p.amount FROM journal j JOIN posting p ON p.journal_id = j.id"
    " JOIN account d ON d.id = p.debit_id JOIN account c ON c.id = p.credit_id"
    " WHERE j.ref_type = ? ORDER BY j.ref_id"
)


class Document(Protocol):
    """A row with an id."""

    @property
    def id(self) -> str:
        """What its entries refer to."""


D = TypeVar("D", bound=Document)
K = TypeVar("K", int, str)
L = TypeVar("L")
R = TypeVar("R")


@dataclass(slots=True)
class Booked:
    """All entries of one document together.

    ``net`` is what they leave on each account, by name: above zero in debit, below in credit, never zero.
    ``debits`` is all that was debited, also what was given back later.
    """

    ref_id: str
    net: dict[str, int]
    debits: dict[str, int]


def booked(db: Database, ref_type: str) -> Iterator[Booked]:
    """Of every document of a kind what is booked, in the order of their ids, one after the other."""
    for ref_id, rows in groupby(db.execute(_ENTRIES, (ref_type,)), key=itemgetter(0)):
        net: defaultdict[str, int] = defaultdict(int)
        debits: defaultdict[str, int] = defaultdict(int)
        for _, debit, credit, text in rows:
            amount = int(text)
            debits[debit] += amount
            net[debit] += amount
            net[credit] -= amount
        yield Booked(ref_id, {name: amount for name, amount in net.items() if amount}, dict(debits))


def beside(
    db: Database, ref_type: str, documents: Iterable[D]
) -> Iterator[tuple[str, D | None, Booked | None]]:
    """Each document with what is booked of it, and what is booked of none; ``documents`` in order of ids."""
    entries = ((entry.ref_id, entry) for entry in booked(db, ref_type))
    return paired(((document.id, document) for document in documents), entries)


def paired(
    left: Iterable[tuple[K, L]], right: Iterable[tuple[K, R]]
) -> Iterator[tuple[K, L | None, R | None]]:
    """Two streams, each in the order of its keys and with none twice, as one; None where one has no such key.

    No more than one of each is held at a time, however long they are.
    """
    others = iter(right)
    other = next(others, None)
    for key, value in left:
        while other is not None and other[0] < key:
            yield other[0], None, other[1]
            other = next(others, None)
        if other is not None and other[0] == key:
            yield key, value, other[1]
            other = next(others, None)
        else:
            yield key, value, None
    while other is not None:
        yield other[0], None, other[1]
        other = next(others, None)


def summed(net: Mapping[str, int]) -> dict[str, int]:
    """The net with what may stand for each other in one sum.

    What a client has and what he owes are one (a reorg takes back what is there, and the rest is owed), and
    so are suspense and what of it is missing without explanation.
    """
    found: defaultdict[str, int] = defaultdict(int)
    for name, amount in net.items():
        account = parse(name)
        if account.kind == "client_deficit" or account.part == "available":
            name = of_client(str(account.client_id), account.currency)
        elif account.kind in ("suspense", "unexplained"):
            name = f"suspense:{account.currency}"
        found[name] += amount
    return {name: amount for name, amount in found.items() if amount}


def of_client(client_id: str, currency: str) -> str:
    """The name of the sum of what a client has and what he owes."""
    return f"client:{client_id}:{currency}"


def first_difference(have: Mapping[str, int], want: Mapping[str, int]) -> str:
    """In words, the first account on which two nets differ; empty when none does."""
    for name in sorted({*have, *want}):
        if have.get(name, 0) != want.get(name, 0):
            return f"the journal has {have.get(name, 0)} on {name}, its row says {want.get(name, 0)}"
    return ""


def rows(
    db: Database, tell: Tell, kind: str, sql: str, convert: Callable[[tuple[Any, ...]], D]
) -> Iterator[D]:
    """Rows of a query that begin with their id, typed; what cannot be read is told."""
    for row in db.execute(sql):
        try:
            yield convert(row)
        except (ValueError, TypeError) as error:
            tell(kind, f"{kind} {row[0]}", f"cannot be read: {error}")


def unlike_history(kind: str, table: str) -> str:
    """The query of the rows of ``table`` whose state is not the one their history ends with."""
    return (
        f"SELECT t.id FROM {table} t WHERE t.status IS NOT (SELECT h.status FROM {kind}_history h"  # nosec B608
        f" WHERE h.{kind}_id = t.id ORDER BY h.id DESC LIMIT 1)"
    )


def tell_first(db: Database, tell: Tell, kind: str, detail: str, sql: str) -> None:
    """Tell the first row that a query finds, which selects what names it.

    A query is read once through: what it looks up for each row it looks up by an index that holds few
    rows. ``CROSS JOIN`` keeps the order of tables, ``+column`` keeps SQLite from an index that holds many.
    """
    for (name,) in db.execute(f"{sql} LIMIT 1"):
        tell(kind, f"{kind} {name}", detail)
