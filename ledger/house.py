"""House money that comes from outside: announced before it is mined, it is the house's and nobody's case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ledger.commands import AnnounceHouseFunding
from ledger.connection import Database
from ledger.context import Tx
from ledger.errors import AlreadyExistsError
from ledger.views import HouseMovementView, Outcome

COLUMNS = "id, kind, currency, txid, by, reason, at"


def announce_house_funding(tx: Tx, command: AnnounceHouseFunding) -> Outcome[HouseMovementView]:
    """Note that a chain tx brings house money; saying it again changes nothing.

    What is booked already lies in suspense, or is unexplained, and its case says what becomes of it.
    """
    coin = tx.coin(command.currency)
    of_txid = ("currency = ? AND txid = ?", (coin.currency, command.txid))
    held = read_movements(tx.db, *of_txid)
    if held:
        return Outcome(held[0], is_new=False)
    booked = tx.db.execute(
        "SELECT 1 FROM unclaimed_case WHERE currency = ? AND txid = ? AND kind IN ('funding', 'unexplained')"
        " AND status <> 'closed'",
        (coin.currency, command.txid),
    ).fetchone()
    if booked is not None:
        raise AlreadyExistsError("this chain tx is in the books already: look at its case")
    tx.db.execute(
        "INSERT INTO house_movement (kind, currency, txid, by, reason, at) VALUES ('funding', ?, ?, ?, ?, ?)",
        (coin.currency, command.txid, command.by, command.reason, tx.now_s),
    )
    data = {"currency": coin.currency, "reason": command.reason}
    tx.audit(command.by, "announce_house_funding", "chain_tx", command.txid, data)
    (view,) = read_movements(tx.db, *of_txid)
    return Outcome(view)


def read_movements(db: Database, where: str, arguments: tuple[object, ...]) -> list[HouseMovementView]:
    """House movements matching a condition; it may end with an order and a limit."""
    sql = f"SELECT {COLUMNS} FROM house_movement WHERE {where}"  # nosec B608
    return [HouseMovementView(*row) for row in db.execute(sql, arguments)]


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {AnnounceHouseFunding: announce_house_funding}
