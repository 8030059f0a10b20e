"""What is under way and in no block yet, asked at one state of the books."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from coins.types import AttemptPlan, Location, Outpoint, Receipt
from ledger import accounts
from ledger.attempt_row import AttemptRow, is_cancel, plan_of, read_attempts
from ledger.coin_row import CoinRow
from ledger.connect import decision_on, parking_reason
from ledger.currency import BLOCK_COLUMNS, to_block
from ledger.deposit import DepositState
from ledger.deposit_row import DepositRow, read_deposits
from ledger.in_flight import Flight, line_of, movements
from ledger.in_flight_view import (
    CandidateView,
    ClientsLine,
    ForeignSpendView,
    GetInFlight,
    IncomingView,
    InFlightView,
    InputView,
    MovementView,
    Span,
)
from ledger.queries import GetBooks
from ledger.reader_books import get_books
from ledger.snapshot import Snapshot
from ledger.withdrawal import RELEASED
from ledger.withdrawal_row import PAID_BY, PAYOUT, read_withdrawals

FLYING = (
    "a.currency IN (SELECT c.currency FROM coin c WHERE c.chain = ?)"
    " AND a.state IN ('signed', 'broadcast', 'unknown') AND NOT EXISTS (SELECT 1 FROM attempt w"
    " WHERE w.intent_id = a.intent_id AND w.state IN ('mined', 'reverted')) ORDER BY a.rowid"
)
"""Signed, in no block, and no rival of something that is in one."""


@dataclass(frozen=True, slots=True)
class _Place:
    """An own script's row."""

    address: str
    location: str
    client_id: str | None


@dataclass(frozen=True, slots=True)
class _Desk:
    """What a question is answered with; ``query.mempool`` is of the block the books stand at, or None."""

    snapshot: Snapshot
    coin: CoinRow
    query: GetInFlight

    def place(self, script: bytes) -> _Place | None:
        """Whose a script of ours is, None for one of somebody else."""
        row = self.snapshot.db.execute(
            "SELECT address, location, client_id FROM own_script WHERE chain = ? AND script = ?",
            (self.coin.chain, script),
        ).fetchone()
        return None if row is None else _Place(*row)

    def is_ours(self, txid: str) -> bool:
        """Whether a chain tx was signed by us."""
        sql = "SELECT 1 FROM attempt WHERE txid = ?"
        return self.snapshot.db.execute(sql, (txid,)).fetchone() is not None


def get_in_flight(snapshot: Snapshot, query: GetInFlight) -> InFlightView:
    """Everything in no block, and what locations and clients will have. Raises UnknownCurrencyError."""
    coin = snapshot.coin(query.currency)
    row = snapshot.db.execute(
        f"SELECT {BLOCK_COLUMNS} FROM block WHERE chain = ? ORDER BY height DESC LIMIT 1",  # nosec B608
        (coin.chain,),
    ).fetchone()
    at = to_block(row) if row else None
    if at is None or at.block_hash != query.block_hash:
        query = GetInFlight(query.currency)
    desk = _Desk(snapshot, coin, query)
    rows = read_attempts(snapshot.db, FLYING, (coin.chain,))
    incoming = (*_seen(desk), *_told_by_node(desk))
    foreign = tuple(_foreign(desk, incoming, rows))
    flights = [flight for attempt in rows for flight in _flight(desk, attempt)]
    unconfirmed = [Outpoint(each.txid, int(each.position)) for each in incoming if each.position.isdecimal()]
    moving = movements(flights, unconfirmed, {each.outpoint: each.txid for each in foreign})
    books = get_books(snapshot, GetBooks(query.currency))
    return InFlightView(
        currency=coin.currency,
        fee_currency=coin.chain,
        at=at,
        is_node_known=query.mempool is not None,
        incoming=incoming,
        movements=moving,
        foreign=foreign,
        locations=tuple(
            line_of(place.value, books.onchain[place.value], incoming, foreign, moving) for place in Location
        ),
        clients=_clients(coin, books.accounts, incoming, moving),
    )


def _seen(desk: _Desk) -> Iterator[IncomingView]:
    """Deposits shown to clients and not mined; nothing else is written down before it is mined."""
    coin, db = desk.coin, desk.snapshot.db
    condition = "d.chain = ? AND d.status = 'seen' AND d.currency = ? ORDER BY d.ordinal"
    for row in read_deposits(db, condition, (coin.chain, coin.currency)):
        (location,) = db.execute(
            "SELECT location FROM own_script WHERE sequence = ?", (row.script_sequence,)
        ).fetchone()
        yield IncomingView(
            deposit_id=row.id,
            txid=row.txid,
            position=row.position,
            address=row.address,
            client_id=row.client_id,
            location=location,
            amount=row.amount,
            reason=_reason(desk, row.id, row.client_id, row.amount),
            is_own=desk.is_ours(row.txid),
        )


def _told_by_node(desk: _Desk) -> Iterator[IncomingView]:
    """What the node holds besides: money to scripts of the house, and payments that a reorg undid."""
    db, coin = desk.snapshot.db, desk.coin
    receipts = desk.query.mempool.receipts if desk.query.mempool is not None else ()
    for receipt in receipts:
        place = desk.place(receipt.script)
        if receipt.currency != coin.currency or not receipt.amount or place is None:
            continue
        deposit = _deposit_of(desk, receipt)
        if desk.is_ours(receipt.txid) or (deposit is not None and deposit.status is DepositState.SEEN):
            continue
        announced = db.execute(
            "SELECT 1 FROM house_movement WHERE currency = ? AND txid = ?", (coin.currency, receipt.txid)
        ).fetchone()
        deposit_id, reason = deposit.id if deposit is not None else None, receipt.doubt or None
        if place.client_id is not None:
            reason = _reason(desk, deposit_id, place.client_id, receipt.amount, receipt.doubt)
        elif announced is None:
            reason = reason or "unannounced"
        yield IncomingView(
            deposit_id=deposit_id,
            txid=receipt.txid,
            position=receipt.position,
            address=place.address,
            client_id=place.client_id,
            location=place.location,
            amount=receipt.amount,
            reason=reason,
            is_announced=announced is not None,
        )


def _deposit_of(desk: _Desk, receipt: Receipt) -> DepositRow | None:
    """The deposit that a receipt is, in whatever state; None for one that is not known yet."""
    key = (desk.coin.chain, receipt.currency, receipt.txid, receipt.position)
    condition = "d.chain = ? AND d.currency = ? AND d.txid = ? AND d.position = ?"
    rows = read_deposits(desk.snapshot.db, condition, key)
    return rows[0] if rows else None


def _reason(desk: _Desk, deposit_id: str | None, client_id: str, amount: int, doubt: str = "") -> str | None:
    """Why a payment to a client would be parked if it were mined now, None where it would be credited."""
    db = desk.snapshot.db
    reason = doubt or parking_reason(db, desk.coin, client_id, amount)
    decided = deposit_id is not None and decision_on(db, deposit_id, reason, client_id, amount) is not None
    return None if decided else reason


def _foreign(
    desk: _Desk, incoming: tuple[IncomingView, ...], rows: list[AttemptRow]
) -> Iterator[ForeignSpendView]:
    """Spends in the node's mempool of what is ours, by chain txs that are not."""
    spends = desk.query.mempool.spends if desk.query.mempool is not None else ()
    if desk.coin.currency != desk.coin.chain:
        return
    fresh = {(each.txid, each.position): (each.location, each.amount) for each in incoming}
    for row in rows:
        for index, output in enumerate(plan_of(row).outputs if row.sender is None else ()):
            place = desk.place(output.script)
            if place is not None and row.txid is not None:
                fresh[row.txid, str(index)] = (place.location, output.amount)
    for spend in spends:
        if desk.is_ours(spend.txid):
            continue
        held = _held(desk, spend.outpoint) or fresh.get((spend.outpoint.txid, str(spend.outpoint.index)))
        if held is not None:
            yield ForeignSpendView(spend.txid, spend.outpoint, *held)


def _held(desk: _Desk, outpoint: Outpoint) -> tuple[str, int] | None:
    """Location and amount of an output of ours that is in a block and not spent in one."""
    row = desk.snapshot.db.execute(
        "SELECT location, amount FROM utxo WHERE chain = ? AND txid = ? AND output_index = ?"
        " AND spent_by IS NULL",
        (desk.coin.chain, outpoint.txid, outpoint.index),
    ).fetchone()
    return None if row is None else (row[0], int(row[1]))


def _flight(desk: _Desk, row: AttemptRow) -> Iterator[Flight]:
    """An attempt as far as it moves the currency asked for: of another one on its chain, its gas alone."""
    coin, plan = desk.coin, plan_of(row)
    is_of_it, pays_gas = row.currency == coin.currency, coin.currency == coin.chain
    if not (is_of_it or pays_gas) or row.txid is None:
        return
    change: dict[str, Span] = {}
    spent = tuple(_inputs(desk, plan))
    fee = Span(plan.fee, plan.fee) if row.sender is None else Span(0, plan.fee)
    returns = leaves = 0
    for output in plan.outputs if is_of_it else ():
        place = desk.place(output.script)
        if place is None:
            leaves += output.amount
        else:
            returns += output.amount
            _add(change, place.location, Span(output.amount, output.amount))
    for each in spent:
        _add(change, each.location, Span(-each.amount, -each.amount))
    if plan.sender is not None:
        source = desk.place(plan.sender.script)
        out = leaves + returns
        taken = Span(-out - fee.high, -out - fee.low) if pays_gas else Span(-out, -out)
        if source is not None:
            _add(change, source.location, taken)
    paid = _paid(desk, row) if is_of_it and not is_cancel(row) else 0
    mempool = desk.query.mempool
    candidate = CandidateView(
        attempt_id=row.id,
        kind=plan.kind,
        txid=row.txid,
        state=row.state.value,
        leaves=leaves,
        returns=returns,
        fee=fee,
        change=change,
        inputs=spent,
        sender=plan.sender.address if plan.sender is not None else None,
        nonce=plan.nonce,
        withdrawals=tuple(each.id for each in read_withdrawals(desk.snapshot.db, PAID_BY, (row.id,))),
        paid=paid,
        is_held=None if mempool is None else row.txid in mempool.txids,
    )
    missing = frozenset(each.outpoint for each in spent if _held(desk, each.outpoint) is None)
    yield Flight(row.intent_id, row.kind, row.currency, candidate, missing)


def _inputs(desk: _Desk, plan: AttemptPlan) -> Iterator[InputView]:
    """The outputs that a plan spends, where each lies."""
    for utxo in plan.inputs:
        place = desk.place(utxo.own.script)
        if place is not None:
            yield InputView(utxo.outpoint, place.location, utxo.amount)


def _add(change: dict[str, Span], location: str, span: Span) -> None:
    change[location] = change.get(location, Span()).plus(span)


def _paid(desk: _Desk, row: AttemptRow) -> int:
    """What clients have reserved for what an attempt pays; nothing of refunds, and of what was given back."""
    return sum(
        each.amount + each.fee
        for each in read_withdrawals(desk.snapshot.db, PAID_BY, (row.id,))
        if each.kind == PAYOUT and each.case_id is None and each.status not in RELEASED
    )


def _clients(
    coin: CoinRow,
    books: dict[str, int],
    incoming: tuple[IncomingView, ...],
    moving: tuple[MovementView, ...],
) -> ClientsLine:
    """What clients are owed by the books, and will be."""
    available, reserved, pending = (
        books.get(accounts.client("*", coin.currency, part), 0)
        for part in (accounts.Part.AVAILABLE, accounts.Part.RESERVED, accounts.Part.PENDING)
    )
    deficit = books.get(accounts.client_deficit("*", coin.currency), 0)
    credits = sum(each.amount for each in incoming if each.client_id is not None and each.reason is None)
    paid = Span()
    for movement in moving:
        paid = paid.plus(movement.paid)
    owed = available + reserved + pending - deficit + credits
    expected = Span(owed - paid.high, owed - paid.low)
    return ClientsLine(available, reserved, pending, deficit, credits, paid, expected)


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {GetInFlight: get_in_flight}
