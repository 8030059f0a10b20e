"""Keeps the metrics that are not born where something happens: ages, depths, balances, counts of events."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from actors.clock import Clock
from actors.directory import Directory
from actors.errors import DeliveryError
from actors.slot import CoinSlot
from actors.ticking import Tick, TickingActor
from config.schema import ActorSettings, CurrencySettings, RatesSettings
from ledger.commands import SetCurrencyState
from ledger.errors import DomainError
from ledger.queries import GetGauges, ListEvents
from ledger.views import CurrencyGauges, EventView, Gauges
from monitoring.metrics import Metrics

logger = logging.getLogger(__name__)

WEEK_S = 7 * 86_400
TICK_S = 5.0
EVENTS_MAX = 500


class GaugesActor(TickingActor):
    """Looks at the books and at the directory every few seconds; nobody waits for it."""

    def __init__(
        self,
        directory: Directory,
        clock: Clock,
        settings: ActorSettings,
        metrics: Metrics,
        slots: Mapping[str, CoinSlot],
        database: Path,
        beat_s: float,
        rates: RatesSettings,
    ) -> None:
        """``slots`` is the live table of the currencies that run now, ``database`` the file of the books.

        ``beat_s`` is the pause between two signs of life of the event loop. Without a source in ``rates``
        nothing is told of rates.
        """
        super().__init__(clock, TICK_S)
        self._directory = directory
        self._timeout_s = settings.ask_timeout_s
        self._metrics = metrics
        self._slots = slots
        self._log_file = database.with_name(database.name + "-wal")
        self._beat_s = beat_s
        self._has_rates = rates.file is not None or rates.url is not None
        self._fees: dict[str, int] = {}

    async def on_start(self) -> None:
        """Begin to look."""
        self.spawn(self._beat(), "beat")
        self.start_ticking()

    async def _beat(self) -> None:
        """How much later than asked the loop comes back is how late everything on it is."""
        while True:
            began = self.clock.monotonic()
            await self.clock.sleep(self._beat_s)
            lag_s = self.clock.monotonic() - began - self._beat_s
            self._metrics["event_loop_lag_seconds"].set(max(0.0, lag_s))

    async def on_receive(self, message: object) -> object:
        """Look at each tick; what does not answer now is looked at at the next."""
        if not isinstance(message, Tick):
            raise TypeError(f"{self.address} does not understand {message!r}")
        self.tick_taken()
        self._look_at_actors()
        self._metrics["ledger_wal_bytes"].set(self._log_size())
        try:
            gauges = await self._directory.ask("ledger_reader", GetGauges(), timeout_s=self._timeout_s)
            self._look_at_books(gauges)
            await self._count_events(gauges.last_sequence)
        except (DeliveryError, DomainError) as error:
            logger.info("the books are not measured this time: %s", error)
        return None

    def _look_at_actors(self) -> None:
        """Who is up and what waits; a currency that gave up while the ledger was away is told to it again."""
        states = {}
        for view in self._directory.views():
            bound = self._metrics.actor(view.name)
            bound.up(is_up=view.state == "up")
            bound.inbox(view.inbox_depth)
            states[view.name] = view.state
        for currency in self._slots:
            if states.get(f"coin:{currency}") == "gone":
                detail = "gave up, it is tried again with growing pauses"
                self._directory.tell("ledger", SetCurrencyState(currency, "halted", detail))

    def _log_size(self) -> int:
        try:
            return self._log_file.stat().st_size
        except FileNotFoundError:
            return 0

    def _look_at_books(self, gauges: Gauges) -> None:
        """Set what was read; currencies that do not run any more have no series."""
        self._metrics["payouts_stopped"].set(int(gauges.is_stopped))
        self._metrics.webhook_outbox(
            gauges.deliveries_waiting, gauges.oldest_delivery_at, gauges.deliveries_dead
        )
        for each in gauges.currencies:
            settings = self._settings(each.currency)
            if settings is not None:
                self._look_at_currency(each, settings)

    def _settings(self, currency: str) -> CurrencySettings | None:
        """Settings of a currency that runs now, a token with its chain; None for any other."""
        for slot in self._slots.values():
            if currency in slot.currencies:
                return slot.currencies[currency]
        return None

    def _look_at_currency(self, each: CurrencyGauges, settings: CurrencySettings) -> None:
        metrics = self._metrics.currency(each.currency, each.decimals)
        metrics.state(each.state)
        metrics.oldest_withdrawals(each.oldest_unsigned_at, each.oldest_unconfirmed_at)
        metrics.open_work(each.attention, each.cases)
        paid = each.paid_in_week
        metrics.hot(each.hot, each.hot * WEEK_S / paid if paid else float("inf"))
        metrics.hot_bounds(settings.hot_missing(each.hot), settings.hot_excess(each.hot))
        if self._has_rates:
            metrics.rate(each.rate_at, is_usable=each.is_rate_usable)
        before = self._fees.get(each.currency, each.network_fees)
        metrics.network_fee(max(0, each.network_fees - before))
        self._fees[each.currency] = each.network_fees

    async def _count_events(self, last: int) -> None:
        """Count deposits and withdrawals by the states they entered since the books were opened, or since
        the last look; also what happened before the first one, or while this actor was away."""
        counted = self._metrics.counted_sequence
        if counted is None:
            counted = self._metrics.counted_sequence = last
        while counted < last:
            events = await self._directory.ask(
                "ledger_reader", ListEvents(counted, EVENTS_MAX), timeout_s=self._timeout_s
            )
            if not events:
                return
            for event in events:
                counted = self._metrics.counted_sequence = event.sequence  # never again, whatever it is
                self._count(event)

    def _count(self, event: EventView) -> None:
        noun, _, state = event.type.partition(".")
        currency = str(event.data.get("currency"))
        settings = self._settings(currency)
        if settings is None or noun not in ("deposit", "withdrawal") or state == "attention":
            return
        metrics = self._metrics.currency(currency, settings.decimals)
        count = metrics.deposit if noun == "deposit" else metrics.withdrawal
        count(state, int(event.data["amount"]))
