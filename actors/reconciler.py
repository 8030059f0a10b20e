"""Compares the chain's own answer with the books at one block; alarms, never repairs."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping

from actors.answering import AnsweringActor
from actors.clock import Clock
from actors.directory import Directory
from actors.errors import DeliveryError
from actors.identity import Ids
from actors.messages import Reconcile, TipMoved
from actors.slot import CoinSlot
from coins.errors import CoinError
from config.schema import ActorSettings
from ledger.commands import RecordReconciliation
from ledger.errors import CurrencyUnavailableError, DomainError, ReconciliationBusyError
from ledger.queries import GetWatched
from ledger.views import ReconciliationView
from monitoring.metrics import Metrics

logger = logging.getLogger(__name__)

TRIES_MAX = 5


class ReconcilerActor(AnsweringActor):
    """On demand, and after a new block no more often than configured, one chain at a time."""

    def __init__(
        self,
        slots: Mapping[str, CoinSlot],
        directory: Directory,
        clock: Clock,
        settings: ActorSettings,
        metrics: Metrics,
        ids: Ids,
    ) -> None:
        """``slots`` is the live table of the currencies that run now."""
        super().__init__()
        self._slots = slots
        self._directory = directory
        self._clock = clock
        self._timeout_s = settings.ask_timeout_s
        self._pause_s = settings.reconcile_interval_s
        self._metrics = metrics
        self._ids = ids
        self._began_at: dict[str, float] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def on_receive(self, message: object) -> object:
        """Work in a child task: the node may take minutes to answer."""
        match message:
            case Reconcile():
                return self.answer_beside(self._answer(message.chain))
            case TipMoved():
                now = self._clock.monotonic()
                last = self._began_at.get(message.chain)
                if last is None or now - last >= self._pause_s:
                    self._began_at[message.chain] = now
                    self.spawn(self._on_schedule(message.chain), "schedule")
            case _:
                raise TypeError(f"{self.address} does not understand {message!r}")
        return None

    async def _answer(self, chain: str) -> tuple[ReconciliationView, ...]:
        """One comparison now; trouble of the node is a refusal."""
        try:
            return await self._reconcile(chain)
        except CoinError as error:
            raise CurrencyUnavailableError(f"the node of {chain} cannot answer: {error}") from error

    async def _on_schedule(self, chain: str) -> None:
        try:
            await self._reconcile(chain)
        except (CoinError, DomainError, DeliveryError) as error:
            logger.info("%s was not reconciled this time: %s", chain, error)

    async def _reconcile(self, chain: str) -> tuple[ReconciliationView, ...]:
        """One comparison of a chain at a time: the node may take minutes, and refuses a second scan."""
        async with self._locks[chain]:
            return await self._compare(chain)

    async def _compare(self, chain: str) -> tuple[ReconciliationView, ...]:
        """Ask the chain, then compare in the ledger; tried again while blocks come in between."""
        slot = self._slots.get(chain)
        if slot is None or not slot.is_open:
            raise CurrencyUnavailableError(f"{chain} is not running")
        for _ in range(TRIES_MAX):
            watched = await self._directory.ask("ledger_reader", GetWatched(chain), timeout_s=self._timeout_s)
            holdings = await slot.coin.reader.holdings(
                [(entry.own.script, entry.location) for entry in watched]
            )
            views = await self._directory.ask(
                "ledger",
                RecordReconciliation(self._ids.new("rec"), chain, holdings),
                timeout_s=self._timeout_s,
            )
            if views is not None:
                for view in views:
                    self._tell(slot, view)
                return views
        raise ReconciliationBusyError(f"blocks of {chain} came in between {TRIES_MAX} times")

    def _tell(self, slot: CoinSlot, view: ReconciliationView) -> None:
        """Metrics and, for a difference, the log; the event was written with the result."""
        differences = [int(line["difference"]) for line in view.lines]
        # Opposite differences of two locations must not look like none.
        difference = sum(differences) or max(differences, key=abs, default=0)
        settings = slot.currencies.get(view.currency)
        if settings is not None:
            metrics = self._metrics.currency(view.currency, settings.decimals)
            metrics.reconciled(difference, self._clock.now_s())
        if view.status != "ok":
            logger.error("%s differs from its chain at height %d: %s", view.currency, view.height, view.lines)
