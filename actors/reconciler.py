"""Compares the chain's own answer with the books at one block; alarms, never repairs."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from actors.answering import AnsweringActor
from actors.clock import Clock
from actors.closing import close_month
from actors.comparer import Comparer
from actors.contradiction import record_doubt
from actors.directory import Directory
from actors.errors import DeliveryError
from actors.explainer import Explained, Explainer, record_found
from actors.identity import Ids
from actors.in_flight import GetInFlightNow, in_flight_now
from actors.messages import ClosePeriod, Explain, GetHoldingsAt, Reconcile, TipMoved
from actors.slot import CoinSlot
from coins.errors import CoinError, NodeDoubtError
from coins.family import WatchIndex
from coins.types import Holdings
from config.schema import ActorSettings
from ledger.difference import NODE_DOUBT
from ledger.errors import CurrencyUnavailableError, DomainError, ReconciliationBusyError
from ledger.period_view import PeriodsClosed
from ledger.request import Request
from ledger.views import ReconciliationView
from monitoring.metrics import Metrics

logger = logging.getLogger(__name__)

R = TypeVar("R")

WAITING_MAX = 4
"""Comparisons of a chain that may wait for the one under way: each takes the node minutes."""

BOOKS_TIMEOUT_S = 120.0  # the books at a past height cost what was booked since


class ReconcilerActor(AnsweringActor):
    """On demand, and for new blocks no more often than configured, one comparison of a chain at a time."""

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
        self._differences: dict[str, tuple[int, ...]] = {}
        self._every_blocks = settings.reconcile_every_blocks
        self._began: dict[str, tuple[float, int]] = {}
        self._tips: dict[str, int] = {}
        self._scheduled: set[str] = set()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._compared: defaultdict[str, int] = defaultdict(int)
        self._closing: set[tuple[str, str]] = set()

    async def on_receive(self, message: object) -> object:
        """Work in a child task: the node may take minutes to answer."""
        match message:
            case Reconcile():
                return self.answer_beside(
                    self._answer(
                        message.chain, lambda: self._reconcile(message.chain, message.cause, message.height)
                    )
                )
            case GetHoldingsAt():
                return self.answer_beside(
                    self._answer(message.chain, lambda: self._holdings_at(message.chain, message.height))
                )
            case GetInFlightNow():
                return self.answer_beside(
                    in_flight_now(
                        self._directory, self._timeout_s, message, is_watched=message.chain in self._slots
                    )
                )
            case Explain():
                return self.answer_beside(
                    self._answer(message.chain, lambda: self._explain(message.chain, message.view))
                )
            case ClosePeriod():
                return self.answer_beside(self._answer(message.chain, lambda: self._close(message)))
            case TipMoved():
                self._tips[message.chain] = message.height
                if message.chain not in self._scheduled:
                    self._scheduled.add(message.chain)
                    self.spawn(self._on_schedule(message.chain), "schedule")
            case _:
                raise TypeError(f"{self.address} does not understand {message!r}")
        return None

    def _due_in_s(self, chain: str) -> float | None:
        """How long until the next comparison on schedule may begin; None without enough new blocks."""
        last = self._began.get(chain)
        if last is None:
            return 0.0
        # A reorganisation may leave the tip lower than it was.
        if 0 <= self._tips[chain] - last[1] < self._every_blocks:
            return None
        return max(0.0, last[0] + self._pause_s - self._clock.monotonic())

    async def _answer(self, chain: str, work: Callable[[], Awaitable[R]]) -> R:
        """The result of some work; trouble of the node is a refusal."""
        try:
            return await work()
        except CoinError as error:
            raise CurrencyUnavailableError(f"the node of {chain} cannot answer: {error}") from error

    async def _on_schedule(self, chain: str) -> None:
        """One task for each chain, until no block is left that is due: one that came too soon has its turn
        once the pause is over, and however long the node takes, nobody queues behind it."""
        try:
            while (wait_s := self._due_in_s(chain)) is not None:
                if wait_s:
                    await self._clock.sleep(wait_s)
                self._began[chain] = (self._clock.monotonic(), self._tips[chain])
                await self._try_to_reconcile(chain)
        finally:
            self._scheduled.discard(chain)

    async def _try_to_reconcile(self, chain: str) -> None:
        """A comparison on schedule; what does not answer now is asked at the next block that is due."""
        try:
            await self._reconcile(chain, "schedule", None)
        except NodeDoubtError as error:
            logger.error("%s was not reconciled this time: %s", chain, error)
        except (CoinError, DomainError, DeliveryError) as error:
            logger.info("%s was not reconciled this time: %s", chain, error)

    async def _reconcile(self, chain: str, cause: str, height: int | None) -> tuple[ReconciliationView, ...]:
        """One comparison of a chain at a time: the node may take minutes, and refuses a second scan."""
        if self._compared[chain] > WAITING_MAX:
            raise ReconciliationBusyError(f"{WAITING_MAX} comparisons of {chain} wait for one under way")
        self._compared[chain] += 1
        try:
            async with self._locks[chain]:
                slot = self._slot(chain)
                views = await self._comparer(slot).compare(cause, height)
        finally:
            self._compared[chain] -= 1
        if height is None:
            for view in views:
                self._tell(slot, view)
                self._look_into(view, chain)
        return views

    def _comparer(self, slot: CoinSlot) -> Comparer:
        coin = slot.coin
        return Comparer(
            self._ask, coin.currency, coin.reader, lambda: self._ids.new("rec"), self._clock.sleep
        )

    def _look_into(self, view: ReconciliationView, chain: str) -> None:
        """Have a difference explained, once while it stays the same."""
        differences = tuple(int(line["difference"]) for line in view.lines)
        known, self._differences[view.currency] = self._differences.get(view.currency), differences
        if view.status != "ok" and known != differences:
            self.spawn(self._explain_beside(chain, view), "explain")

    async def _explain_beside(self, chain: str, view: ReconciliationView) -> None:
        try:
            explained = await self._explain(chain, view)
        except (CoinError, DomainError, DeliveryError) as error:
            # The next comparison tries again; another explanation may have failed in the same way.
            self._differences.pop(view.currency, None)
            logger.warning("the difference of %s was not explained this time: %s", view.currency, error)
            return
        if any(each.kind == NODE_DOUBT for block in explained.blocks for each in block.found):
            self._differences.pop(view.currency, None)  # told again, it is looked into again

    async def _explain(self, chain: str, view: ReconciliationView) -> Explained:
        """Find the blocks that make a difference, and open a case for each thing that does not fit."""
        async with self._locks[chain]:
            coin = self._slot(chain).coin
            index: Callable[[], WatchIndex] = type(coin.index)
            explained = await Explainer(self._ask, chain, coin.reader, index).explain(view)
        if explained.note:
            logger.error("%s: %s", view.currency, explained.note)
        for block in explained.blocks:
            for found in block.found:
                logger.error("%s at block %d: %s", view.currency, block.ref.height, found)
        await record_found(self._ask, view, explained)
        return explained

    async def _holdings_at(self, chain: str, height: int) -> Holdings:
        """The chain's answer at a past block that the books stand on."""
        async with self._locks[chain]:
            return await self._comparer(self._slot(chain)).holdings_at(height)

    async def _close(self, message: ClosePeriod) -> PeriodsClosed:
        """A month of a chain, closed where books and chain say the same, or cases what they differ by.

        Raises ReconciliationBusyError while the same is under way: each costs the node a scan.
        """
        asked = (message.chain, message.month)
        if asked in self._closing:
            raise ReconciliationBusyError(f"{message.month} of {message.chain} is being closed already")
        self._closing.add(asked)
        try:
            return await close_month(
                message.chain,
                message.month,
                message.by,
                self._ids.random_bytes,
                read=lambda query: self._ask("ledger_reader", query),
                holdings_at=lambda height: self._holdings_at(message.chain, height),
                record=lambda command: self._ask("ledger", command),
            )
        except NodeDoubtError as error:
            await record_doubt(self._ask, error)
            raise
        finally:
            self._closing.discard(asked)

    def _slot(self, chain: str) -> CoinSlot:
        """The chain's slot. Raises CurrencyUnavailableError while it does not run."""
        slot = self._slots.get(chain)
        if slot is None or not slot.is_open:
            raise CurrencyUnavailableError(f"{chain} is not running")
        return slot

    async def _ask(self, name: str, message: Request[R]) -> R:
        return await self._directory.ask(name, message, timeout_s=max(self._timeout_s, BOOKS_TIMEOUT_S))

    def _tell(self, slot: CoinSlot, view: ReconciliationView) -> None:
        """Metrics and, for a difference, the log; the event was written with the result."""
        differences = [int(line["difference"]) for line in view.lines]
        # Opposite differences of two locations must not look like none.
        difference = sum(differences) or max(differences, key=abs, default=0)
        settings = slot.currencies.get(view.currency)
        if settings is not None:
            metrics = self._metrics.currency(view.currency, settings.decimals)
            metrics.reconciled(difference, self._clock.now_s(), is_ok=view.status == "ok")
        if view.status != "ok":
            logger.error("%s differs from its chain at height %d: %s", view.currency, view.height, view.lines)
