"""Reads an Ethereum chain: native movements of own accounts, block by block.

Not seen by a block's transaction list: payments made by contracts (internal transfers), block
rewards, withdrawals of validators. They show as a difference when holdings are compared with the
books. The gas fee is that of an L1: chains that add a fee of their own to the receipt (rollups) are
not supported yet.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from coins.ahead import ReadAhead
from coins.errors import NodeDataError, NodeSyncingError, NodeUnavailableError, WrongNetworkError
from coins.evm.quantity import parse_account, parse_hash, parse_quantity, parse_small, quantity
from coins.evm.rpc import Call, EvmRpc, RpcAnswerError
from coins.evm.wire import (
    FullBlock,
    Header,
    PendingBlock,
    Syncing,
    Tx,
    TxByHash,
    TxReceipt,
    block_ref_of,
    check_place,
)
from coins.family import WatchIndex
from coins.index import WatchIndex as ScriptIndex
from coins.types import (
    AccountTx,
    Block,
    BlockRef,
    Head,
    Holdings,
    Location,
    MempoolView,
    Receipt,
)
from config.schema import EvmCoinSettings

logger = logging.getLogger(__name__)

NATIVE = "native"
"""Position of a native payment: a transaction makes at most one."""
_TX_BYTES = 1_000
"""What a transaction takes in memory, about."""
_HOLDINGS_TRIES = 5
_SHOWN_MAX = 5_000
"""Most unconfirmed payments of ours that are asked for by their hash."""
_SHOWN_BLOCKS = 20
"""Blocks after which a mined one is no longer asked for: the ledger has it from its block by then."""


class EvmReader:
    """ChainReader over one node; every answer is checked against the configured chain id (``EvmRpc``)."""

    def __init__(self, settings: EvmCoinSettings, rpc: EvmRpc) -> None:
        self._settings = settings
        self._rpc = rpc
        self._shown: set[str] = set()
        self._untagged: set[str] = set()
        node = settings.node
        self._ahead = ReadAhead(
            self._full_block,
            lambda full: 0 if full is None else _TX_BYTES * len(full.transactions),
            window=node.read_ahead_blocks,
            parallel=max(1, node.max_parallel - 1),  # one is left to those who ask something small
            bytes_max=node.read_ahead_mb * 1_000_000,
        )

    async def identify(self) -> None:
        """Chain id and, where configured, the hash of block 0. Raises WrongNetworkError, NodeSyncingError."""
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
        self._ahead.plan([ref.block_hash for ref in refs])
        return refs

    async def read_block(self, height: int, block_hash: str, index: WatchIndex) -> Block:
        """Native movements of own accounts in one block.

        A payment counts only with status 1 in its receipt, which must be of this very block. Raises
        NodeUnavailableError when the block or a receipt is gone (reorganised while it was read),
        NodeDataError when the node contradicts itself.
        """
        own = _scripts(index)
        full = await self._ahead.take(block_hash)
        if full is None:
            raise NodeUnavailableError(f"block {height} {block_hash} is not there any more")
        ref = block_ref_of(full)
        check_place(ref, height)
        if ref.block_hash != block_hash:
            raise NodeDataError(f"block.hash is {ref.block_hash}, asked was {block_hash}")
        hits = [tx for tx in full.transactions if _touches(tx, own)]
        fates = await self._fates([tx.hash for tx in hits], ref)
        receipts: list[Receipt] = []
        sent: list[AccountTx] = []
        for tx, fate in zip(hits, fates, strict=True):
            account_tx = _account_tx(tx, fate)
            if account_tx.sender in own:
                sent.append(account_tx)
            receipt = self._receipt(tx, own)
            if receipt is not None and account_tx.is_success:
                receipts.append(receipt)
        return Block(ref, receipts=tuple(receipts), sent=tuple(sent))

    async def wait_change(self, after: Head, timeout_s: float) -> None:
        """Ask for the latest block every ``poll_interval_s`` until it differs or the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while (rest := end - loop.time()) > 0:
            await asyncio.sleep(min(self._settings.node.poll_interval_s, rest))
            if loop.time() >= end or (await self._latest()).block_hash != after.block_hash:
                return

    async def mempool(self, index: WatchIndex) -> MempoolView:
        """Unconfirmed payments, from the block the node would build next.

        Not every node builds one, and a full one leaves cheap transactions out. So a payment of ours
        that was shown before is asked for by its hash, and counts as held while the node knows it.
        """
        own = _scripts(index)
        latest, pending = await self._rpc.batch(
            [
                Call("eth_getBlockByNumber", ("latest", False), Header),
                Call("eth_getBlockByNumber", ("pending", True), PendingBlock | None),
            ]
        )
        height = block_ref_of(latest).height
        txs: list[Tx] = []
        if pending is not None and pending.number is not None:
            # a node that builds no block gives its latest one instead
            txs = pending.transactions if parse_small(pending.number, "block.number") > height else []
        receipts = [found for found in (self._receipt(tx, own) for tx in txs) if found is not None]
        txids = {parse_hash(tx.hash, "transaction.hash") for tx in txs}
        txids |= await self._still_held(self._shown - txids, height)
        for receipt in receipts[: max(0, _SHOWN_MAX - len(self._shown))]:
            self._shown.add(receipt.txid)
        return MempoolView(tuple(receipts), frozenset(txids))

    async def holdings(self, scripts: Sequence[tuple[bytes, Location]]) -> Holdings:
        """Balances of all accounts at one block: its hash is the same before and after the reading."""
        unique = dict(scripts)
        for _ in range(_HOLDINGS_TRIES):
            latest = await self._rpc.call("eth_getBlockByNumber", "latest", False, result=Header)
            ref = block_ref_of(latest)
            balances = await self._rpc.batch(
                [
                    Call("eth_getBalance", ("0x" + script.hex(), quantity(ref.height)), str)
                    for script in unique
                ]
            )
            if await self.block_ref(ref.height) != ref:
                continue
            amounts: dict[Location, int] = {}
            for location, text in zip(unique.values(), balances, strict=True):
                amounts[location] = amounts.get(location, 0) + parse_quantity(text, "eth_getBalance")
            return Holdings(ref, {self._settings.currency: amounts})
        raise NodeUnavailableError("the chain kept changing while balances were read")

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

    async def _full_block(self, block_hash: str) -> FullBlock | None:
        """A block with its transactions, None when the node has it no more."""
        full: FullBlock | None = await self._rpc.call(
            "eth_getBlockByHash", block_hash, True, result=FullBlock | None
        )
        return full

    async def _fates(self, hashes: Sequence[str], ref: BlockRef) -> list[TxReceipt]:
        """The receipts of ``hashes``, all of block ``ref``."""
        if len(set(hashes)) != len(hashes):
            raise NodeDataError("a block holds a transaction twice")
        if not hashes:
            return []
        found: list[TxReceipt | None] = await self._rpc.batch(
            [Call("eth_getTransactionReceipt", (txid,), TxReceipt | None) for txid in hashes]
        )
        fates: list[TxReceipt] = []
        for txid, fate in zip(hashes, found, strict=True):
            if fate is None or parse_hash(fate.block_hash, "receipt.blockHash") != ref.block_hash:
                raise NodeUnavailableError(f"block {ref.height} {ref.block_hash} changed while it was read")
            if fate.transaction_hash.lower() != txid.lower():
                raise NodeDataError(f"receipt.transactionHash is not {txid}")
            fates.append(fate)
        return fates

    async def _still_held(self, txids: set[str], height: int) -> set[str]:
        """Which of ``txids`` the node knows; what it forgot or mined long ago is not asked for again."""
        asked = sorted(txids)
        if not asked:
            return set()
        found: list[TxByHash | None] = await self._rpc.batch(
            [Call("eth_getTransactionByHash", (txid,), TxByHash | None) for txid in asked]
        )
        held: set[str] = set()
        for txid, tx in zip(asked, found, strict=True):
            is_old = False
            if tx is not None and tx.block_number is not None:
                is_old = parse_small(tx.block_number, "transaction.blockNumber") + _SHOWN_BLOCKS < height
            if tx is None or is_old:
                self._shown.discard(txid)
            else:
                held.add(txid)
        return held

    def _receipt(self, tx: Tx, own: set[bytes]) -> Receipt | None:
        """The payment ``tx`` asks for, None if it is not to us or of nothing."""
        if tx.to is None:
            return None
        script = parse_account(tx.to, "transaction.to")
        amount = parse_quantity(tx.value, "transaction.value")
        if script not in own or amount == 0:
            return None
        return Receipt(
            currency=self._settings.currency,
            txid=parse_hash(tx.hash, "transaction.hash"),
            position=NATIVE,
            script=script,
            amount=amount,
            sender=parse_account(tx.sender, "transaction.from"),
        )


def _touches(tx: Tx, own: set[bytes]) -> bool:
    """Whether a transaction is from us, or pays us something."""
    if parse_account(tx.sender, "transaction.from") in own:
        return True
    if tx.to is None or parse_account(tx.to, "transaction.to") not in own:
        return False
    return parse_quantity(tx.value, "transaction.value") > 0


def _account_tx(tx: Tx, fate: TxReceipt) -> AccountTx:
    """A mined transaction with what it cost and whether it succeeded."""
    status = parse_small(fate.status, "receipt.status")
    if status not in (0, 1):
        raise NodeDataError(f"receipt.status is {status}")
    gas_fee = parse_small(fate.gas_used, "receipt.gasUsed") * parse_quantity(
        fate.effective_gas_price, "receipt.effectiveGasPrice"
    )
    if fate.blob_gas_used is not None and fate.blob_gas_price is not None:
        gas_fee += parse_small(fate.blob_gas_used, "receipt.blobGasUsed") * parse_quantity(
            fate.blob_gas_price, "receipt.blobGasPrice"
        )
    if gas_fee >= 2**256:
        raise NodeDataError("receipt.gasUsed * effectiveGasPrice is impossibly large")
    return AccountTx(
        txid=parse_hash(tx.hash, "transaction.hash"),
        sender=parse_account(tx.sender, "transaction.from"),
        nonce=parse_small(tx.nonce, "transaction.nonce"),
        recipient=None if tx.to is None else parse_account(tx.to, "transaction.to"),
        amount=parse_quantity(tx.value, "transaction.value"),
        gas_fee=gas_fee,
        is_success=status == 1,
    )


def _scripts(index: WatchIndex) -> set[bytes]:
    """The scripts of the shared index behind the common protocol."""
    if not isinstance(index, ScriptIndex):
        raise TypeError("an evm reader needs the index of its own coin")
    return index.scripts


def _refuse_syncing(syncing: Syncing) -> None:
    """Raise NodeSyncingError unless the node says it is not syncing."""
    if syncing is not False:
        raise NodeSyncingError("the node is downloading blocks")
