"""The closing report of one currency's month, from the journal alone: the same entries, the same bytes.

Amounts are decimal text of base units. The order of keys and lines is fixed, so that :func:`digest` can be
compared. What the chain said is added when the month is closed (``chain``).
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from ledger import accounts, liability
from ledger.accounts import DEBIT_NORMAL, Account, AccountClass
from ledger.connection import Database

TOP = 10
"""How many of the largest movements on the chain a report names."""

GENESIS = "0" * 64
"""Digest before the first closed month of a currency."""


def group_of(account: Account) -> str:
    """The line of a report that an account belongs to: all clients of a currency are one."""
    if account.kind == "client":
        return f"client:*:{account.currency}:{account.part}"
    return f"client_deficit:*:{account.currency}" if account.client_id else account.name


def balances_at(db: Database, currency: str, cut: int) -> dict[str, int]:
    """Balance of every account of a currency after journal entry ``cut``, those of 0 left out."""
    (last,) = db.execute("SELECT max(id) FROM posting WHERE journal_id <= ?", (cut,)).fetchone()
    found = {}
    for account_id, name in db.execute(
        "SELECT id, name FROM account WHERE currency = ? ORDER BY id", (currency,)
    ).fetchall():
        sides = [
            db.execute(
                f"SELECT id, {side}_balance_after FROM posting WHERE {side}_id = ? AND id <= ?"  # nosec B608
                " ORDER BY id DESC LIMIT 1",
                (account_id, last or 0),
            ).fetchone()
            for side in ("debit", "credit")
        ]
        booked = max((row for row in sides if row is not None), default=None)
        if booked is not None and booked[1] != "0":
            found[name] = int(booked[1])
    return found


def owed_to_clients(balances: Mapping[str, int]) -> dict[str, int]:
    """What each client is owed in all: pending, available and reserved; who is owed nothing is left out."""
    owed: defaultdict[str, int] = defaultdict(int)
    for name, amount in balances.items():
        account = accounts.parse(name)
        if account.client_id is not None and account.account_class is AccountClass.LIABILITY:
            owed[account.client_id] += amount
    return dict(owed)


def compute(
    db: Database, currency: str, month: str, *, after: int, cut: int, salt: bytes, previous: str = GENESIS
) -> dict[str, Any]:
    """The report over the journal entries after ``after`` up to and with ``cut``.

    ``previous`` is the digest of the month before. Raises nothing of its own; reads a whole month.
    """
    opening = _grouped(balances_at(db, currency, after))
    closing_balances = balances_at(db, currency, cut)
    closing, owed = _grouped(closing_balances), owed_to_clients(closing_balances)
    turnover, kinds, top = _walk(db, currency, after, cut)
    root, total = liability.root_of(owed, salt)
    row = db.execute("SELECT hash FROM journal WHERE id = ?", (cut,)).fetchone()
    return {
        "month": month,
        "currency": currency,
        "entries_after": after,
        "entries_to": cut,
        "journal_hash": row[0].hex() if row else GENESIS,
        "previous": previous,
        "accounts": [
            {
                "account": name,
                "class": accounts.parse(name).account_class.value,
                "opening": str(opening.get(name, 0)),
                "debits": str(turnover[name][0]),
                "credits": str(turnover[name][1]),
                "closing": str(closing.get(name, 0)),
            }
            for name in sorted({*opening, *closing, *turnover})
        ],
        "totals": _totals(closing),
        "kinds": [
            {"kind": kind, "entries": count, "amount": str(amount)}
            for kind, (count, amount) in sorted(kinds.items())
        ],
        "top": top,
        "owed": {"clients": len(owed), "total": str(total), "root": root.hex()},
    }


def canonical(report: Mapping[str, Any]) -> str:
    """The report as the text that is stored and hashed."""
    return json.dumps(report, separators=(",", ":"), sort_keys=True, ensure_ascii=True)


def digest(report: Mapping[str, Any]) -> str:
    """SHA-256 over :func:`canonical`, in hex."""
    return hashlib.sha256(canonical(report).encode()).hexdigest()


def _grouped(balances: Mapping[str, int]) -> dict[str, int]:
    """Balances by line of the report."""
    lines: defaultdict[str, int] = defaultdict(int)
    for name, amount in balances.items():
        lines[group_of(accounts.parse(name))] += amount
    return dict(lines)


def _totals(closing: Mapping[str, int]) -> dict[str, str]:
    """The equation of the books: assets and expenses on one side, all else on the other."""
    sums: dict[AccountClass, int] = {kind: 0 for kind in AccountClass if kind is not AccountClass.CLEARING}
    for name, amount in closing.items():
        account_class = accounts.parse(name).account_class
        sums[account_class] = sums.get(account_class, 0) + amount
    difference = sum(amount if kind in DEBIT_NORMAL else -amount for kind, amount in sums.items())
    return {**{kind.value: str(amount) for kind, amount in sums.items()}, "difference": str(difference)}


class _Movements:
    """The largest movements on the chain: of each entry what its locations gained or lost, whichever is more.

    What only came back to the location it left, as change does, is no movement.
    """

    def __init__(self) -> None:
        self._found: list[tuple[int, dict[str, Any]]] = []
        self._told: dict[str, Any] = {}
        self._net: defaultdict[int, int] = defaultdict(int)

    def begin(self, told: dict[str, Any]) -> None:
        """Go on to the next entry."""
        net = self._net.values()
        amount = max(sum(each for each in net if each > 0), -sum(each for each in net if each < 0))
        if amount:
            self._found.append((amount, self._told))
        if len(self._found) > 64 * TOP:
            self._found = self._largest()
        self._told, self._net = told, defaultdict(int)

    def add(self, account_id: int, change: int) -> None:
        """What a posting of the entry does to a location."""
        self._net[account_id] += change

    def largest(self) -> list[dict[str, Any]]:
        """The largest first; of equal ones the older."""
        self.begin({})
        return [{**told, "amount": str(amount)} for amount, told in self._largest()]

    def _largest(self) -> list[tuple[int, dict[str, Any]]]:
        return sorted(self._found, key=lambda found: (-found[0], found[1]["entry"]))[:TOP]


def _walk(
    db: Database, currency: str, after: int, cut: int
) -> tuple[defaultdict[str, list[int]], dict[str, tuple[int, int]], list[dict[str, Any]]]:
    """Debits and credits by line, entries and amounts by kind, and the largest movements on the chain."""
    lines: dict[int, tuple[str, bool]] = {}
    for account_id, name in db.execute("SELECT id, name FROM account WHERE currency = ?", (currency,)):
        account = accounts.parse(name)
        lines[account_id] = group_of(account), account.kind == "onchain"
    turnover: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    kinds: dict[str, tuple[int, int]] = {}
    movements = _Movements()
    last_entry = None
    for debit, credit, text, entry, kind, at, ref_type, ref_id, height, txid in db.execute(
        "SELECT p.debit_id, p.credit_id, p.amount, j.id, j.kind, j.at, j.ref_type, j.ref_id, j.height,"
        " j.txid FROM posting p JOIN journal j ON j.id = p.journal_id"
        " WHERE p.journal_id > ? AND p.journal_id <= ? AND p.currency = ? ORDER BY p.journal_id, p.id",
        (after, cut, currency),
    ):
        amount = int(text)
        turnover[lines[debit][0]][0] += amount
        turnover[lines[credit][0]][1] += amount
        if entry != last_entry:
            told = {"entry": entry, "kind": kind, "at": at, "height": height, "txid": txid}
            movements.begin({**told, "ref": f"{ref_type}:{ref_id}"})
        count, total = kinds.get(kind, (0, 0))
        kinds[kind] = count + (entry != last_entry), total + amount
        last_entry = entry
        for account_id, change in ((debit, amount), (credit, -amount)):
            if lines[account_id][1]:
                movements.add(account_id, change)
    return turnover, kinds, movements.largest()
