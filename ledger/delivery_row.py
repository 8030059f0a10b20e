"""Webhook deliveries as operators see them; read by writer and readers alike."""

from __future__ import annotations

from ledger.connection import Database
from ledger.delivery_view import DeliveryView


def read_deliveries(
    db: Database, where: str, arguments: tuple[object, ...]
) -> list[tuple[int, DeliveryView]]:
    """Deliveries with their row's number, by a condition on ``d`` that may end with an order and a limit."""
    rows = db.execute(
        "SELECT d.id, e.id, e.sequence, e.type, d.state, d.attempts, d.next_at, d.last_status, d.last_detail,"
        " e.occurred_at FROM delivery d JOIN event e ON e.sequence = d.event_sequence"
        f" WHERE {where}",  # nosec B608
        arguments,
    )
    return [
        (
            number,
            DeliveryView(
                event_id,
                sequence,
                kind,
                state,
                attempts,
                next_at if state == "pending" else None,
                status,
                detail,
                at,
            ),
        )
        for number, event_id, sequence, kind, state, attempts, next_at, status, detail, at in rows
    ]
