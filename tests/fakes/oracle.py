"""An independent judge of the books: reads the database file and nothing of the program.

``check_books`` looks at a file between two commits and answers what is wrong, each line beginning with
the invariant it breaks. It has its own chart of accounts and its own table of allowed states on
purpose: a mistake in the program must not excuse itself here.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.fakes.oracle_batches import check_batches
from tests.fakes.oracle_cases import check_cases, corrected

DEBIT_KINDS = {"onchain", "client_deficit", "unexplained", "chain_tx", "network_fee", "token_fee", "loss"}
CREDIT_KINDS = {
    "client",
    "suspense",
    "refund_payable",
    "house",
    "withdrawal_fee",
    "unclaimed",
}
ON_CHAIN_STATES = {"confirming", "credited", "final", "parked"}
RELEASED_STATES = {"rejected", "cancelled", "failed"}
NEXT_STATES = {
    None: {"held", "approved"},
    "held": {"approved", "rejected", "cancelled"},
    "approved": {"signed", "cancelled", "rejected"},
    "signed": {"broadcast"},
    "broadcast": {"confirmed", "failed"},
    "confirmed": {"final", "broadcast"},
}
DEPOSIT_STATES = {
    "seen",
    "confirming",
    "credited",
    "final",
    "orphaned",
    "reversed",
    "conflicted",
    "parked",
}
MONEY_COLUMNS = {
    "account": ("balance",),
    "posting": ("amount", "debit_balance_after", "credit_balance_after"),
    "deposit": ("amount", "credited_amount"),
    "utxo": ("amount",),
    "withdrawal": ("amount", "fee"),
    "intent": ("amount",),
    "attempt": ("fee",),
    "transfer": ("amount",),
    "unclaimed_case": ("amount",),
    "script_balance": ("amount",),
}
AMOUNT_LIMIT = 2**256


def check_books(path: Path, acknowledged: Mapping[str, Iterable[str]] | None = None) -> list[str]:
    """Every broken invariant, first of each kind first; empty when the books are right.

    ``acknowledged`` maps a table to ids that callers were told of: each must be there (I-16).
    """
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        db.execute("BEGIN")
        wrong = [line for check in CHECKS for line in check(db)]
        wrong += _acknowledged(db, acknowledged or {})
        return wrong
    finally:
        db.close()


def _sign(name: str) -> int:
    """+1 where a debit makes the balance grow, -1 where a credit does."""
    kind = name.split(":")[0]
    if kind in DEBIT_KINDS:
        return 1
    if kind in CREDIT_KINDS:
        return -1
    raise ValueError(f"no such account: {name}")


def _postings(db: sqlite3.Connection) -> Iterator[tuple[int, str, str, str, str, int]]:
    """(journal id, ref type, ref id, debit, credit, amount) in order."""
    for row in db.execute(
        "SELECT j.id, j.ref_type, j.ref_id, d.name, c.name, p.amount FROM posting p"
        " JOIN journal j ON j.id = p.journal_id JOIN account d ON d.id = p.debit_id"
        " JOIN account c ON c.id = p.credit_id ORDER BY p.id"
    ):
        yield (*row[:5], int(row[5]))


def _entries(db: sqlite3.Connection) -> Iterator[str]:
    """I-01, I-02, I-03, I-18: entries, balances, numbering."""
    totals: dict[str, int] = defaultdict(int)
    for journal_id, _, _, debit, credit, amount in _postings(db):
        if _currency(debit) != _currency(credit):
            yield f"I-01 entry {journal_id} moves {debit} / {credit}"
        if amount <= 0:
            yield f"I-01 entry {journal_id} has a posting of {amount}"
        totals[debit] += amount * _sign(debit)
        totals[credit] -= amount * _sign(credit)
        for name in (debit, credit):
            if totals[name] < 0:
                yield f"I-02 entry {journal_id} takes {name} to {totals[name]}"
    sides: dict[str, int] = defaultdict(int)
    for name, stored in db.execute("SELECT name, balance FROM account"):
        if totals[name] != int(stored):
            yield f"I-03 {name} is stored as {stored}, its postings give {totals[name]}"
        if int(stored) < 0:
            yield f"I-02 {name} is {stored}"
        if name.startswith("chain_tx:") and totals[name]:
            yield f"I-01 {name} holds {totals[name]}"
        sides[_currency(name)] += totals[name] * _sign(name)
    yield from (f"I-01 {currency}: debits and credits differ by {d}" for currency, d in sides.items() if d)
    ids = [row[0] for row in db.execute("SELECT id FROM journal ORDER BY id")]
    if ids != list(range(1, len(ids) + 1)):
        yield "I-18 the journal's numbers have a gap"
    sequences = [row[0] for row in db.execute("SELECT sequence FROM event ORDER BY sequence")]
    if sequences != list(range(1, len(sequences) + 1)):
        yield "I-18 the events' sequences have a gap"


def _currency(name: str) -> str:
    parts = name.split(":")
    return parts[2] if parts[0] in ("client", "client_deficit") else parts[1]


def _chain(db: sqlite3.Connection) -> Iterator[str]:
    """I-04, I-19: onchain accounts are what blocks did, block by block, and blocks are a chain."""
    books: dict[tuple[str, str], int] = defaultdict(int)
    for name, balance in db.execute("SELECT name, balance FROM account WHERE name LIKE 'onchain:%'"):
        _, currency, location = name.split(":")
        books[currency, location] = int(balance)
    moved: dict[tuple[str, str], int] = defaultdict(int)
    for currency, location, delta in db.execute(
        "SELECT currency, location, delta FROM chain_movement WHERE is_disconnected = 0"
    ):
        moved[currency, location] += int(delta)
    held: dict[tuple[str, str], int] = defaultdict(int)
    for currency, location, amount in db.execute(
        "SELECT currency, location, amount FROM utxo WHERE spent_by IS NULL"
    ):
        held[currency, location] += int(amount)
    for currency, location, amount in db.execute(
        "SELECT b.currency, s.location, b.amount FROM script_balance b"
        " JOIN own_script s ON s.sequence = b.script_sequence"
    ):
        held[currency, location] += int(amount)
    fixed = corrected(db)
    for key in {*books, *moved, *held, *fixed}:
        if not books[key] - fixed[key] == moved[key] == held[key]:
            yield (
                f"I-04 onchain:{key[0]}:{key[1]} is {books[key]}, movements give {moved[key]},"
                f" outputs and accounts hold {held[key]}, operators corrected {fixed[key]}"
            )
    before: dict[str, tuple[int, str]] = {}
    for chain, height, block_hash, parent in db.execute(
        "SELECT chain, height, block_hash, parent_hash FROM block ORDER BY chain, height"
    ):
        if chain in before and before[chain] != (height - 1, parent):
            yield f"I-19 block {height} of {chain} does not follow {before[chain]}"
        before[chain] = (height, block_hash)
    for chain, height in db.execute(
        "SELECT m.chain, m.height FROM chain_movement m LEFT JOIN block b ON b.chain = m.chain"
        " AND b.block_hash = m.block_hash WHERE m.is_disconnected = 0 AND b.height IS NOT m.height"
    ):
        yield f"I-19 a movement stands in block {height} of {chain}, which is not applied"


def _deposits(db: sqlite3.Connection) -> Iterator[str]:
    """I-05, I-06, I-20: every receipt is booked once while its block stands, for its script's owner."""
    pending: dict[str, int] = defaultdict(int)
    onchain: dict[str, int] = defaultdict(int)
    for _, ref_type, ref_id, debit, credit, amount in _postings(db):
        if ref_type != "deposit":
            continue
        pending[ref_id] += amount * (credit.endswith(":pending") - debit.endswith(":pending"))
        onchain[ref_id] += amount * (debit.startswith("onchain:") - credit.startswith("onchain:"))
    for deposit_id, status, amount_text, owner, client_id, block, height in db.execute(
        "SELECT d.id, d.status, d.amount, s.client_id, d.client_id, b.block_hash, d.block_height"
        " FROM deposit d LEFT JOIN own_script s ON s.sequence = d.script_sequence AND s.chain = d.chain"
        " LEFT JOIN block b ON b.chain = d.chain AND b.block_hash = d.block_hash"
        " AND b.height = d.block_height"
    ):
        is_on_chain = status in ON_CHAIN_STATES
        expected = int(amount_text) if is_on_chain else 0
        if status not in DEPOSIT_STATES:
            yield f"I-18 deposit {deposit_id} is {status}"
        if onchain[deposit_id] != expected:
            yield f"I-05 deposit {deposit_id} ({status}) is booked for {onchain[deposit_id]}, not {expected}"
        if pending[deposit_id] != (expected if status == "confirming" else 0):
            yield f"I-05 deposit {deposit_id} ({status}) has {pending[deposit_id]} pending"
        if is_on_chain and block is None:
            yield f"I-06 deposit {deposit_id} ({status}) is in no applied block (height {height})"
        if owner != client_id:
            yield f"I-20 deposit {deposit_id} is {client_id}'s, its script {owner}'s"
    yield from _duplicates(db, "I-05", "deposit", "chain, currency, txid, position")
    yield from _duplicates(db, "I-20", "own_script", "chain, script")
    yield from _duplicates(db, "I-20", "script_reservation", "currency, branch, script_index")


def _policy(db: sqlite3.Connection) -> Iterator[str]:
    """I-07: no credit before the depth, and the tag, that were in force when it was posted."""
    told: dict[str, list[int]] = defaultdict(list)
    for deposit_id, data in db.execute(
        "SELECT object_id, data FROM event WHERE type = 'deposit.credited' ORDER BY sequence"
    ):
        told[deposit_id].append(int(json.loads(data)["confirmations_required"]))
    mined_at: dict[str, int] = {}
    last: dict[str, tuple[int, int, str, int]] = {}
    for journal_id, kind, ref_id, height, block_hash in db.execute(
        "SELECT id, kind, ref_id, height, block_hash FROM journal WHERE ref_type = 'deposit' ORDER BY id"
    ):
        if kind in ("deposit_received", "deposit_parked"):
            mined_at[ref_id] = height
        elif kind == "deposit_credited" and ref_id in mined_at:
            last[ref_id] = (journal_id, height, block_hash, mined_at[ref_id])
            depth, required = height - mined_at[ref_id] + 1, told[ref_id].pop(0) if told[ref_id] else None
            if required is None or depth < required:
                yield f"I-07 deposit {ref_id} was credited {depth} deep, {required} were required"
    for deposit_id, finality, credited in db.execute(
        "SELECT id, finality, credited_amount FROM deposit WHERE status IN ('credited', 'final')"
    ):
        if deposit_id not in last:
            continue
        journal_id, height, block_hash, mined = last[deposit_id]
        tags = db.execute(
            "SELECT safe_height, finalized_height FROM block WHERE block_hash = ?", (block_hash,)
        ).fetchone()
        tag = {"safe": tags[0], "finalized": tags[1]}.get(finality, height) if tags else height
        if tag is None or tag < mined:
            yield f"I-07 deposit {deposit_id} in block {mined} was credited with {finality} at {tag}"
        became = db.execute(
            "SELECT p.amount FROM posting p JOIN account c ON c.id = p.credit_id"
            " WHERE p.journal_id = ? AND c.name LIKE '%:available'",
            (journal_id,),
        ).fetchone()
        if credited not in (became[0] if became else "0", "0"):
            yield f"I-07 deposit {deposit_id} made {became} available, noted are {credited}"
    yield from _split(db)


def _split(db: sqlite3.Connection) -> Iterator[str]:
    """I-07: what one block brings one client needs one depth, in however many parts (a coinbase more)."""
    for client_id, currency, height in db.execute(
        "SELECT d.client_id, d.currency, d.block_height FROM deposit d WHERE d.status IN"
        " ('confirming', 'credited', 'final') AND NOT EXISTS (SELECT 1 FROM utxo u WHERE u.chain = d.chain"
        " AND u.txid = d.txid AND CAST(u.output_index AS TEXT) = d.position AND u.is_coinbase = 1)"
        " GROUP BY d.client_id, d.currency, d.chain, d.block_hash"
        " HAVING count(DISTINCT d.confirmations_required) > 1"
    ):
        yield f"I-07 {client_id}'s {currency} in block {height} has parts of different depth"


def _duplicates(db: sqlite3.Connection, invariant: str, table: str, columns: str) -> Iterator[str]:
    for row in db.execute(f"SELECT {columns} FROM {table} GROUP BY {columns} HAVING count(*) > 1"):
        yield f"{invariant} {table} has {row} twice"


def _withdrawals(db: sqlite3.Connection) -> Iterator[str]:
    """I-09, I-14, I-17, I-18: one payment at most, the reserve is what is in flight, states follow."""
    mined = {
        row[0]: row[1]
        for row in db.execute(
            "SELECT p.withdrawal_id, count(*) FROM attempt_payout p JOIN attempt a ON a.id = p.attempt_id"
            " WHERE a.state = 'mined' GROUP BY p.withdrawal_id"
        )
    }
    yield from (f"I-09 withdrawal {key} is paid {n} times" for key, n in mined.items() if n > 1)
    debited = {row[0] for row in db.execute("SELECT ref_id FROM journal WHERE ref_type = 'withdrawal'")}
    reserve: dict[str, int] = defaultdict(int)
    for row_id, client, currency, amount, fee, status, case_id, kind in db.execute(
        "SELECT id, client_id, currency, amount, fee, status, case_id, kind FROM withdrawal"
    ):
        is_cold = kind == "cold"  # it goes to ourselves: nobody is debited
        if (row_id in debited) is is_cold:
            yield f"I-17 withdrawal {row_id} was never debited"
        if status in ("confirmed", "final") and row_id not in mined:
            yield f"I-14 withdrawal {row_id} is {status} without a mined attempt"
        if status in RELEASED_STATES and row_id in mined:
            yield f"I-14 withdrawal {row_id} is {status} and paid"
        if status not in RELEASED_STATES and row_id not in mined and not is_cold:
            name = f"refund_payable:{currency}" if case_id else f"client:{client}:{currency}:reserved"
            reserve[name] += int(amount) + int(fee)
        states = [
            state
            for (state,) in db.execute(
                "SELECT status FROM withdrawal_history WHERE withdrawal_id = ? ORDER BY id", (row_id,)
            )
        ]
        if not states or states[-1] != status:
            yield f"I-18 withdrawal {row_id} is {status}, its history ends with {states[-1:]}"
        for before, after in zip([None, *states], states, strict=False):
            if before != after and after not in NEXT_STATES.get(before, set()):
                yield f"I-18 withdrawal {row_id} went from {before} to {after}"
    for name, balance in db.execute(
        "SELECT name, balance FROM account WHERE name LIKE 'client:%:reserved'"
        " OR name LIKE 'refund_payable:%'"
    ):
        if reserve.pop(name, 0) != int(balance):
            yield f"I-14 {name} is {balance}, which is not what its withdrawals in flight need"
    yield from (
        f"I-14 {name} holds nothing for {amount} in flight" for name, amount in reserve.items() if amount
    )


def _attempts(db: sqlite3.Connection) -> Iterator[str]:
    """I-12, I-13, I-17: what was signed for one intent conflicts; a nonce serves one intent."""
    inputs: dict[str, set[object]] = defaultdict(set)
    for attempt_id, *outpoint in db.execute(
        "SELECT attempt_id, chain, txid, output_index FROM attempt_input"
    ):
        inputs[attempt_id].add(tuple(outpoint))
    by_intent: dict[str, list[str]] = defaultdict(list)
    lanes: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for attempt_id, intent_id, state, chain, sender, nonce, txid in db.execute(
        "SELECT a.id, a.intent_id, a.state, c.chain, a.sender, a.nonce, a.txid FROM attempt a"
        " LEFT JOIN coin c ON c.currency = a.currency"
    ):
        if sender is not None:
            inputs[attempt_id].add((chain, sender, nonce))
        if txid is not None:
            by_intent[intent_id].append(attempt_id)
        if sender is not None and state != "abandoned":
            lanes[chain, sender, nonce].add(intent_id)
        if state not in ("prepared", "abandoned") and txid is None:
            yield f"I-17 attempt {attempt_id} is {state} without a txid"
    for intent_id, attempts in by_intent.items():
        for position, first in enumerate(attempts):
            for second in attempts[position + 1 :]:
                if not inputs[first] & inputs[second]:
                    yield f"I-12 attempts {first} and {second} of {intent_id} may both be mined"
    for (chain, _, nonce), intents in lanes.items():
        if len(intents) > 1:
            yield f"I-13 nonce {nonce} on {chain} serves {sorted(intents)}"


def _tokens(db: sqlite3.Connection) -> Iterator[str]:
    """I-14: a mined payment in a token took from its sender at least what was signed, and no native money."""
    taken: dict[tuple[str, str], int] = defaultdict(int)
    for txid, currency, delta in db.execute(
        "SELECT txid, currency, delta FROM chain_movement WHERE is_disconnected = 0"
        " AND (position LIKE 'send:%' OR position = 'value')"
    ):
        taken[txid, currency] -= int(delta)
    for attempt_id, txid, currency, chain, state, plan in db.execute(
        "SELECT a.id, a.txid, a.currency, c.chain, a.state, a.plan FROM attempt a"
        " JOIN coin c ON c.currency = a.currency WHERE c.chain <> a.currency AND a.txid IS NOT NULL"
    ):
        amount = int(json.loads(plan)["outputs"][0]["amount"])
        if state == "mined" and taken[txid, currency] < amount:
            yield f"I-14 attempt {attempt_id} is mined, {taken[txid, currency]} of {amount} left"
        if taken[txid, chain]:
            yield f"I-14 attempt {attempt_id} in {currency} moved {taken[txid, chain]} of {chain}"


def _rows(db: sqlite3.Connection) -> Iterator[str]:
    """I-17, I-21: no orphan rows, every amount a canonical integer in range."""
    for row in db.execute("PRAGMA foreign_key_check"):
        yield f"I-17 {row[0]} {row[1]} has no row in {row[2]}"
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table, columns in MONEY_COLUMNS.items():
        if table not in tables:
            continue
        for column in columns:
            for kind, value in db.execute(f"SELECT typeof({column}), {column} FROM {table}"):
                if kind != "text" or not value.isdecimal() or str(int(value)) != value:
                    yield f"I-21 {table}.{column} holds {value!r} ({kind})"
                elif table != "account" and not column.endswith("after") and int(value) >= AMOUNT_LIMIT:
                    yield f"I-21 {table}.{column} holds {value}, beyond 2^256"


def _acknowledged(db: sqlite3.Connection, acknowledged: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """I-16: what a caller was told of exists."""
    for table, ids in acknowledged.items():
        present = {row[0] for row in db.execute(f"SELECT id FROM {table}")}
        yield from (f"I-16 {table} {row_id} was acknowledged and is gone" for row_id in set(ids) - present)


CHECKS: tuple[Callable[[sqlite3.Connection], Iterator[str]], ...] = (
    _entries,
    _chain,
    _deposits,
    _policy,
    _withdrawals,
    check_cases,
    _attempts,
    check_batches,
    _tokens,
    _rows,
)
