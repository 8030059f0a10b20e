"""Questions about operators, their sessions and the audit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ledger.house import read_movements
from ledger.operator import OPERATOR_COLUMNS, to_operator
from ledger.operator_session import SESSION, to_session
from ledger.queries import (
    GetOperatorSession,
    GetStop,
    ListAudit,
    ListHouseAddresses,
    ListHouseMovements,
    ListOperators,
)
from ledger.reader_list import PAGE_MAX, decode_cursor, encode_cursor
from ledger.snapshot import Snapshot
from ledger.stop_row import read_stop
from ledger.views import AuditView, HouseAddressView, OperatorSessionView, OperatorView, Page, StopView


def get_operator_session(snapshot: Snapshot, query: GetOperatorSession) -> OperatorSessionView | None:
    """A session by the hash of its token, with its state and its operator's roles now."""
    row = snapshot.db.execute(SESSION + "s.token_hash = ?", (query.token_hash,)).fetchone()
    return to_session(row, snapshot.now_s) if row else None


def list_operators(snapshot: Snapshot, query: ListOperators) -> tuple[OperatorView, ...]:
    """All operators by name, disabled ones too."""
    rows = snapshot.db.execute(f"SELECT {OPERATOR_COLUMNS} FROM operator ORDER BY name")  # nosec B608
    return tuple(to_operator(row) for row in rows)


def list_audit(snapshot: Snapshot, query: ListAudit) -> Page:
    """A page of the audit, newest first."""
    wanted: tuple[tuple[str, Any], ...] = (
        ("a.by = ?", query.by),
        ("a.action = ?", query.action),
        ("a.object_id = ?", query.object_id),
        ("a.at >= ?", query.since),
        ("a.at < ?", query.until),
        ("a.id < ?", None if query.cursor is None else decode_cursor(query.cursor)),
    )
    given = [(condition, value) for condition, value in wanted if value is not None]
    limit = max(1, min(query.limit, PAGE_MAX))
    where = " AND ".join(["1 = 1", *(condition for condition, _ in given)])
    rows = snapshot.db.execute(
        "SELECT a.id, a.at, a.by, o.name, a.action, a.object_type, a.object_id, a.data FROM audit a"
        f" LEFT JOIN operator o ON a.by = 'operator:' || o.id WHERE {where}"  # nosec B608
        " ORDER BY a.id DESC LIMIT ?",
        (*(value for _, value in given), limit + 1),
    ).fetchall()
    views = tuple(_audit(*row) for row in rows[:limit])
    return Page(views, encode_cursor(views[-1].id) if len(rows) > limit else None)


def _audit(
    audit_id: int, at: int, by: str, name: str | None, action: str, kind: str, object_id: str, data: str
) -> AuditView:
    return AuditView(audit_id, at, by, name, action, kind, object_id, json.loads(data))


def get_stop(snapshot: Snapshot, query: GetStop) -> StopView:
    """The stop that holds now."""
    return read_stop(snapshot.db)


def list_house_addresses(snapshot: Snapshot, query: ListHouseAddresses) -> tuple[HouseAddressView, ...]:
    """By purpose, which is indexed: clients' addresses are not walked. Hot before cold, the newest first."""
    found = []
    for condition in ("s.purpose = 'hot'", "s.purpose >= 'cold:' AND s.purpose < 'cold;'"):
        rows = snapshot.db.execute(
            "SELECT s.currency, s.location, s.address FROM coin c JOIN own_script s"
            f" ON s.currency = c.currency AND {condition}"  # nosec B608
            " WHERE c.is_configured = 1 ORDER BY s.currency, s.sequence DESC"
        )
        found += [HouseAddressView(*row) for row in rows]
    return tuple(found)


def list_house_movements(snapshot: Snapshot, query: ListHouseMovements) -> Page:
    """A page of house movements, newest first."""
    wanted = (
        ("currency = ?", query.currency),
        ("id < ?", None if query.cursor is None else decode_cursor(query.cursor)),
    )
    given = [(condition, value) for condition, value in wanted if value is not None]
    limit = max(1, min(query.limit, PAGE_MAX))
    where = " AND ".join(["1 = 1", *(condition for condition, _ in given)])
    views = read_movements(
        snapshot.db, f"{where} ORDER BY id DESC LIMIT ?", (*(value for _, value in given), limit + 1)
    )
    return Page(tuple(views[:limit]), encode_cursor(views[limit - 1].id) if len(views) > limit else None)


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {
    GetOperatorSession: get_operator_session,
    GetStop: get_stop,
    ListHouseAddresses: list_house_addresses,
    ListHouseMovements: list_house_movements,
    ListOperators: list_operators,
    ListAudit: list_audit,
}
