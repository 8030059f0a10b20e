"""Own scripts: an index reserved under a purpose, then the script derived from it made ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger import codec
from ledger.commands import RecordScript, ReserveScript
from ledger.context import Tx
from ledger.currency_state import allowing
from ledger.errors import (
    CurrencyClosedError,
    IdentityChangedError,
    IllegalTransitionError,
    TooManyAddressesError,
)
from ledger.views import AddressView, Outcome

ISSUING_STATES = allowing("issues")
"""States in which a client may get a fresh address: the node's absence only delays what is paid to it."""

ADDRESS_COLUMNS = "client_id, currency, address, script_index, sequence, created_at"


def to_address(row: tuple[str | None, str, str, int, int, int]) -> AddressView:
    """An AddressView of a row selected as ADDRESS_COLUMNS; a script of the house has an empty client."""
    client_id, currency, address, index, sequence, created_at = row
    return AddressView(client_id or "", currency, address, index, sequence, created_at)


def reserve_script(tx: Tx, command: ReserveScript) -> int:
    """The index that belongs to the purpose, reserved now or before."""
    coin = tx.coin(command.wanted or command.currency)
    row = tx.db.execute(
        "SELECT script_index, branch FROM script_reservation WHERE currency = ? AND purpose = ?",
        (command.currency, command.purpose),
    ).fetchone()
    if row is not None:
        if row[1] != command.branch.value:
            raise IllegalTransitionError(f"{command.purpose} is reserved on the branch {row[1]}")
        index: int = row[0]
        return index
    if command.client_id is not None:
        is_held = coin.hold is not None or coin.state not in ISSUING_STATES
        if coin.deposits != "open" or not coin.is_configured or is_held:
            raise CurrencyClosedError(f"deposits of {coin.currency} are closed")
        (count,) = tx.db.execute(
            "SELECT count(*) FROM script_reservation WHERE client_id = ? AND currency = ?",
            (command.client_id, command.currency),
        ).fetchone()
        if command.client_limit is not None and count >= command.client_limit:
            raise TooManyAddressesError(
                f"a client may have {command.client_limit} {command.currency} addresses"
            )
    (last,) = tx.db.execute(
        "SELECT max(script_index) FROM script_reservation WHERE currency = ? AND branch = ?",
        (command.currency, command.branch.value),
    ).fetchone()
    index = 0 if last is None else last + 1
    tx.db.execute(
        "INSERT INTO script_reservation (currency, branch, script_index, purpose, client_id)"
        " VALUES (?, ?, ?, ?, ?)",
        (command.currency, command.branch.value, index, command.purpose, command.client_id),
    )
    return index


def record_script(tx: Tx, command: RecordScript) -> Outcome[AddressView]:
    """Make a derived script ours; the same purpose with the same script is answered as found."""
    coin = tx.coin(command.currency)
    row = tx.db.execute(
        f"SELECT script, {ADDRESS_COLUMNS} FROM own_script WHERE currency = ? AND purpose = ?",  # nosec B608
        (command.currency, command.purpose),
    ).fetchone()
    if row is not None:
        if row[0] != command.own.script:
            raise IdentityChangedError(f"{command.purpose} of {command.currency} has another script already")
        return Outcome(to_address(row[1:]), is_new=False)
    reserved = tx.db.execute(
        "SELECT branch, script_index FROM script_reservation WHERE currency = ? AND purpose = ?",
        (command.currency, command.purpose),
    ).fetchone()
    if reserved != (command.own.branch.value, command.own.index):
        raise IllegalTransitionError(f"{command.purpose} of {command.currency} has no such index reserved")
    taken = tx.db.execute(
        "SELECT purpose FROM own_script WHERE chain = ? AND script = ?", (coin.chain, command.own.script)
    ).fetchone()
    if taken is not None:
        raise IdentityChangedError(f"the script of {command.purpose} is that of {taken[0]} already")
    inserted = tx.db.execute(
        "INSERT INTO own_script (chain, currency, script, address, branch, script_index, location,"
        " client_id, purpose, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        f" RETURNING {ADDRESS_COLUMNS}",  # nosec B608
        (
            coin.chain,
            command.currency,
            command.own.script,
            command.own.address,
            command.own.branch.value,
            command.own.index,
            command.location.value,
            command.client_id,
            command.purpose,
            tx.now_s,
        ),
    ).fetchone()
    view = to_address(inserted)
    if command.client_id is not None:
        object_id = f"{command.currency}:{view.sequence}"
        tx.emit("address.issued", "address", object_id, command.client_id, codec.to_dict(view))
    return Outcome(view)


HANDLERS: dict[type[Any], Callable[[Tx, Any], Any]] = {
    ReserveScript: reserve_script,
    RecordScript: record_script,
}
