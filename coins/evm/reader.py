"""Reads an Ethereum chain from one node: its head, its blocks, what waits, what own accounts hold."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import replace

from coins.ahead import ReadAhead
from coins.errors import NodeDataError, NodeSyncingError, NodeUnavailableError, WrongNetworkError
from coins.evm.balance import check_decimals
from coins.evm.block import BlockBody, BlockReader
from coins.evm.holding import EvmHistory, holdings_at_head
from coins.evm.mempool import EvmMempool
from coins.evm.quantity import parse_hash, parse_small, quantity
from coins.evm.rpc import Call, EvmRpc, RpcAnswerError
from coins.evm.wire import Header, Syncing, TxByHash, block_ref_of, check_place
from coins.family import History, WatchIndex
from coins.index import WatchIndex as ScriptIndex
from coins.types import Block, BlockRef, Head, Holdings, Location, MempoolView, OwnOutput
from config.schema import EvmCoinSettings

logger = logging.getLogger(__name__)


class EvmReader:
    """ChainReader over one node; every answer is checked against the configured chain id (``EvmRpc``)."""

    def __init__(self, settings: EvmCoinSettings, rpc: EvmRpc) -> None:
        self._settings = settings
        self._rpc = rpc
        self._blocks = BlockReader(settings, rpc)
        self._mempool = EvmMempool(settings, rpc)
        self._heights: dict[str, int] = {}
        self._is_checked = not settings.tokens
        self._untagged: set[str] = set()
        node = settings.node
        self._ahead = ReadAhead(
            self._fetch,
            lambda body: 0 if body is None else body.size_bytes,
            window=node.read_ahead_blocks,
            parallel=max(1, node.max_parallel - 1),  # one is left to those who ask something small
            bytes_max=node.read_ahead_mb * 1_000_000,
        )

    async def identify(self) -> None:
        """Chain id and, where configured, the hash of block 0; once, the decimals of the tokens.

        Raises WrongNetworkError, NodeSyncingError.
        """
        syncing, genesis = await self._rpc.batch(
            [
                Call("eth_syncing", (), Syncing),
                Call("eth_getBlockByNumber", (quantity(0), False), Header | None),
            ]
        )
        expected = self._settings.genesis_hash
        if expected is not None and genesis is not None:
            found = block_ref_of(genesis).block_hash
            if found != expected.lower():
                raise WrongNetworkError(f"the node's block 0 is {found}, configured is {expected}")
        _refuse_syncing(syncing)
        if not self._is_checked:
            await check_decimals(self._rpc, self._settings.tokens)
        self._is_checked = True

    async def head(self) -> Head:
        """The node's latest block; there is no chain work to compare.

        Its safe and finalized blocks are asked for only where the policy waits for one.
        """
        latest = await self._latest()
        if self._settings.finality == "confirmations":
            return latest
        safe_height, finalized_height = [await self._tag(tag, latest.height) for tag in ("safe", "finalized")]
        return replace(latest, safe_height=safe_height, finalized_height=finalized_height)

    async def block_ref(self, height: int) -> BlockRef | None:
        """The block at ``height``, None when the node has none there."""
        header: Header | None = await self._rpc.call(
            "eth_getBlockByNumber", quantity(height), False, result=Header | None
        )
        if header is None:
            return None
        ref = block_ref_of(header)
        check_place(ref, height)
        return ref

    async def block_refs(self, first: int, last: int) -> Sequence[BlockRef]:
        """See ChainReader. One batch for all of them; then their bodies are fetched ahead."""
        headers: list[Header | None] = await self._rpc.batch(
            [
                Call("eth_getBlockByNumber", (quantity(height), False), Header | None)
                for height in range(first, last + 1)
            ]
        )
        refs: list[BlockRef] = []
        for height, header in enumerate(headers, first):
            if header is None:
                break
            ref = block_ref_of(header)
            check_place(ref, height)
            if refs and ref.parent_hash != refs[-1].block_hash:
                break
            refs.append(ref)
        self._heights = {ref.block_hash: ref.height for ref in refs}
        self._ahead.plan(list(self._heights))
        return refs

    async def read_block(self, height: int, block_hash: str, index: WatchIndex) -> Block:
        """What one block did to own accounts; see ``BlockReader``.

        Raises NodeUnavailableError when the block or a part of it is gone (reorganised while it was
        read), NodeDataError when the node contradicts itself.
        """
        own = _scripts(index)
        self._heights[block_hash] = height
        try:
            body = await self._ahead.take(block_hash)
        finally:
            self._heights.pop(block_hash, None)
        if body is None:
            raise NodeUnavailableError(f"block {height} {block_hash} is not there any more")
        ref = block_ref_of(body.full)
        check_place(ref, height)
        if ref.block_hash != block_hash:
            raise NodeDataError(f"block.hash is {ref.block_hash}, asked was {block_hash}")
        return await self._blocks.read(body, ref, own)

    async def wait_change(self, after: Head, timeout_s: float) -> None:
        """Ask for the latest block every ``poll_interval_s`` until it differs or the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while (rest := end - loop.time()) > 0:
            await asyncio.sleep(min(self._settings.node.poll_interval_s, rest))
            if loop.time() >= end or (await self._latest()).block_hash != after.block_hash:
                return

    async def mempool(self, index: WatchIndex) -> MempoolView:
        """Unconfirmed payments; see ``EvmMempool``."""
        return await self._mempool.view(_scripts(index))

    def recall(self, txids: Collection[str]) -> None:
        """See ChainReader."""
        self._mempool.recall(txids)

    async def holdings(self, scripts: Sequence[tuple[bytes, Location]]) -> Holdings:
        """Balances of all accounts, tokens too, at one block: its hash is the same before and after.

        A token whose contract does not give every balance is left out: what it holds is unknown, not zero.
        """
        return await holdings_at_head(self._rpc, self._settings, dict(scripts))

    async def history(
        self, scripts: Sequence[tuple[bytes, Location]], low: int, known: Sequence[OwnOutput]
    ) -> History:
        """See ChainReader. As far as the node keeps state."""
        return EvmHistory(self._rpc, self._settings, dict(scripts))

    async def is_in_chain_or_mempool(self, txid: str) -> bool | None:
        """Whether the node holds a transaction; None when it answers with an error."""
        try:
            found = await self._rpc.call("eth_getTransactionByHash", txid, result=TxByHash | None)
        except RpcAnswerError:
            return None  # e.g. its index of transactions is still being built
        if found is not None and parse_hash(found.hash, "transaction.hash") != txid:
            raise NodeDataError(f"transaction.hash is {found.hash}, asked was {txid}")
        return found is not None

    async def sent_count(self, script: bytes) -> int:
        """Transactions of an account in the chain: the nonce of its next one."""
        count = await self._rpc.call("eth_getTransactionCount", "0x" + script.hex(), "latest", result=str)
        return parse_small(count, "eth_getTransactionCount")

    async def peers(self) -> int:
        """See ChainReader. Raises RpcAnswerError where the node does not offer ``net_peerCount``."""
        return parse_small(await self._rpc.call("net_peerCount", result=str), "net_peerCount")

    async def close(self) -> None:
        """Close the connections to the node."""
        await self._ahead.close()
        await self._rpc.close()

    async def _fetch(self, block_hash: str) -> BlockBody | None:
        """A block that was planned or is about to be read."""
        return await self._blocks.fetch(block_hash, self._heights[block_hash])

    async def _latest(self) -> Head:
        """The latest block alone."""
        syncing, latest = await self._rpc.batch(
            [Call("eth_syncing", (), Syncing), Call("eth_getBlockByNumber", ("latest", False), Header)]
        )
        _refuse_syncing(syncing)
        ref = block_ref_of(latest)
        return Head(ref.height, ref.block_hash, time=ref.time)

    async def _tag(self, tag: str, head_height: int) -> int | None:
        """Height of the block the node calls so, at most the head's; None while it has none.

        A node says that it has none by null, or by an error (execution-apis, -39001 unknown block).
        """
        try:
            header: Header | None = await self._rpc.call(
                "eth_getBlockByNumber", tag, False, result=Header | None
            )
        except RpcAnswerError as error:
            if tag not in self._untagged:  # said once, not at every look
                logger.warning("%s: the node names no %s block: %s", self._settings.currency, tag, error)
            self._untagged.add(tag)
            return None
        self._untagged.discard(tag)
        return None if header is None else min(block_ref_of(header).height, head_height)


def _scripts(index: WatchIndex) -> set[bytes]:
    """The scripts of the shared index behind the common protocol."""
    if not isinstance(index, ScriptIndex):
        raise TypeError("an evm reader needs the index of its own coin")
    return index.scripts


def _refuse_syncing(syncing: Syncing) -> None:
    """Raise NodeSyncingError unless the node says it is not syncing."""
    if syncing is not False:
        raise NodeSyncingError("the node is downloading blocks")
