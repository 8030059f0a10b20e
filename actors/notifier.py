"""Carries committed events out: webhooks to the website, counts to the metrics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from actors.clock import Clock
from actors.directory import Directory
from actors.errors import DeliveryError
from actors.messages import OutboxReady
from actors.ticking import Tick, TickingActor
from actors.webhook import Verdict, WebhookSender
from config.schema import ActorSettings, WebhookSettings
from ledger.commands import ClaimDeliveries, RecordDelivery
from ledger.errors import DomainError
from ledger.views import DeliveryWork, EventView
from monitoring.metrics import Metrics

logger = logging.getLogger(__name__)

RenderEvent = Callable[[EventView], dict[str, Any]]
RETRY_AFTER_MAX_S = 86_400


class NotifierActor(TickingActor):
    """Sends due deliveries, a bounded number at once; every result is recorded before the next try.

    A lease keeps a delivery from being sent twice at the same time; after a crash it is sent again
    (at least once, same ``webhook-id``).
    """

    def __init__(
        self,
        directory: Directory,
        clock: Clock,
        settings: ActorSettings,
        webhooks: WebhookSettings,
        render: RenderEvent,
        jitter: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        """``render`` gives an event's JSON body; ``jitter`` is uniform in 0…1."""
        super().__init__(clock, settings.tick_s)
        self._directory = directory
        self._timeout_s = settings.ask_timeout_s
        self._webhooks = webhooks
        self._render = render
        self._jitter = jitter
        self._metrics = metrics
        self._sender = WebhookSender(webhooks)
        self._is_sending = False
        self._is_wanted = False

    async def on_start(self) -> None:
        """Look at once: a crash may have left deliveries due."""
        self.start_ticking()
        self._begin()

    async def on_receive(self, message: object) -> object:
        """Hints and ticks start a round, unless one is under way."""
        match message:
            case Tick():
                self.tick_taken()
                self._begin()
            case OutboxReady():
                self._begin()
            case RoundDone():
                self._is_sending = False
                if self._is_wanted:
                    self._begin()
            case _:
                raise TypeError(f"{self.address} does not understand {message!r}")
        return None

    def _begin(self) -> None:
        """Start a round, or remember that somebody wanted the next one."""
        if self._webhooks.url is None:
            return
        if self._is_sending:
            self._is_wanted = True
            return
        self._is_sending, self._is_wanted = True, False
        self.spawn(self._round(self._webhooks.url), "round")

    async def _round(self, url: str) -> None:
        """Claim and send until nothing is due."""
        lease_s = int(self._webhooks.timeout_s) * 2 + 30
        try:
            while works := await self._directory.ask(
                "ledger",
                ClaimDeliveries(url, self._webhooks.max_parallel, lease_s),
                timeout_s=self._timeout_s,
            ):
                await asyncio.gather(*(self._deliver(work) for work in works))
        except (DeliveryError, DomainError) as error:
            logger.warning("webhooks wait: %s", error)
        self.tell_self(RoundDone())

    async def _deliver(self, work: DeliveryWork) -> None:
        """One try and its record; without the record it is sent again when its lease ends."""
        now_s = self.clock.now_s()
        result = await self._sender.send(work.event, self._render(work.event), now_s)
        if not result.is_delivered:
            logger.info("webhook %s, try %d: %s", work.event.id, work.attempt, result.detail)
        self._metrics.webhook_delivery(
            "accepted" if result.is_delivered else "refused" if result.status_code else "unreachable"
        )
        record = RecordDelivery(
            work.delivery_id,
            result.is_delivered,
            result.status_code,
            result.detail,
            None if result.is_delivered else self._next_at(work.attempt, result),
        )
        try:
            await self._directory.ask("ledger", record, timeout_s=self._timeout_s)
        except (DeliveryError, DomainError) as error:
            logger.warning("webhook %s comes again, its result was not recorded: %s", work.event.id, error)

    def _next_at(self, attempt: int, result: Verdict) -> int | None:
        """When to try again; None after the last pause of the schedule, or when the website is gone (410)."""
        if result.status_code == 410 or attempt >= len(self._webhooks.schedule_s):
            return None
        pause_s = self._webhooks.schedule_s[attempt]
        spread = 1 + self._webhooks.jitter * (2 * self._jitter() - 1)
        wanted_s = min(result.retry_after_s or 0, RETRY_AFTER_MAX_S)
        return self.clock.now_s() + max(int(pause_s * spread), wanted_s, 1)

    async def on_cleanup(self) -> None:
        """Close the connections."""
        await super().on_cleanup()
        await self._sender.close()


class RoundDone:
    """The sending task has come to its end."""

    __slots__ = ()
