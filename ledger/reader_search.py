"""What an operator searches for: everything one text names, exactly, and what belongs to that.

Each look-up goes by an index and takes the newest few, so that a client of many years costs no more than one
of a day. What is found is followed one step: a deposit to its case and to what spent it, a withdrawal to
its candidates and their children, each of them to its journal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger import case_row, deposit_row, withdrawal_row
from ledger.accounts import is_client_id
from ledger.house import read_movements
from ledger.queries import GetBalances
from ledger.reader_client import get_balances
from ledger.reader_journal import read_entries
from ledger.reader_list import page_limit
from ledger.reader_story import child_ids, entry_ids, marks, read_chain_txs
from ledger.snapshot import Snapshot
from ledger.story_query import SearchBooks
from ledger.story_view import AddressMatch, ClientMatch, Found
from ledger.views import CaseView, DepositView, TransferView, WithdrawalView

_HASH = re.compile(r"(0x)?([0-9a-f]{64})", re.ASCII | re.IGNORECASE)
_OF_WEBSITE = "website IN (SELECT k.website FROM api_key k UNION SELECT '')"
"""Condition: whoever may have asked for it; the house's own has no website."""

_IS_ADDRESS = (
    "t.address = ? COLLATE NOCASE AND (t.address = ? OR t.address LIKE '0x%' OR t.address = lower(t.address))"
)
"""Condition: hex (EIP-55) and bech32 (BIP 173) may be written in capitals or without; base58 may not."""

_CASE_DEPOSIT = "SELECT deposit_id FROM unclaimed_case WHERE id IN ({}) AND deposit_id IS NOT NULL"
_REFUND = "SELECT id FROM withdrawal WHERE case_id IN ({})"

Where = tuple[str, tuple[object, ...]]


def _among(condition: str, values: Sequence[object]) -> list[Where]:
    """A condition with ``{}`` in place of a list of values; none without values, which would read it all."""
    return [(condition.format(marks(values)), tuple(values))] if values else []


@dataclass(slots=True)
class _Search:
    """What was found so far: ids by kind, the newest first."""

    snapshot: Snapshot
    text: str
    limit: int
    txids: tuple[str, ...] = ()
    truncated: set[str] = field(default_factory=set)

    def newest(self, kind: str, table: str, wanted: Iterable[Where]) -> list[str]:
        """The ids of the newest rows of a table that meet any of the conditions (each goes by an index)."""
        order = "rowid" if table in ("attempt", "transfer") else "ordinal"
        found: dict[str, int] = {}
        for where, arguments in wanted:
            sql = f"SELECT t.id, t.{order} FROM {table} t WHERE {where} ORDER BY t.{order} DESC LIMIT ?"  # nosec B608
            found.update(self.snapshot.db.execute(sql, (*arguments, self.limit + 1)).fetchall())
        return self.cut(kind, sorted(found, key=found.__getitem__, reverse=True))

    def ids(self, look: Where) -> list[str]:
        """The first column of a query, as far as it is shown and one more."""
        sql, arguments = look
        rows = self.snapshot.db.execute(f"{sql} LIMIT ?", (*arguments, self.limit + 1))
        return [found for (found,) in rows]

    def cut(self, kind: str, ids: list[str]) -> list[str]:
        """At most ``limit`` of them; notes a list that is longer."""
        if len(ids) > self.limit:
            self.truncated.add(kind)
        return ids[: self.limit]


def search_books(snapshot: Snapshot, query: SearchBooks) -> Found:
    """Everything the text names, as :class:`SearchBooks` says."""
    hash_ = _HASH.fullmatch(query.text)
    txids = (hash_[2].lower(), f"0x{hash_[2].lower()}") if hash_ else ()
    search = _Search(snapshot, query.text, page_limit(query.limit), txids)
    scripts = _scripts(search)
    attempts = _attempts(search, scripts)
    withdrawals = _withdrawals(search, attempts)
    deposits = _deposits(search, scripts)
    cases = _cases(search, scripts, deposits, withdrawals)
    for look in _among(_CASE_DEPOSIT, cases):
        deposits = _merge(search, "deposits", deposits, search.ids(look))
    for look in _among(_REFUND, cases):
        withdrawals = _merge(search, "withdrawals", withdrawals, search.ids(look))
    attempts = _merge(search, "chain_txs", attempts, _served(search, withdrawals, deposits))
    attempts = _merge(search, "chain_txs", attempts, child_ids(snapshot, attempts))
    transfers = _transfers(search)
    chain_txs = read_chain_txs(snapshot, attempts)
    shown = _deposit_views(search, deposits)
    seen = [*txids, *(each.txid for each in shown), *(each.txid for each in chain_txs if each.txid)]
    objects = [*deposits, *withdrawals, *cases, *(view.id for view in transfers), *attempts]
    entries = entry_ids(snapshot, objects, seen, search.limit + 1)
    if len(entries) > search.limit:
        search.truncated.add("journal")
    payouts = _withdrawal_views(search, withdrawals)
    addresses = _addresses(search, scripts)
    movements = read_movements(snapshot.db, f"txid IN ({marks(txids)}) LIMIT ?", (*txids, search.limit))
    return Found(
        clients=_clients(search, [*addresses, *shown, *payouts]),
        addresses=tuple(addresses),
        deposits=tuple(shown),
        withdrawals=tuple(payouts),
        transfers=tuple(transfers),
        cases=tuple(_case_views(search, cases)),
        house_movements=tuple(movements),
        chain_txs=chain_txs,
        entries=read_entries(snapshot, entries[-search.limit :]),
        truncated=tuple(sorted(search.truncated)),
    )


# -- what the text names -----------------------------------------------------------------------------


def _scripts(search: _Search) -> list[int]:
    """Own scripts with the address; the same account may stand under several chains."""
    rows = search.snapshot.db.execute(
        f"SELECT t.sequence FROM own_script t WHERE {_IS_ADDRESS} LIMIT ?",  # nosec B608
        (search.text, search.text, search.limit),
    )
    return [sequence for (sequence,) in rows]


def _attempts(search: _Search, scripts: Sequence[int]) -> list[str]:
    """Chain txs of ours by txid, own id or intent, and those that emptied an account."""
    wanted: list[Where] = [
        ("t.id = ?", (search.text,)),
        ("t.intent_id = ?", (search.text,)),
        *_among("t.txid IN ({})", search.txids),
    ]
    return search.newest("chain_txs", "attempt", [*wanted, *_swept(scripts)])


def _swept(scripts: Sequence[int]) -> list[Where]:
    """Sweeps of these scripts and the gas for them."""
    return [("t.intent_id IN (SELECT i.id FROM intent i WHERE i.script_sequence = ?)", (s,)) for s in scripts]


def _withdrawals(search: _Search, attempts: Sequence[str]) -> list[str]:
    """Withdrawals by id, external_id, client, txid or payee, and those that a found chain tx pays."""
    text = search.text
    wanted: list[Where] = [
        ("t.id = ?", (text,)),
        (f"t.{_OF_WEBSITE} AND t.external_id = ?", (text,)),
        ("t.client_id = ?", (text,)),
        *_among("t.txid IN ({})", search.txids),
        (_IS_ADDRESS, (text, text)),
        *_among(
            "t.id IN (SELECT p.withdrawal_id FROM attempt_payout p WHERE p.attempt_id IN ({}))", attempts
        ),
    ]
    return search.newest("withdrawals", "withdrawal", wanted)


def _deposits(search: _Search, scripts: Sequence[int]) -> list[str]:
    """Deposits by id, client, txid or address."""
    wanted: list[Where] = [
        ("t.id = ?", (search.text,)),
        ("t.client_id = ?", (search.text,)),
        *_among("t.txid IN ({})", search.txids),
        *(("t.script_sequence = ?", (sequence,)) for sequence in scripts),
    ]
    return search.newest("deposits", "deposit", wanted)


def _transfers(search: _Search) -> list[TransferView]:
    """Transfers by id or external_id; all of a client's are in its statement."""
    wanted: list[Where] = [
        ("t.id = ?", (search.text,)),
        (f"t.{_OF_WEBSITE} AND t.external_id = ?", (search.text,)),
    ]
    ids = search.newest("transfers", "transfer", wanted)
    if not ids:
        return []
    rows = search.snapshot.db.execute(
        "SELECT id, external_id, source, target, currency, amount, reason, created_at FROM transfer"
        f" WHERE id IN ({marks(ids)}) ORDER BY rowid DESC",  # nosec B608
        tuple(ids),
    )
    return [
        TransferView(transfer_id, external_id, source, target, currency, int(amount), reason, at)
        for transfer_id, external_id, source, target, currency, amount, reason, at in rows
    ]


# -- what belongs to it ---------------------------------------------------------------------------------


def _cases(
    search: _Search, scripts: Sequence[int], deposits: Sequence[str], withdrawals: Sequence[str]
) -> list[str]:
    """Cases by id, client, txid or address, those of found deposits, and those that a withdrawal refunds."""
    wanted: list[Where] = [
        ("t.id = ?", (search.text,)),
        ("t.client_id = ?", (search.text,)),
        *_among("t.txid IN ({})", search.txids),
        *(("t.script_sequence = ?", (sequence,)) for sequence in scripts),
        *_among("t.deposit_id IN ({})", deposits),
        *_among("t.id IN (SELECT w.case_id FROM withdrawal w WHERE w.id IN ({}))", withdrawals),
    ]
    return search.newest("cases", "unclaimed_case", wanted)


def _served(search: _Search, withdrawals: Sequence[str], deposits: Sequence[str]) -> list[str]:
    """The candidates of withdrawals, and what spent or swept the money of deposits."""
    looks = [
        *_among("SELECT attempt_id FROM attempt_payout WHERE withdrawal_id IN ({})", withdrawals),
        *_among(
            "SELECT n.attempt_id FROM deposit d CROSS JOIN attempt_input n ON n.chain = d.chain"
            " AND n.txid = d.txid AND n.output_index = CAST(d.position AS INTEGER) WHERE d.id IN ({})",
            deposits,
        ),
        *_among(
            "SELECT a.id FROM deposit d CROSS JOIN intent i ON i.script_sequence = d.script_sequence"
            " CROSS JOIN attempt a ON a.intent_id = i.id AND a.created_at >= d.seen_at WHERE d.id IN ({})"
            " ORDER BY a.rowid",
            deposits,
        ),
    ]
    return [found for look in looks for found in search.ids(look)]


def _merge(search: _Search, kind: str, found: Sequence[str], more: Iterable[str]) -> list[str]:
    """What was found, then what belongs to something else that was; each once."""
    return search.cut(kind, list(dict.fromkeys([*found, *more])))


# -- views --------------------------------------------------------------------------------------------------


def _deposit_views(search: _Search, ids: Sequence[str]) -> list[DepositView]:
    if not ids:
        return []
    rows = deposit_row.read_deposits(
        search.snapshot.db, f"d.id IN ({marks(ids)}) ORDER BY d.ordinal DESC", tuple(ids)
    )
    return [deposit_row.to_view(row, search.snapshot.height(row.chain)) for row in rows]


def _withdrawal_views(search: _Search, ids: Sequence[str]) -> list[WithdrawalView]:
    if not ids:
        return []
    snapshot = search.snapshot
    rows = withdrawal_row.read_withdrawals(
        snapshot.db, f"w.id IN ({marks(ids)}) ORDER BY w.ordinal DESC", tuple(ids)
    )
    views = []
    for row in rows:
        coin = snapshot.coin(row.currency)
        views.append(
            withdrawal_row.to_view(snapshot.db, row, coin.confirmations, snapshot.height(coin.chain))
        )
    return views


def _case_views(search: _Search, ids: Sequence[str]) -> list[CaseView]:
    if not ids:
        return []
    snapshot = search.snapshot
    rows = case_row.read_cases(snapshot.db, f"c.id IN ({marks(ids)}) ORDER BY c.ordinal DESC", tuple(ids))
    return [case_row.to_view(snapshot.db, row, snapshot.height(row.chain)) for row in rows]


def _addresses(search: _Search, scripts: Sequence[int]) -> list[AddressMatch]:
    """The addresses the text is, and the newest of the client it is."""
    rows = search.snapshot.db.execute(
        "SELECT sequence FROM own_script WHERE client_id = ? ORDER BY sequence DESC LIMIT ?",
        (search.text, search.limit + 1),
    ).fetchall()
    if len(rows) > search.limit:
        search.truncated.add("addresses")
    wanted = [*scripts, *(sequence for (sequence,) in rows[: search.limit])]
    if not wanted:
        return []
    found = search.snapshot.db.execute(
        "SELECT currency, address, client_id, location, branch, script_index, created_at FROM own_script"
        f" WHERE sequence IN ({marks(wanted)}) ORDER BY sequence DESC",  # nosec B608
        tuple(wanted),
    )
    return [AddressMatch(*row) for row in found]


def _clients(
    search: _Search, found: Iterable[AddressMatch | DepositView | WithdrawalView]
) -> tuple[ClientMatch, ...]:
    """The client the text is, and those whose payments or addresses were found."""
    names = dict.fromkeys(each.client_id for each in found if each.client_id is not None)
    if (
        is_client_id(search.text)
        and search.snapshot.db.execute(
            "SELECT 1 FROM account WHERE client_id = ? LIMIT 1", (search.text,)
        ).fetchone()
    ):
        names = {search.text: None, **names}
    clients = search.cut("clients", [name for name in names if is_client_id(name)])
    return tuple(ClientMatch(name, get_balances(search.snapshot, GetBalances(name))) for name in clients)


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {SearchBooks: search_books}
