"""Webhook deliveries: claimed under a lease, in order per object, until delivered or dead."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ledger.commands import ClaimDeliveries, RecordDelivery
from ledger.context import Tx
from ledger.delivery_row import read_deliveries
from ledger.delivery_view import DeliveryView
from ledger.errors import NotFoundError
from ledger.views import DeliveryWork, EventView, Outcome
from ledger.webhook_command import RedeliverWebhook

FARTHEST_S = 3 * 86_400
"""No try is put off for longer."""

EVENT_COLUMNS = "id, sequence, type, occurred_at, client_id, data"


def to_event(row: tuple[str, int, str, int, str | None, str]) -> EventView:
    """An EventView of a row selected as EVENT_COLUMNS."""
    event_id, sequence, event_type, occurred_at, client_id, data = row
    return EventView(event_id, sequence, event_type, occurred_at, client_id, json.loads(data))


def claim_deliveries(tx: Tx, command: ClaimDeliveries) -> tuple[DeliveryWork, ...]:
    """Lease what is due, oldest event first; it goes to the address that is configured now.

    A time that no try would set was set by a clock that was ahead: it does not make anybody wait.
    """
    now = tx.now_s
    due = tx.db.execute(
        "SELECT d.id, d.attempts, d.event_sequence FROM delivery d"
        " WHERE ((d.state = 'pending' AND d.next_at <= ?) OR (d.state = 'pending' AND d.next_at > ?))"
        " AND (d.leased_until <= ? OR d.leased_until > ?)"
        " AND NOT EXISTS (SELECT 1 FROM delivery o WHERE o.object_key = d.object_key"
        "                 AND o.state = 'pending' AND o.event_sequence < d.event_sequence)"
        " ORDER BY d.event_sequence LIMIT ?",
        (now, now + FARTHEST_S, now, now + command.lease_s, command.limit),
    ).fetchall()
    work = []
    for delivery_id, attempts, sequence in due:
        tx.db.execute(
            "UPDATE delivery SET attempts = ?, leased_until = ?, webhook_url = ? WHERE id = ?",
            (attempts + 1, tx.now_s + command.lease_s, command.webhook_url, delivery_id),
        )
        event = tx.db.execute(
            f"SELECT {EVENT_COLUMNS} FROM event WHERE sequence = ?",  # nosec B608
            (sequence,),
        ).fetchone()
        work.append(DeliveryWork(delivery_id, to_event(event), attempts + 1, command.webhook_url))
    return tuple(work)


def record_delivery(tx: Tx, command: RecordDelivery) -> None:
    """Keep the result of a try. One that was delivered or given up meanwhile stays so."""
    if tx.db.execute("SELECT 1 FROM delivery WHERE id = ?", (command.delivery_id,)).fetchone() is None:
        raise NotFoundError(f"there is no delivery {command.delivery_id}")
    if command.is_delivered:
        state = "delivered"
    else:
        state = "dead" if command.next_at is None else "pending"
    tx.db.execute(
        "UPDATE delivery SET state = ?, next_at = coalesce(?, next_at), leased_until = 0, last_status = ?,"
        " last_detail = ? WHERE id = ? AND state = 'pending'",
        (state, command.next_at, command.status_code, command.detail, command.delivery_id),
    )


def redeliver_webhook(tx: Tx, command: RedeliverWebhook) -> Outcome[DeliveryView]:
    """Put a delivery back to its beginning: due now, with all tries before it. A try under way may count."""
    where = "e.id = ? ORDER BY d.id DESC LIMIT 1"
    found = read_deliveries(tx.db, where, (command.event_id,))
    if not found:
        raise NotFoundError(f"there is no webhook {command.event_id}")
    ((number, before),) = found
    tx.db.execute(
        "UPDATE delivery SET state = 'pending', attempts = 0, next_at = ?, leased_until = 0 WHERE id = ?",
        (tx.now_s, number),
    )
    tx.audit(command.by, "redeliver_webhook", "event", command.event_id, {"state_before": before.state})
    ((_, view),) = read_deliveries(tx.db, where, (command.event_id,))
    return Outcome(view)


HANDLERS: dict[type[Any], Callable[[Tx, Any], Any]] = {
    ClaimDeliveries: claim_deliveries,
    RecordDelivery: record_delivery,
    RedeliverWebhook: redeliver_webhook,
}
