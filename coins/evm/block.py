"""Reads one block of an Ethereum chain: native payments, events of tokens, payments made by contracts.

Not read: block rewards and withdrawals of validators, which are in no chain tx. They show as a difference
when holdings are compared with the books. The gas fee is that of an L1: chains that add a fee of their own
to the receipt (rollups) are not supported yet.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from coins.errors import NodeDataError, NodeUnavailableError
from coins.evm.balance import BalanceChanges
from coins.evm.quantity import parse_account, parse_hash, parse_quantity, parse_small, quantity
from coins.evm.rpc import Call, EvmRpc, RpcAnswerError, TooDeepError
from coins.evm.token import TRANSFER, Transfer, first_log_index, movements, settle, transfer_of, transfers_of
from coins.evm.trace import InternalTransfer, from_call_frames, from_traces, receipt_of
from coins.evm.wire import CallFrame, FullBlock, Log, Trace, TracedTx, Tx, TxReceipt
from coins.types import AccountTx, Block, BlockRef, Receipt, TokenSend
from config.schema import EvmCoinSettings

logger = logging.getLogger(__name__)

NATIVE = "native"
"""Position of a native payment: a transaction makes at most one."""
_TX_BYTES, _LOG_BYTES, _MOVE_BYTES = 1_000, 1_000, 500  # what each takes in memory, about
_CALL_TRACER = {"tracer": "callTracer"}


@dataclass(frozen=True, slots=True)
class BlockBody:
    """A block with its transactions, the tokens' events in it and the movements inside its calls."""

    full: FullBlock
    logs: Sequence[Log] = ()
    internal: Sequence[InternalTransfer] = ()

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, about."""
        rest = _LOG_BYTES * len(self.logs) + _MOVE_BYTES * len(self.internal)
        return _TX_BYTES * len(self.full.transactions) + rest


class BlockReader:
    """Fetches blocks whole, and finds in them what is ours."""

    def __init__(self, settings: EvmCoinSettings, rpc: EvmRpc) -> None:
        self._settings = settings
        self._rpc = rpc
        self._contracts = {token.contract_script: token.currency for token in settings.tokens}
        self._balances = BalanceChanges(rpc)
        self._has_refused = False

    async def fetch(self, block_hash: str, height: int) -> BlockBody | None:
        """The block of this hash, None when the node has it no more. One batch, but for the debug tracer.

        Raises NodeUnavailableError when a part of it is gone or refused, NodeDataError.
        """
        calls = [Call("eth_getBlockByHash", (block_hash, True), FullBlock | None)]
        if self._contracts:
            wanted = ["0x" + contract.hex() for contract in self._contracts]
            query = {"blockHash": block_hash, "address": wanted, "topics": [TRANSFER]}
            calls.append(Call("eth_getLogs", (query,), list[Log] | None, may_fail=True))
        if self._settings.internal == "trace_block":
            calls.append(Call("trace_block", (quantity(height),), list[Trace] | None, may_fail=True))
        full, *rest = await self._rpc.batch(calls)
        if full is None:
            return None
        logs: Sequence[Log] = await self._logs(full, rest[0]) if self._contracts else ()
        internal: Sequence[InternalTransfer] = ()
        if self._settings.internal == "trace_block":
            internal = _traced(full, rest[-1])
        elif self._settings.internal == "debug" and full.transactions:
            internal = await self._debugged(full)
        return BlockBody(full, logs, internal)

    async def read(self, body: BlockBody, ref: BlockRef, own: set[bytes]) -> Block:
        """What block ``ref`` did to own accounts.

        A payment counts only with status 1 in its receipt, which must be of this very block. Raises
        NodeUnavailableError when a receipt is gone (reorganised while it was read), NodeDataError when
        the node contradicts itself.
        """
        transfers = transfers_of(body.logs, self._contracts, own)
        internal = [moved for moved in body.internal if moved.recipient in own]
        wanted = {one.txid for one in transfers} | {moved.txid for moved in internal}
        hits = [
            tx for tx in body.full.transactions if _touches(tx, own) or (wanted and tx.hash.lower() in wanted)
        ]
        if not wanted <= {tx.hash.lower() for tx in hits}:
            raise NodeDataError("an event or a trace is of a transaction that is not in the block")
        fates = await self._fates([tx.hash for tx in hits], ref)
        receipts: list[Receipt] = []
        sent: list[AccountTx] = []
        succeeded: set[str] = set()
        for tx, fate in zip(hits, fates, strict=True):
            account_tx = _account_tx(tx, fate)
            if account_tx.sender in own:
                sent.append(account_tx)
            if account_tx.is_success:
                succeeded.add(account_tx.txid)
                receipt = native_receipt(tx, own, self._settings.currency)
                receipts += [] if receipt is None else [receipt]
        is_credited = self._settings.internal_deposits == "credit"
        receipts += [
            receipt_of(moved, self._settings.currency, is_credited)
            for moved in internal
            if moved.txid in succeeded
        ]
        places = _check_events(transfers, fates, succeeded)
        found, sends = movements(transfers, places, self._contracts, own)
        receipts += await self._verified(transfers, found, sends, ref)
        return Block(ref, receipts=tuple(receipts), sent=tuple(sent), token_sends=tuple(sends))

    async def _verified(
        self,
        transfers: Sequence[Transfer],
        receipts: Sequence[Receipt],
        sends: Sequence[TokenSend],
        ref: BlockRef,
    ) -> list[Receipt]:
        """Receipts of tokens, as much of each as the balance of its account grew in this block."""
        own = {receipt.script for receipt in receipts}
        holders = dict.fromkeys((one.contract, one.recipient) for one in transfers if one.recipient in own)
        if not holders:
            return []
        changes = await self._balances.read(list(holders), ref)
        kept = settle(
            receipts,
            sends,
            {(self._contracts[contract], account): change for (contract, account), change in changes.items()},
        )
        came = {(receipt.txid, receipt.position): receipt.amount for receipt in kept}
        for receipt in receipts:
            amount = came.get((receipt.txid, receipt.position), 0)
            if amount != receipt.amount:
                logger.error(
                    "%s: the contract told of %d in %s (%s), %d came: that is what counts",
                    receipt.currency, receipt.amount, receipt.txid, receipt.position, amount,
                )  # fmt: skip
        return kept

    async def _logs(self, full: FullBlock, found: list[Log] | RpcAnswerError | None) -> list[Log]:
        """The tokens' events of a block; from its receipts where the node refuses to search for them."""
        if isinstance(found, list):
            logs = found
            self._has_refused = False
        else:
            if not self._has_refused:  # said once, not with every block
                logger.warning("%s: the node does not search events: %s", self._settings.currency, found)
            self._has_refused = True
            receipts = await self._all_receipts(full)
            logs = [
                log
                for receipt in receipts
                for log in receipt.logs
                if parse_account(log.address, "log.address") in self._contracts
            ]
        for log in logs:
            if log.removed or log.block_hash is None or log.block_hash.lower() != full.hash.lower():
                raise NodeUnavailableError(f"block {full.hash} changed while its events were read")
        return logs

    async def _all_receipts(self, full: FullBlock) -> list[TxReceipt]:
        """The receipts of a whole block: in one call where the node has it, else one by one."""
        call = Call("eth_getBlockReceipts", (full.hash,), list[TxReceipt] | None, may_fail=True)
        (found,) = await self._rpc.batch([call])
        hashes = [tx.hash for tx in full.transactions]
        if not isinstance(found, list):
            found = await self._rpc.batch([_receipt_call(txid) for txid in hashes]) if hashes else []
        if len(found) != len(hashes):
            raise NodeUnavailableError(
                f"block {full.hash} has {len(hashes)} transactions, {len(found)} receipts"
            )
        return [_fate(txid, fate, full.hash.lower()) for txid, fate in zip(hashes, found, strict=True)]

    async def _fates(self, hashes: Sequence[str], ref: BlockRef) -> list[TxReceipt]:
        """The receipts of ``hashes``, all of block ``ref``."""
        if len(set(hashes)) != len(hashes):
            raise NodeDataError("a block holds a transaction twice")
        if not hashes:
            return []
        found: list[TxReceipt | None] = await self._rpc.batch([_receipt_call(txid) for txid in hashes])
        return [_fate(txid, fate, ref.block_hash) for txid, fate in zip(hashes, found, strict=True)]

    async def _debugged(self, full: FullBlock) -> list[InternalTransfer]:
        """Movements inside the calls of a block, from the node's debug tracer.

        Calls nested so deep that they cannot be decoded (somebody's joke) leave out that transaction alone.
        """
        try:
            traced: list[TracedTx] = await self._rpc.call(
                "debug_traceBlockByHash", full.hash, _CALL_TRACER, result=list[TracedTx]
            )
        except TooDeepError:
            traced = [await self._debugged_alone(tx) for tx in full.transactions]
        if len(traced) != len(full.transactions):
            raise NodeUnavailableError(f"block {full.hash}: the node traced only some of its transactions")
        found: list[InternalTransfer] = []
        for tx, one in zip(full.transactions, traced, strict=True):
            if one.tx_hash is not None and one.tx_hash.lower() != tx.hash.lower():
                raise NodeDataError(f"the trace of {tx.hash} is of {one.tx_hash}")
            if one.error is not None:
                raise NodeUnavailableError(f"{tx.hash} cannot be traced: {one.error[:200]}")
            if one.result is not None:
                found += from_call_frames(parse_hash(tx.hash, "transaction.hash"), one.result)
        return found

    async def _debugged_alone(self, tx: Tx) -> TracedTx:
        """The trace of one transaction; an empty one, and an error in the log, when it is nested too deep."""
        try:
            (frame,) = await self._rpc.batch(
                [Call("debug_traceTransaction", (tx.hash, _CALL_TRACER), CallFrame)]
            )
        except TooDeepError:
            logger.error(
                "%s: the calls of %s are nested too deep to be read", self._settings.currency, tx.hash
            )
            return TracedTx()
        return TracedTx(result=frame)


def native_receipt(tx: Tx, own: set[bytes], currency: str) -> Receipt | None:
    """The payment ``tx`` asks for, None if it is not to us or of nothing."""
    if tx.to is None:
        return None
    script = parse_account(tx.to, "transaction.to")
    amount = parse_quantity(tx.value, "transaction.value")
    if script not in own or amount == 0:
        return None
    return Receipt(
        currency=currency,
        txid=parse_hash(tx.hash, "transaction.hash"),
        position=NATIVE,
        script=script,
        amount=amount,
        sender=parse_account(tx.sender, "transaction.from"),
    )


def _traced(full: FullBlock, traces: list[Trace] | RpcAnswerError | None) -> list[InternalTransfer]:
    """Movements of a block's ``trace_block``; it must tell of every transaction."""
    if isinstance(traces, RpcAnswerError):
        raise traces
    if traces is None:
        raise NodeUnavailableError(f"block {full.hash}: the node has no traces")
    found, txids = from_traces(traces, full.hash.lower())
    if txids != {tx.hash.lower() for tx in full.transactions}:
        raise NodeUnavailableError(f"block {full.hash}: the node traced other transactions than it holds")
    return found


def _check_events(
    transfers: Sequence[Transfer], fates: Sequence[TxReceipt], succeeded: set[str]
) -> dict[str, int]:
    """The first log index of each chain tx with events of ours, which its receipt must hold just so."""
    by_txid = {fate.transaction_hash.lower(): fate for fate in fates}
    places: dict[str, int] = {}
    for one in transfers:
        fate = by_txid[one.txid]
        if one.txid not in places:
            places[one.txid] = first_log_index(fate)
        ordinal = one.log_index - places[one.txid]
        is_there = one.txid in succeeded and 0 <= ordinal < len(fate.logs)
        if not is_there or transfer_of(fate.logs[ordinal], {one.contract: ""}) != one:
            raise NodeDataError(f"event {one.log_index} is not in the receipt of {one.txid}")
    return places


def _receipt_call(txid: str) -> Call:
    """The call for one receipt."""
    return Call("eth_getTransactionReceipt", (txid,), TxReceipt | None)


def _fate(txid: str, fate: TxReceipt | None, block_hash: str) -> TxReceipt:
    """The receipt of ``txid``, of that very block."""
    if fate is None or parse_hash(fate.block_hash, "receipt.blockHash") != block_hash:
        raise NodeUnavailableError(f"block {block_hash} changed while it was read")
    if fate.transaction_hash.lower() != txid.lower():
        raise NodeDataError(f"receipt.transactionHash is not {txid}")
    return fate


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
