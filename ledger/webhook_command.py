"""What operators ask and do about webhooks. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.delivery_view import DeliveryView
from ledger.queries import Query
from ledger.request import Command, Idempotency
from ledger.views import Outcome, Page


@dataclass(frozen=True, slots=True)
class ListWebhooks(Query[Page]):
    """A page of DeliveryViews, newest first; of one ``state`` where named."""

    state: str | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class RedeliverWebhook(Command[Outcome[DeliveryView]]):
    """Send the webhook of an event again, whatever became of it, with the whole schedule before it.

    Errors: NotFoundError (no such event, or it was never to go anywhere).
    """

    event_id: str
    by: str
    idempotency: Idempotency | None = None
