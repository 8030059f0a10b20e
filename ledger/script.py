"""Own scripts: an index reserved under a purpose, then the script derived from it made ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from coins.types import Branch
from ledger import codec
from ledger.commands import GetUnrecorded, RecordScript, ReserveScript
from ledger.context import Tx
from ledger.currency_state import allowing
from ledger.errors import (
    CurrencyClosedError,
    IdentityChangedError,
    IllegalTransitionError,
    TooManyAddressesError,
)
from ledger.views import AddressView, Outcome, ReservedScript

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
        view = to_address(row[1:])
        is_given_now = not view.client_id and command.client_id is not None
        return Outcome(_give(tx, command, view) if is_given_now else view, is_new=is_given_now)
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
        _tell(tx, view)
    return Outcome(view)


def _give(tx: Tx, command: RecordScript, view: AddressView) -> AddressView:
    """Give a client the script that was found at a start, reserved for him and never shown.

    What came to it until now is a case; from now on it is the client's.
    """
    tx.db.execute(
        "UPDATE own_script SET client_id = ? WHERE currency = ? AND purpose = ? AND client_id IS NULL",
        (command.client_id, command.currency, command.purpose),
    )
    given = replace(view, client_id=command.client_id or "")
    _tell(tx, given)
    return given


def _tell(tx: Tx, view: AddressView) -> None:
    object_id = f"{view.currency}:{view.sequence}"
    tx.emit("address.issued", "address", object_id, view.client_id, codec.to_dict(view))


def get_unrecorded(tx: Tx, command: GetUnrecorded) -> tuple[ReservedScript, ...]:
    """Reserved indices without a script. As many of both is the rule: then nothing is searched."""
    (missing,) = tx.db.execute(
        "SELECT (SELECT count(*) FROM script_reservation WHERE currency = ?)"
        " - (SELECT count(*) FROM own_script WHERE currency = ?)",
        (command.currency, command.currency),
    ).fetchone()
    if not missing:
        return ()
    rows = tx.db.execute(
        "SELECT r.branch, r.script_index, r.purpose FROM script_reservation r WHERE r.currency = ?"
        " AND NOT EXISTS (SELECT 1 FROM own_script s WHERE s.currency = r.currency AND s.purpose = r.purpose)"
        " ORDER BY r.branch, r.script_index",
        (command.currency,),
    )
    return tuple(ReservedScript(Branch(branch), index, purpose) for branch, index, purpose in rows)


HANDLERS: dict[type[Any], Callable[[Tx, Any], Any]] = {
    ReserveScript: reserve_script,
    RecordScript: record_script,
    GetUnrecorded: get_unrecorded,
}
