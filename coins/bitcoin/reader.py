"""Chain truth from one node: blocks to movements of our scripts.

Blocks come as raw bytes (REST where it is on, else RPC) and are scanned here; the node's wallet is
never asked. Scanning yields to the event loop about every millisecond.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Generator, Sequence
from typing import TypeVar

from coins.ahead import ReadAhead
from coins.bitcoin.answer import (
    as_bool,
    as_bytes,
    as_hash,
    as_int,
    as_object,
    as_text,
    as_work,
)
from coins.bitcoin.download import Door
from coins.bitcoin.hint import Hints
from coins.bitcoin.history import HistoryReader
from coins.bitcoin.holding import read_unspent
from coins.bitcoin.match import match_steps
from coins.bitcoin.mempool import MempoolReader
from coins.bitcoin.outline import BROKEN, Outline, outline_steps
from coins.bitcoin.proof import proof_steps
from coins.bitcoin.rpc import RpcClient, RpcError
from coins.bitcoin.scan import BlockRules, Scan, scan_steps
from coins.bitcoin.worker import rest_path
from coins.bitcoin.workers import DEPTH, WorkerPool
from coins.errors import (
    BlockPrunedError,
    NodeBehindError,
    NodeDataError,
    NodeSyncingError,
    NodeUnavailableError,
    WrongNetworkError,
)
from coins.family import History
from coins.family import WatchIndex as WatchIndexRole
from coins.index import WatchIndex
from coins.turns import Turns
from coins.types import Block, BlockRef, Head, Holdings, Location, MempoolView, OwnOutput
from config.schema import BitcoinCoinSettings

T = TypeVar("T")

HEADERS_AHEAD_MAX = 24  # more known headers than this above the blocks: the node still downloads
LONG_POLL_MARGIN_S = 10.0
REFS_KEPT = 2_048  # a look plans two steps of at most 1,000 blocks
MANY_BLOCKS = 8  # fewer in sight are read without the workers
NO_PARENT = "0" * 64
_NOT_FOUND = -5
_OUT_OF_RANGE = -8
_NO_METHOD = -32601
_PRUNED = "pruned data"
_CHAIN_NAMES = {
    "mainnet": "main",
    "testnet": "test",
    "testnet4": "testnet4",
    "signet": "signet",
    "regtest": "regtest",
}


class BitcoinReader:
    """ChainReader of one currency."""

    def __init__(
        self,
        settings: BitcoinCoinSettings,
        rpc: RpcClient,
        process_workers: int = 0,
        turns: Turns | None = None,
    ) -> None:
        self._settings = settings
        self._rpc = rpc
        self._turns = turns or Turns()
        self._rules = block_rules(settings)
        self._is_rest_on = settings.node.rest
        self._mempool = MempoolReader(rpc, self._rules)
        self._hints = Hints(settings.node.zmq, settings.currency)
        self._poll: asyncio.Task[None] | None = None
        self._polled = -1
        self._refs: dict[str, BlockRef] = {}  # a place in the chain never changes for one hash
        node = settings.node
        self._workers = WorkerPool(process_workers, Door.of(node), self._rules)
        self._forms: Collection[bytes] = ()  # of the scripts that blocks are compared with
        self._is_far_behind = False
        fetches = max(1, node.max_parallel - 1)  # one call is left to those who ask something small
        self._fetching = asyncio.Semaphore(fetches)
        self._ahead = ReadAhead(
            self._fetch,
            lambda fetched: len(fetched[0]),
            window=node.read_ahead_blocks,
            parallel=fetches + process_workers * DEPTH,
            bytes_max=node.read_ahead_mb * 1_000_000,
        )

    async def identify(self) -> None:
        """See ChainReader. Compares the genesis hash, and the node's own name of its chain."""
        genesis = as_hash(await self._rpc.call("getblockhash", 0), "getblockhash")
        wanted = self._settings.genesis_hash
        if wanted is not None and genesis != wanted:
            raise WrongNetworkError(
                f"{self._settings.currency}: the node's genesis block is {genesis}, "
                f"{self._settings.network} has {wanted}"
            )
        info = as_object(await self._rpc.call("getblockchaininfo"), "getblockchaininfo")
        chain = as_text(info.get("chain"), "chain")
        expected = _CHAIN_NAMES.get(self._settings.network, chain)
        if chain != expected:
            raise WrongNetworkError(f"{self._settings.currency}: the node serves {chain}, not {expected}")
        _check_synced(info)
        self._is_rest_on = self._settings.node.rest

    async def head(self) -> Head:
        """See ChainReader."""
        info = as_object(await self._rpc.call("getblockchaininfo"), "getblockchaininfo")
        _check_synced(info)
        return Head(
            as_int(info.get("blocks"), "blocks"),
            as_hash(info.get("bestblockhash"), "bestblockhash"),
            as_work(info.get("chainwork"), "chainwork"),
            time=as_int(info["time"], "time", 0, 2**32 - 1) if "time" in info else None,
        )

    async def block_ref(self, height: int) -> BlockRef | None:
        """See ChainReader."""
        for _ in range(3):
            try:
                block_hash = as_hash(await self._rpc.call("getblockhash", height), "getblockhash")
            except RpcError as error:
                if error.code == _OUT_OF_RANGE:
                    return None
                raise
            ref, is_active = await self._header(block_hash)
            if is_active:
                if ref.height != height:
                    raise NodeDataError(f"getblockhash {height} gave a block of height {ref.height}")
                return ref
        raise NodeUnavailableError(f"the block at height {height} changes faster than it can be read")

    async def block_refs(self, first: int, last: int) -> Sequence[BlockRef]:
        """See ChainReader. Two requests for all of them; then their bodies are fetched ahead."""
        hashes: list[str] = []
        for answer in await self._rpc.batch("getblockhash", [(height,) for height in range(first, last + 1)]):
            if isinstance(answer, RpcError):
                if answer.code == _OUT_OF_RANGE:
                    break
                raise answer
            hashes.append(as_hash(answer, "getblockhash"))
        refs: list[BlockRef] = []
        answers = await self._rpc.batch("getblockheader", [(block_hash,) for block_hash in hashes])
        for block_hash, answer in zip(hashes, answers, strict=True):
            ref, is_active = self._ref_of(block_hash, answer)
            if not is_active or (refs and ref.parent_hash != refs[-1].block_hash):
                break
            if ref.height != first + len(refs):
                raise NodeDataError(f"getblockhash {first + len(refs)} gave a block of height {ref.height}")
            refs.append(ref)
        self._is_far_behind = len(refs) >= MANY_BLOCKS
        if not self._is_far_behind:
            await self._workers.close()
        self._ahead.plan([ref.block_hash for ref in refs])
        return refs

    async def read_block(self, height: int, block_hash: str, index: WatchIndexRole) -> Block:
        """See ChainReader. Raises NodeBehindError when the node no longer knows the block."""
        if not isinstance(index, WatchIndex):
            raise TypeError("index must be a coins.index.WatchIndex")
        self._forms = index.forms
        ref = self._refs.get(block_hash)
        if ref is None:
            ref, _ = await self._header(block_hash)
        raw, outline = await self._ahead.take(block_hash)
        scan = await self._scan(raw, outline, index)
        if scan.block_hash != block_hash or ref.block_hash != block_hash:
            raise NodeDataError(f"asked for block {block_hash}, got {scan.block_hash}")
        if ref.height != height or (height > 0 and scan.parent_hash != ref.parent_hash):
            raise NodeDataError(f"block {block_hash} is not the one at height {height}")
        return Block(ref, scan.receipts, scan.spends)

    async def wait_change(self, after: Head, timeout_s: float) -> None:
        """See ChainReader. One call waits inside the node and cannot miss a block in between; it goes on
        while others look at the mempool, and is never broken off: the node would keep its thread."""
        if self._poll is None or self._polled != after.height:
            await self._end_poll()
            self._polled = after.height
            self._poll = asyncio.create_task(self._long_poll(after.height))
        hint = asyncio.create_task(self._hints.wait())
        try:
            await asyncio.wait((self._poll, hint), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if hint.done() and (rest_s := self._mempool.rest_s()) > 0:
                await asyncio.wait((self._poll,), timeout=rest_s)
        finally:
            hint.cancel()
        if self._poll.done():
            poll, self._poll = self._poll, None
            poll.result()

    async def _long_poll(self, height: int) -> None:
        """Return when the node has a block above ``height``, at the latest after ``poll_interval_s``."""
        wait_s = self._settings.node.poll_interval_s
        try:
            await self._rpc.long_poll(
                "waitforblockheight",
                height + 1,
                max(1, int(wait_s * 1000)),
                timeout_s=wait_s + LONG_POLL_MARGIN_S,
            )
        except RpcError as error:
            if error.code != _NO_METHOD:
                raise
            await asyncio.sleep(wait_s)

    async def _end_poll(self) -> None:
        """Give up the call that waits, whatever it would have said."""
        poll, self._poll = self._poll, None
        if poll is not None:
            poll.cancel()
            await asyncio.gather(poll, return_exceptions=True)

    async def mempool(self, index: WatchIndexRole) -> MempoolView:
        """See ChainReader."""
        if not isinstance(index, WatchIndex):
            raise TypeError("index must be a coins.index.WatchIndex")
        return await self._mempool.read(index)

    def recall(self, txids: Collection[str]) -> None:
        """See ChainReader. The node tells its whole mempool."""

    async def holdings(self, scripts: Sequence[tuple[bytes, Location]]) -> Holdings:
        """See ChainReader. The node walks through its whole set of unspent outputs, so at one block."""
        unspent = await read_unspent(self._rpc, list(dict(scripts)), self._rules.max_money)
        ref, _ = await self._header(unspent.block_hash)
        return unspent.holdings(ref, self._settings.node.origin, self._settings.currency, dict(scripts))

    async def history(
        self, scripts: Sequence[tuple[bytes, Location]], low: int, known: Sequence[OwnOutput]
    ) -> History:
        """See ChainReader. The node's answer at its tip, taken back by the raw blocks above ``low``."""
        base = await self.block_ref(low)
        if base is None:
            raise NodeBehindError(f"the node has no block at height {low}")
        unspent = await read_unspent(self._rpc, list(dict(scripts)), self._rules.max_money)
        reader = HistoryReader(
            self._rpc, self._rules, self._settings.node.origin, self._raw_block, self._breathing
        )
        return await reader.read(unspent, dict(scripts), base, known)

    async def is_in_chain_or_mempool(self, txid: str) -> bool | None:
        """See ChainReader. Without the node's own index of chain txs a mined and spent one is not found:
        then the answer is None, never False."""
        try:
            await self._rpc.call("getrawtransaction", txid, False)
            return True
        except RpcError as error:
            if error.code != _NOT_FOUND:
                raise
            # Only a node with a complete index says "mempool or blockchain".
            if "mempool or blockchain" in error.message and "still in" not in error.message:
                return False
        for position in (0, 1):
            if await self._rpc.call("gettxout", txid, position, True) is not None:
                return True
        return None

    async def sent_count(self, script: bytes) -> int:
        """See ChainReader."""
        return 0

    async def peers(self) -> int:
        """See ChainReader."""
        return as_int(await self._rpc.call("getconnectioncount"), "getconnectioncount")

    async def close(self) -> None:
        """See ChainReader."""
        await self._end_poll()
        self._hints.close()
        await self._ahead.close()
        await self._workers.close()
        await self._rpc.close()

    async def _header(self, block_hash: str) -> tuple[BlockRef, bool]:
        """A block's place, and whether it is on the node's best chain."""
        try:
            answer = await self._rpc.call("getblockheader", block_hash)
        except RpcError as error:
            answer = error
        return self._ref_of(block_hash, answer)

    def _ref_of(self, block_hash: str, answer: object) -> tuple[BlockRef, bool]:
        """The same from an answer, which may be an error of the node."""
        if isinstance(answer, RpcError):
            if answer.code == _NOT_FOUND:
                raise NodeBehindError(f"the node does not know block {block_hash}")
            raise answer
        header = as_object(answer, "getblockheader")
        if as_hash(header.get("hash"), "hash") != block_hash:
            raise NodeDataError(f"asked for header {block_hash}, got another")
        ref = BlockRef(
            height=as_int(header.get("height"), "height"),
            block_hash=block_hash,
            parent_hash=as_hash(header.get("previousblockhash", NO_PARENT), "previousblockhash"),
            time=as_int(header.get("time"), "time", 0, 2**32 - 1),
            work=as_work(header.get("chainwork"), "chainwork"),
        )
        while len(self._refs) >= REFS_KEPT:
            del self._refs[next(iter(self._refs))]
        self._refs[block_hash] = ref
        return ref, as_int(header.get("confirmations"), "confirmations", -1) >= 0

    async def _fetch(self, block_hash: str) -> tuple[bytes, Outline | None]:
        """A block's bytes; while far behind by a worker, with what it found out about them."""
        await self._turns.fetch()
        if self._is_far_behind and self._is_rest_on:
            found = await self._workers.fetch(block_hash, self._forms)
            if found is not None:
                return found
        async with self._fetching:
            return await self._raw_block(block_hash), None

    async def _raw_block(self, block_hash: str) -> bytes:
        """A block's bytes: REST first; when it has none, RPC tells why or shows that REST is off."""
        if self._is_rest_on:
            raw = await self._rpc.rest(rest_path(block_hash))
            if raw is not None:
                return raw
        try:
            raw = as_bytes(await self._rpc.call("getblock", block_hash, 0), "getblock")
        except RpcError as error:
            if error.code == _NOT_FOUND:
                raise NodeBehindError(f"the node does not know block {block_hash}") from None
            if _PRUNED in error.message:
                raise BlockPrunedError(
                    f"the node has pruned block {block_hash}, which is not read yet: let it download its "
                    "blocks again without -prune, or use another node"
                ) from None
            raise
        self._is_rest_on = False  # until the next connection: see identify
        return raw

    async def _scan(self, raw: bytes, outline: Outline | None, index: WatchIndex) -> Scan:
        """Scan with pauses; the bytes must be a whole block."""
        if outline is None:
            try:
                outline = await self._breathing(outline_steps(raw, self._rules))
            except BROKEN:
                return await self._breathing(scan_steps(raw, index, self._rules))  # it says what is wrong
        await self._turns.rest()
        scan = await self._breathing(match_steps(raw, outline, index, self._rules))
        if (scan.receipts or scan.spends) and not self._is_far_behind:
            await self._breathing(proof_steps(raw, outline.txs))  # several times dearer than the scan
        return scan

    async def _breathing(self, steps: Generator[None, None, T]) -> T:
        """The result of the steps, with room for others between them."""
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: T = end.value
                return found
            await self._turns.rest()


def block_rules(settings: BitcoinCoinSettings) -> BlockRules:
    """How blocks look by these settings."""
    return BlockRules(
        settings.currency, settings.max_money, settings.tx.segwit, settings.tx.mweb, settings.tx.auxpow
    )


def _check_synced(info: dict[str, object]) -> None:
    """Raise NodeSyncingError while the node downloads blocks."""
    blocks = as_int(info.get("blocks"), "blocks")
    headers = as_int(info.get("headers"), "headers", -1)
    is_downloading = as_bool(info.get("initialblockdownload"), "initialblockdownload")
    if is_downloading or headers - blocks > HEADERS_AHEAD_MAX:
        raise NodeSyncingError(f"the node still downloads blocks ({blocks} of {max(headers, blocks)})")
