"""Compares the chain's own answer with the books at one block; alarms, never repairs."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Mapping
from typing import TypeVar

from actors.answering import AnsweringActor
from actors.clock import Clock
from actors.directory import Directory
from actors.errors import DeliveryError
from actors.identity import Ids
from actors.messages import GetHoldingsAt, Reconcile, TipMoved
from actors.slot import CoinSlot
from coins.errors import CoinError
from coins.types import Holdings
from config.schema import ActorSettings
from ledger.commands import RecordReconciliation
from ledger.errors import CurrencyUnavailableError, DomainError, ReconciliationBusyError
from ledger.queries import GetBooksAt, GetOutputsAt, GetWatched
from ledger.reconciliation_view import PAST
from ledger.request import Request
from ledger.views import BooksAt, ReconciliationView
from monitoring.metrics import Metrics

logger = logging.getLogger(__name__)

R = TypeVar("R")

TRIES_MAX = 5
AGAIN_S, WAITS_MAX = 0.5, 3


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
        self._every_blocks = settings.reconcile_every_blocks
        self._began: dict[str, tuple[float, int]] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def on_receive(self, message: object) -> object:
        """Work in a child task: the node may take minutes to answer."""
        match message:
            case Reconcile():
                return self.answer_beside(
                    self._answer(message.chain, self._reconcile(message.chain, message.cause, message.height))
                )
            case GetHoldingsAt():
                return self.answer_beside(
                    self._answer(message.chain, self._holdings_at(message.chain, message.height))
                )
            case TipMoved():
                if self._is_due(message):
                    self.spawn(self._on_schedule(message.chain), "schedule")
            case _:
                raise TypeError(f"{self.address} does not understand {message!r}")
        return None

    def _is_due(self, moved: TipMoved) -> bool:
        """Whether so many blocks and so much time have passed since the last one on schedule began."""
        now = self._clock.monotonic()
        last = self._began.get(moved.chain)
        # A reorganisation may leave the tip lower than it was.
        if last is not None and (
            now - last[0] < self._pause_s or 0 <= moved.height - last[1] < self._every_blocks
        ):
            return False
        self._began[moved.chain] = (now, moved.height)
        return True

    async def _answer(self, chain: str, work: Awaitable[R]) -> R:
        """The result of some work; trouble of the node is a refusal."""
        try:
            return await work
        except CoinError as error:
            raise CurrencyUnavailableError(f"the node of {chain} cannot answer: {error}") from error

    async def _on_schedule(self, chain: str) -> None:
        try:
            await self._reconcile(chain, "schedule", None)
        except (CoinError, DomainError, DeliveryError) as error:
            logger.info("%s was not reconciled this time: %s", chain, error)

    async def _reconcile(self, chain: str, cause: str, height: int | None) -> tuple[ReconciliationView, ...]:
        """One comparison of a chain at a time: the node may take minutes, and refuses a second scan."""
        async with self._locks[chain]:
            slot = self._slot(chain)
            for _ in range(TRIES_MAX):
                views = await self._compare(slot, cause, height)
                if views is not None:
                    if height is None:
                        for view in views:
                            self._tell(slot, view)
                    return views
            raise ReconciliationBusyError(f"blocks of {chain} came in between {TRIES_MAX} times")

    async def _holdings_at(self, chain: str, height: int) -> Holdings:
        """The chain's answer at a past block that the books stand on."""
        async with self._locks[chain]:
            slot = self._slot(chain)
            for _ in range(TRIES_MAX):
                _, holdings = await self._ask_chain(slot, height)
                if await self._books_of(chain, holdings) is not None:
                    return holdings
            raise ReconciliationBusyError(f"the node of {chain} is on another branch at height {height}")

    def _slot(self, chain: str) -> CoinSlot:
        """The chain's slot. Raises CurrencyUnavailableError while it does not run."""
        slot = self._slots.get(chain)
        if slot is None or not slot.is_open:
            raise CurrencyUnavailableError(f"{chain} is not running")
        return slot

    async def _compare(
        self, slot: CoinSlot, cause: str, height: int | None
    ) -> tuple[ReconciliationView, ...] | None:
        """Ask the chain, then compare with the books at that very block; None when that was not possible."""
        chain = slot.coin.currency
        address_seq, holdings = await self._ask_chain(slot, height)
        books = await self._books_of(chain, holdings)
        if books is None:
            return None
        if height is not None and cause not in PAST:
            cause = "height"
        command = RecordReconciliation(self._ids.new("rec"), chain, holdings, cause, address_seq, books)
        return await self._ask("ledger", command)

    async def _ask_chain(self, slot: CoinSlot, height: int | None) -> tuple[int, Holdings]:
        """The number of the last script that was asked about, and what the chain says we own."""
        chain, reader = slot.coin.currency, slot.coin.reader
        watched = await self._ask("ledger_reader", GetWatched(chain))
        scripts = [(entry.own.script, entry.location) for entry in watched]
        address_seq = watched[-1].sequence if watched else 0
        if height is None:
            return address_seq, await reader.holdings(scripts)
        known = await self._ask("ledger_reader", GetOutputsAt(chain, height))
        history = await reader.history(scripts, height, known)
        return address_seq, await history.at(height)

    async def _books_of(self, chain: str, holdings: Holdings) -> tuple[BooksAt, ...] | None:
        """The books at the block of an answer, None where they do not stand on it."""
        at = holdings.at
        return await self._books_at(GetBooksAt(chain, at.height, at.block_hash, tuple(holdings.amounts)))

    async def _books_at(self, query: GetBooksAt) -> tuple[BooksAt, ...] | None:
        """The books at a block that the ledger is perhaps about to read; None when it does not come to it."""
        for _ in range(WAITS_MAX):
            books = await self._ask("ledger_reader", query)
            if books is not None:
                return books
            await self._clock.sleep(AGAIN_S)
        return await self._ask("ledger_reader", query)

    async def _ask(self, name: str, message: Request[R]) -> R:
        return await self._directory.ask(name, message, timeout_s=self._timeout_s)

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
