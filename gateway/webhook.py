"""Webhooks as operators see them: what is on its way, what was given up, and sending it again."""

from __future__ import annotations

from actors.messages import DeliveryView, ListWebhooks, RedeliverWebhook
from gateway.api import Call, Reply
from gateway.bodies import WebhookQuery
from gateway.moment import moment, moment_or_none
from gateway.operator_replies import WebhookList, WebhookReply


async def list_webhooks(call: Call[None, WebhookQuery]) -> Reply:
    """Deliveries, newest first."""
    query, settings = call.query, call.gateway.settings
    limit = settings.page_limit_default if query.limit is None else min(query.limit, settings.page_limit_max)
    page = await call.ask(ListWebhooks(query.status, limit, query.cursor))
    return Reply(WebhookList(data=[_webhook(view) for view in page.data], next_cursor=page.next_cursor))


async def redeliver_webhook(call: Call[None, None]) -> Reply:
    """Send one again, from the beginning of its schedule."""
    outcome = await call.ask(RedeliverWebhook(call.params["id"], call.operator.by, call.idempotency))
    return Reply(_webhook(outcome.value), 200, outcome.is_replayed)


def _webhook(view: DeliveryView) -> WebhookReply:
    return WebhookReply(
        id=view.id,
        sequence=view.sequence,
        type=view.type,
        status=view.state,
        attempts=view.attempts,
        next_at=moment_or_none(view.next_at),
        last_status=view.last_status,
        last_detail=view.last_detail,
        occurred_at=moment(view.occurred_at),
    )
