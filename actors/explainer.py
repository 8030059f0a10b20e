"""From a difference between chain and books to the blocks, scripts and chain txs that make it.

The heights between the last comparison that agreed and the one that did not are halved until the first bad
block is found; there what the block did to our scripts is held against what the books say it did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from actors.bisect import first_bad
from actors.comparer import apart_of
from actors.contradiction import Ask, check_consistent, check_told_before, found_of
from actors.place import change_of, places_of
from coins.errors import NodeDoubtError, NodeUnavailableError, StateGoneError
from coins.family import ChainReader, History, WatchIndex
from coins.types import Block, BlockRef, Holdings, Outpoint, OwnOutput, booked_at
from ledger.commands import RecordDifferences, RecordNodeDoubt
from ledger.difference import (
    FORCED_BALANCE,
    NODE_DOUBT,
    UNEXPLAINED,
    UNKNOWN_OUTGOING,
    Facts,
    Found,
    Moved,
    explain,
    unseen_by,
)
from ledger.errors import ReconciliationBusyError
from ledger.queries import GetBlockBooks, GetBooksAt, GetLastAgreed, GetOutputsAt, GetWatched
from ledger.reconciliation_view import PAST
from ledger.views import BlockBooks, ReconciliationView, Watched

BLOCKS_MAX = 8
"""Most bad blocks that one difference is followed to."""

Apart = Mapping[str, int]
"""Chain less books by place."""


@dataclass(frozen=True, slots=True)
class BadBlock:
    """A block at which chain and books came apart, and what does not fit there."""

    ref: BlockRef
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """A difference of one currency, by block. ``compared`` counts the comparisons it took.

    ``note`` says what could not be looked at, as where a node keeps no state of so old a block.
    """

    currency: str
    height: int
    blocks: tuple[BadBlock, ...]
    compared: int
    note: str = ""


@dataclass(slots=True)
class Explainer:
    """Works on one chain; ``index`` makes an empty index of the kind that its reader takes."""

    ask: Ask
    chain: str
    reader: ChainReader
    index: Callable[[], WatchIndex]
    _compared: int = 0
    _seen: dict[int, Apart] = field(default_factory=dict)

    async def explain(self, view: ReconciliationView) -> Explained:
        """What makes the difference of a comparison; that the node contradicts itself, when it does.

        Raises ReconciliationBusyError when the chain moved meanwhile, CoinError, DomainError.
        """
        self._compared, self._seen = 0, {}
        watched = await self.ask("ledger_reader", GetWatched(self.chain))
        agreed, anchor = await self.ask(
            "ledger_reader", GetLastAgreed(self.chain, view.currency, view.height)
        )
        low = agreed if agreed is not None else anchor
        try:
            history = await self._history(watched, low)
            check_told_before(view, await history.at(view.height), watched)
            if low > anchor and any((await self._apart(history, view.currency, low, watched)).values()):
                low, self._seen = anchor, {}
                history = await self._history(watched, low)
            blocks = await self._bad_blocks(history, view, low, watched, is_first=low == anchor)
        except StateGoneError as error:
            return Explained(view.currency, view.height, (), self._compared, str(error))
        except NodeDoubtError as error:
            found = found_of(error.apart.get(view.currency, {}), str(error))
            bad = BadBlock(BlockRef(error.height, error.block_hash, ""), found)
            return Explained(view.currency, view.height, (bad,), self._compared, str(error))
        return Explained(view.currency, view.height, tuple(blocks), self._compared)

    async def _history(self, watched: tuple[Watched, ...], low: int) -> History:
        known = await self.ask("ledger_reader", GetOutputsAt(self.chain, low))
        scripts = [(each.own.script, each.location) for each in watched]
        return await self.reader.history(scripts, low, known)

    async def _bad_blocks(
        self,
        history: History,
        view: ReconciliationView,
        low: int,
        watched: tuple[Watched, ...],
        *,
        is_first: bool,
    ) -> list[BadBlock]:
        """One block after the other at which the difference changes, the lowest first."""
        currency, blocks, first = view.currency, [], low
        now = await self._apart(history, currency, view.height, watched)
        base = await self._apart(history, currency, low, watched)
        if is_first and any(base.values()):
            ref = (await history.at(low)).at
            detail = "there before the books begin"
            blocks.append(BadBlock(ref, _rest(base, (), detail)))
        while base != now and len(blocks) < BLOCKS_MAX:
            before = base

            async def is_bad(height: int, before: Apart = before) -> bool:
                return await self._apart(history, currency, height, watched) != before

            bad = await first_bad(low, view.height, is_bad)
            base = await self._apart(history, currency, bad, watched)
            change = {place: base[place] - before[place] for place in base}
            blocks.append(await self._look_at(history, currency, bad, watched, change, first))
            low = bad
        return blocks

    async def _apart(
        self, history: History, currency: str, height: int, watched: tuple[Watched, ...]
    ) -> Apart:
        """Chain less books at a height; each height is asked once."""
        if height not in self._seen:
            holdings = await history.at(height)
            at = holdings.at
            books = await self.ask(
                "ledger_reader", GetBooksAt(self.chain, at.height, at.block_hash, (currency,))
            )
            if books is None:
                raise ReconciliationBusyError(f"block {height} is another one by now")
            self._compared += 1
            if currency not in holdings.amounts:
                raise NodeUnavailableError(
                    f"the node cannot tell what we own of {currency} at block {height}"
                )
            places = apart_of(holdings, books, change_of(holdings, watched))
            self._seen[height] = {place: amount for (_, place), amount in places.items()}
        return self._seen[height]

    async def _look_at(
        self,
        history: History,
        currency: str,
        height: int,
        watched: tuple[Watched, ...],
        change: Apart,
        first: int,
    ) -> BadBlock:
        """Everything that is told of one block, and what of it does not fit.

        What only the node's word for its state says is asked for once more: NodeDoubtError when it says
        another one now.
        """
        before, after, facts = await self._facts(history, currency, height, watched)
        found = explain(facts)
        if any(_is_of_state(each) for each in found):
            again = await self._history(watched, first)
            for told in (before, after):
                check_consistent(told, await again.at(told.at.height), places_of(watched))
            if after.asked is not None and after.asked.from_height > height:
                *_, next_facts = await self._facts(history, currency, height + 1, watched)
                found = tuple(_without_blip(each, next_facts) for each in found)
        detail = "neither the block nor the entries booked at it explain this: verify the books"
        return BadBlock(after.at, found + _rest(change, found, detail))

    async def _facts(
        self, history: History, currency: str, height: int, watched: tuple[Watched, ...]
    ) -> tuple[Holdings, Holdings, Facts]:
        """What the chain says before and after one block, and what it and the books tell of the block."""
        after, before = await history.at(height), await history.at(height - 1)
        known = await self.ask("ledger_reader", GetOutputsAt(self.chain, height - 1))
        index = self.index()
        index.add_scripts([each.own.script for each in watched])
        for output in known:
            index.add_outpoint(output.outpoint)
        block = await self.reader.read_block(height, after.at.block_hash, index)
        moved = [each for each_currency, each in moves(self.chain, block, known) if each_currency == currency]
        txids = tuple({each.txid for each in moved})
        books: BlockBooks = await self.ask(
            "ledger_reader", GetBlockBooks(self.chain, currency, height, txids)
        )
        facts = Facts(
            block_hash=after.at.block_hash,
            places=places_of(watched),
            chain=moved,
            books=books.moved,
            state=_state_change(before, after, currency),
            booked=books.booked,
            attempts=frozenset(books.attempts),
        )
        return before, after, facts


def _is_of_state(found: Found) -> bool:
    """Whether nothing but the node's word for its state says so."""
    return found.kind in (FORCED_BALANCE, UNKNOWN_OUTGOING) and not found.txid


def _without_blip(found: Found, after: Facts) -> Found:
    """A finding; what the state of its block alone has, and that of the next has not, is the node's
    contradiction and no money."""
    if not _is_of_state(found) or unseen_by(after, found.script) != -found.amount:
        return found
    detail = "the state of the next block has it not, and nothing moved there"
    return replace(found, kind=NODE_DOUBT, detail=detail)


async def record_found(ask: Ask, view: ReconciliationView, explained: Explained) -> None:
    """Have each finding written down as a case, and as one of its own what the node contradicts itself in.

    A comparison that found no money missing but what the node took back does not count.
    """
    doubted: dict[str, int] = defaultdict(int)
    for block in explained.blocks:
        for each in block.found:
            doubted[each.location] += each.amount if each.kind == NODE_DOUBT else 0
    is_short = any(line["difference"] < min(0, doubted[line["location"]]) for line in view.lines)
    for block in explained.blocks:
        at = block.ref
        doubts = tuple(each for each in block.found if each.kind == NODE_DOUBT)
        if doubts:
            comparison = "" if is_short else view.id
            doubt = RecordNodeDoubt(view.currency, at.height, at.block_hash, doubts, comparison)
            await ask("ledger", doubt)
        rest = tuple(each for each in block.found if each not in doubts)
        if rest:
            is_past = view.cause in PAST
            await ask("ledger", RecordDifferences(view.currency, at.height, at.block_hash, rest, is_past))


def moves(chain: str, block: Block, known: tuple[OwnOutput, ...]) -> list[tuple[str, Moved]]:
    """What a block did to our scripts, with the currency, in the places the books give it."""
    held = {output.outpoint: (output.script, output.amount) for output in known}
    found: list[tuple[str, Moved]] = []
    for receipt in block.receipts:
        is_output = receipt.position.isdecimal()
        if is_output:
            held[Outpoint(receipt.txid, int(receipt.position))] = (receipt.script, receipt.amount)
        position = f"out:{receipt.position}" if is_output else receipt.position
        found.append((receipt.currency, Moved(receipt.script, receipt.txid, position, receipt.amount)))
    for spend in block.spends:
        script, amount = held.get(spend.outpoint, (b"", 0))
        position = f"in:{spend.outpoint.txid}:{spend.outpoint.index}"
        found.append((chain, Moved(script, spend.txid, position, -amount)))
    for sent in block.sent:
        if sent.is_success and sent.amount:
            found.append((chain, Moved(sent.sender, sent.txid, "value", -sent.amount)))
        found.append((chain, Moved(sent.sender, sent.txid, "gas", -sent.gas_fee)))
    for send in block.token_sends:
        moved = Moved(send.sender, send.txid, f"send:{send.position}", -send.amount)
        found.append((send.currency, moved))
    return [(currency, each) for currency, each in found if each.amount]


def _state_change(before: Holdings, after: Holdings, currency: str) -> dict[bytes, int]:
    """By how much the state says each script changed."""
    old, new = before.scripts.get(currency, {}), after.scripts.get(currency, {})
    changes = {script: new.get(script, 0) - old.get(script, 0) for script in old.keys() | new.keys()}
    return {script: change for script, change in changes.items() if change}


def _rest(change: Apart, found: tuple[Found, ...], detail: str) -> tuple[Found, ...]:
    """What is left of a difference by place."""
    left = dict(change)
    for each in found:
        place = each.location if each.location in left else booked_at(each.location).value
        left[place] = left.get(place, 0) - each.amount
    return tuple(Found(UNEXPLAINED, place, amount, detail=detail) for place, amount in left.items() if amount)
