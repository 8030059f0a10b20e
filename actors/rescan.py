"""Reads a chain again and compares every receipt and every spend with the books. Posts nothing.

Works beside no server: what the books say must stand still while the chain is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from actors.gap import Unissued, find_unissued
from coins import registry
from coins.errors import NodeBehindError, NodeUnavailableError, UnsupportedError
from coins.family import ChainReader, WatchIndex
from coins.signer.client import SignerClient
from coins.signer.process import SignerProcess
from coins.types import DERIVED, Block, Branch, Outpoint, location_of
from config.schema import Settings
from ledger.commands import RecordScript, ReserveScript
from ledger.errors import StoreLockedError, StoreOpenError
from ledger.queries import GetScanned
from ledger.reader import LedgerReader
from ledger.store import SqliteStore
from ledger.views import Movement, ScannedView

STEP = 20

OnBlock = Callable[[int, int, int], None]
"""Is told each height that is done, the first one and the last one."""


@dataclass(frozen=True, slots=True)
class Difference:
    """``kind`` is ``missing`` (on the chain, not booked), ``extra`` (booked, not on the chain) or ``block``.

    Of kind ``block`` the chain itself is another one from there on, and nothing above was compared.
    """

    kind: str
    movement: Movement
    detail: str

    def __str__(self) -> str:
        """One line for people."""
        at = self.movement
        place = f"{at.txid} {at.position} {at.amount} {at.currency}" if at.txid else at.currency
        return f"{self.kind} at height {at.height}: {place}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Rescanned:
    """Heights that were compared, how many movements the chain has there, and what differs."""

    from_height: int
    to_height: int
    movements: int
    differences: tuple[Difference, ...]
    unissued: tuple[Unissued, ...] = ()

    def lines(self, currency: str) -> list[str]:
        """What was found, line by line, the sum last."""
        blocks = f"blocks {self.from_height} to {self.to_height}"
        counted = f"{self.movements} movements of ours, {len(self.differences)} differences"
        beyond = f", {len(self.unissued)} receipts on unissued indices" if self.unissued else ""
        return [
            *map(str, self.differences),
            *map(str, self.unissued),
            f"{currency}: {blocks}: {counted}{beyond}",
        ]


async def rescan_books(
    settings: Settings,
    currency: str,
    from_height: int,
    now_s: int,
    on_block: OnBlock,
    *,
    gap: int = 0,
    config: Path | None = None,
) -> Rescanned:
    """Compare the configured database with the configured node; no server may have the database open.

    With a ``gap`` the chain is searched for receipts on indices that were never given out, as after a lost
    database; the signer is started for it with ``config``. Indices up to the last one found are set aside and
    watched from then on: no other client gets them, and what still comes to them is a case.

    ``on_block`` is told each height that is done, the first one and the last one. Raises StoreError,
    UnknownCurrencyError, CoinError.
    """
    path = settings.ledger.path
    if not path.exists():
        raise StoreOpenError(f"there is no database {path} yet")
    store = SqliteStore(path, now_s=now_s)
    try:
        store.open()
    except StoreLockedError:
        raise StoreLockedError("the server is running: stop it, then rescan") from None
    try:
        book, done = await _read_again(settings, currency, from_height, now_s, on_block)
        if not gap:
            return done
        unissued = await _beyond(settings, config, currency, book, store, from_height, gap, now_s)
        return replace(done, unissued=unissued)
    finally:
        store.close()


async def read_again(
    settings: Settings, currency: str, from_height: int, now_s: int, on_block: OnBlock
) -> Rescanned:
    """Compare one state of the configured books with the configured node, also beside a running server.

    Raises StoreError, UnknownCurrencyError, CoinError; NodeUnavailableError where the chain moved meanwhile.
    """
    return (await _read_again(settings, currency, from_height, now_s, on_block))[1]


async def _read_again(
    settings: Settings, currency: str, from_height: int, now_s: int, on_block: OnBlock
) -> tuple[ScannedView, Rescanned]:
    """The books as they were asked, and what the chain says beside them."""
    books = await LedgerReader(settings.ledger.path, now_s=lambda: now_s, connections=1).open()
    try:
        book = await books.answer(GetScanned(currency, from_height))
    finally:
        await books.close()
    chain = settings.enabled_coins[book.chain]
    reader = registry.open_reader(chain, settings.actors.process_workers)
    try:
        return book, await rescan(reader, registry.empty_index(), book, from_height, on_block)
    finally:
        await reader.close()


async def _beyond(
    settings: Settings,
    config: Path | None,
    currency: str,
    book: ScannedView,
    store: SqliteStore,
    from_height: int,
    gap: int,
    now_s: int,
) -> tuple[Unissued, ...]:
    """Receipts beyond what was given out; their indices are reserved. Raises CoinError, DomainError."""
    coin_settings = settings.enabled_coins[currency]
    if not coin_settings.has_seed:
        raise UnsupportedError(
            f"{currency}: addresses of custody {coin_settings.custody} follow from no seed"
        )
    branches: tuple[Branch, ...] = (Branch.DEPOSIT,)
    if coin_settings.family == "bitcoin":
        branches = (*DERIVED, Branch.COLD_CHANGE) if coin_settings.is_watch_only else DERIVED
    issued = {branch: dict(book.issued).get(branch.value, 0) for branch in branches}
    signer = SignerProcess(config, start_timeout_s=settings.signer.start_timeout_s)
    try:
        await signer.start()
        coin = await registry.open_coin(coin_settings, SignerClient(settings.signer))
        try:
            found = await find_unissued(
                coin.reader, registry.empty_index, coin.deriver, issued, from_height, gap
            )
            for branch, first in issued.items():
                last = max((each.index for each in found if each.branch is branch), default=-1)
                location = location_of(branch, is_watch_only=coin_settings.is_watch_only)
                for index in range(first, last + 1):
                    purpose = f"restored:{branch.value}:{index}"
                    own = await coin.deriver.derive(branch, index)
                    record = RecordScript(currency, purpose, own, location, None)
                    for result in store.apply_batch(
                        [ReserveScript(currency, branch, purpose), record], now_s
                    ):
                        result.unwrap()
        finally:
            await coin.reader.close()
    finally:
        await signer.stop()
    return found


async def rescan(
    reader: ChainReader,
    index: WatchIndex,
    book: ScannedView,
    from_height: int,
    on_block: OnBlock,
) -> Rescanned:
    """Compare from ``from_height`` (or where the books begin) to the books' tip.

    ``index`` is empty. Raises CoinError when the node does not answer, is another chain's, has fewer
    blocks than the books, or has pruned one of them.
    """
    start = max(from_height, book.begins_at)
    await reader.identify()
    if book.tip is None or start > book.tip.height:
        return Rescanned(start, start - 1, 0, ())
    head = await reader.head()
    if head.height < book.tip.height:
        raise NodeBehindError(f"the node is at height {head.height}, the books at {book.tip.height}")
    index.add_scripts(book.scripts)
    held: dict[Outpoint, tuple[str, int]] = {}
    for txid, place, script, amount in book.outpoints:
        held[Outpoint(txid, place)] = (script.hex(), amount)
        index.add_outpoint(Outpoint(txid, place))
    found: Counter[Movement] = Counter()
    for first in range(start, book.tip.height + 1, STEP):
        refs = await reader.block_refs(first, min(book.tip.height, first + 2 * STEP - 1))
        for height in range(first, min(book.tip.height, first + STEP - 1) + 1):
            if height - first >= len(refs):
                raise NodeUnavailableError("the node's chain moved while it was read: try again")
            ref, booked = refs[height - first], book.hashes[height - start]
            if ref.block_hash != booked:
                at = Movement(height, "", "block", book.chain, "", 0)
                detail = f"the node's block is {ref.block_hash}, the booked one {booked}"
                return _compared(start, height - 1, book, found, (Difference("block", at, detail),))
            block = await reader.read_block(height, ref.block_hash, index)
            found.update(_movements(book.chain, block, held))
            on_block(height, start, book.tip.height)
    return _compared(start, book.tip.height, book, found, ())


def _movements(chain: str, block: Block, held: dict[Outpoint, tuple[str, int]]) -> Iterator[Movement]:
    """What the block did to us, in the words of the books; ``held`` follows the outputs of ours."""
    height = block.ref.height
    for receipt in block.receipts:
        is_output = receipt.position.isdecimal()
        if is_output:
            held[Outpoint(receipt.txid, int(receipt.position))] = (receipt.script.hex(), receipt.amount)
        if receipt.amount:
            position = f"out:{receipt.position}" if is_output else receipt.position
            script = receipt.script.hex()
            yield Movement(height, receipt.txid, position, receipt.currency, script, receipt.amount)
    for spend in block.spends:
        script, amount = held.pop(spend.outpoint, ("", 0))
        position = f"in:{spend.outpoint.txid}:{spend.outpoint.index}"
        yield Movement(height, spend.txid, position, chain, script, -amount)
    for sent in block.sent:
        yield Movement(height, sent.txid, "nonce", chain, sent.sender.hex(), 0)
    for send in block.token_sends:
        if send.amount:
            sender = send.sender.hex()
            yield Movement(height, send.txid, f"send:{send.position}", send.currency, sender, -send.amount)


def _compared(
    start: int, end: int, book: ScannedView, found: Counter[Movement], broken: tuple[Difference, ...]
) -> Rescanned:
    """Hold what was found up to ``end`` against the books."""
    booked = Counter(movement for movement in book.movements if movement.height <= end)
    missing = [Difference("missing", each, "on the chain, not in the books") for each in found - booked]
    extra = [Difference("extra", each, "in the books, not on the chain") for each in booked - found]
    differences = sorted(missing + extra, key=lambda each: each.movement)
    return Rescanned(start, end, found.total(), (*differences, *broken))
