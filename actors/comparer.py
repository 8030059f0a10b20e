"""One comparison of a chain with the books: asked from the node, held against the books at that block."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from actors.contradiction import Ask, check_consistent, check_told_before, record_doubt
from actors.place import change_of, places_of
from coins.errors import NodeDoubtError
from coins.family import ChainReader
from coins.types import Holdings
from ledger.commands import RecordReconciliation
from ledger.errors import ReconciliationBusyError
from ledger.queries import GetBooksAt, GetOutputsAt, GetWatched, ListReconciliations
from ledger.reconciliation_view import PAST, by_place
from ledger.views import BooksAt, ReconciliationView, Watched

TRIES_MAX = 5
AGAIN_S, WAITS_MAX = 0.5, 3
TOLD_BEFORE = 20
"""How many comparisons of a currency are looked through for one of the same block."""


Apart = Mapping[tuple[str, str], int]
"""Chain less books by currency and place."""


def apart_of(holdings: Holdings, books: Sequence[BooksAt], change: Mapping[str, int]) -> Apart:
    """How far what the chain says and the books at the same block are apart; ``change`` as
    :func:`change_of`."""
    apart = {}
    for each in books:
        is_split = each.currency in change and each.change is not None
        told = by_place(holdings.amounts[each.currency], change[each.currency] if is_split else None)
        for place, amount in by_place(each.onchain, each.change if is_split else None).items():
            apart[each.currency, place] = told[place] - amount
    return apart


@dataclass(frozen=True, slots=True)
class Comparer:
    """Compares one chain, read by ``reader``. ``new_id`` gives a fresh id, ``sleep`` waits for seconds."""

    ask: Ask
    chain: str
    reader: ChainReader
    new_id: Callable[[], str]
    sleep: Callable[[float], Awaitable[None]]

    async def compare(self, cause: str, height: int | None) -> tuple[ReconciliationView, ...]:
        """One result per currency of the chain, at the node's tip or at a past height.

        A difference counts once the node has told the same one twice; a node that tells two things about one
        block counts for nothing until it is asked again.
        Raises ReconciliationBusyError when the node never was on the branch of the books, NodeDoubtError when
        it contradicts itself (its cases are open then), CoinError, DomainError.
        """
        if height is not None and cause not in PAST:
            cause = "height"
        try:
            return await self._compare(cause, height)
        except NodeDoubtError as error:
            await record_doubt(self.ask, error)
            raise

    async def _compare(self, cause: str, height: int | None) -> tuple[ReconciliationView, ...]:
        doubted: Apart = {}
        last: tuple[tuple[Watched, ...], Holdings] | None = None
        for _ in range(TRIES_MAX):
            watched, holdings = await self._ask_chain(height)
            if last is not None and len(last[0]) == len(watched):
                check_consistent(last[1], holdings, places_of(watched))
            change = change_of(holdings, watched)
            last = watched, holdings
            books = await self._books_of(holdings)
            if books is None:
                continue
            apart = apart_of(holdings, books, change)
            if any(apart.values()) and apart != doubted:
                doubted = apart  # a false alarm is worse than a late one: the node is asked once more
                continue
            if height is None:
                await self._check_told_before(holdings, apart, watched)
            address_seq = watched[-1].sequence if watched else 0
            command = RecordReconciliation(
                self.new_id(), self.chain, holdings, cause, address_seq, books, change
            )
            views = await self.ask("ledger", command)
            if views is not None:
                return views
        raise ReconciliationBusyError(f"blocks of {self.chain} came in between {TRIES_MAX} times")

    async def _check_told_before(self, holdings: Holdings, apart: Apart, watched: Sequence[Watched]) -> None:
        """Raises NodeDoubtError when an earlier comparison was told otherwise of this block."""
        for currency in sorted({currency for (currency, _), amount in apart.items() if amount}):
            page = await self.ask("ledger_reader", ListReconciliations(currency, TOLD_BEFORE))
            for view in page.data:
                check_told_before(view, holdings, watched)

    async def holdings_at(self, height: int) -> Holdings:
        """The chain's answer at a past block that the books stand on. Raises as :meth:`compare`."""
        for _ in range(TRIES_MAX):
            try:
                _, holdings = await self._ask_chain(height)
            except NodeDoubtError as error:
                await record_doubt(self.ask, error)
                raise
            if await self._books_of(holdings) is not None:
                return holdings
        raise ReconciliationBusyError(f"the node of {self.chain} is on another branch at height {height}")

    async def _ask_chain(self, height: int | None) -> tuple[tuple[Watched, ...], Holdings]:
        """The scripts that were asked about, and what the chain says we own."""
        watched = await self.ask("ledger_reader", GetWatched(self.chain))
        scripts = [(entry.own.script, entry.location) for entry in watched]
        if height is None:
            return watched, await self.reader.holdings(scripts)
        known = await self.ask("ledger_reader", GetOutputsAt(self.chain, height))
        history = await self.reader.history(scripts, height, known)
        return watched, await history.at(height)

    async def _books_of(self, holdings: Holdings) -> tuple[BooksAt, ...] | None:
        """The books at the block of an answer, which the ledger is perhaps about to read; None when it does
        not come to it."""
        at = holdings.at
        query = GetBooksAt(self.chain, at.height, at.block_hash, tuple(holdings.amounts))
        for _ in range(WAITS_MAX):
            books = await self.ask("ledger_reader", query)
            if books is not None:
                return books
            await self.sleep(AGAIN_S)
        return await self.ask("ledger_reader", query)
