"""Unconfirmed payments to us, and spends of what is ours: shown to people, never booked.

A chain tx is fetched and read once, when its txid is first seen; later looks compare lists of txids
only, a thousand at a time with room for others between. Each look fetches a bounded number: what came
since the last look first, then the rest of what lay there at the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from coins.bitcoin.answer import as_bytes, hashes_in_steps
from coins.bitcoin.rpc import RpcClient, RpcError
from coins.bitcoin.scan import BlockRules
from coins.bitcoin.wire import Tx, TxFormatError, decode_tx
from coins.errors import NodeDataError
from coins.index import WatchIndex
from coins.types import MempoolView, Receipt, Spend

FETCHES_PER_LOOK = 2_000
BATCH = 50  # a standard chain tx has up to 100 kB: a batch stays below the limit of an answer
TXIDS_MAX = 2_000_000
REST_MIN_S = 0.1
REST_SHARE = 4  # times what the last look took: hints on a busy network must not keep the node busy with us


class MempoolReader:
    """What of one node's mempool was looked at already, and which of it pays us or spends what is ours."""

    def __init__(self, rpc: RpcClient, rules: BlockRules, now_s: Callable[[], float] = monotonic) -> None:
        """``now_s`` is elapsed time in seconds."""
        self._rpc = rpc
        self._rules = rules
        self._now_s = now_s
        self._listed: frozenset[str] = frozenset()
        self._seen: set[str] = set()
        self._receipts: dict[str, tuple[Receipt, ...]] = {}
        self._spends: dict[str, tuple[Spend, ...]] = {}
        self._next_s = 0.0

    def rest_s(self) -> float:
        """How long to leave the node in peace before the next look that is made for a hint."""
        return self._next_s - self._now_s()

    async def read(self, index: WatchIndex) -> MempoolView:
        """The mempool now. Raises NodeUnavailableError or NodeDataError."""
        began_s = self._now_s()
        text = await self._rpc.call_text("getrawmempool", False)
        txids: set[str] = set()
        seen: set[str] = set()
        fresh: list[str] = []
        waiting: list[str] = []
        for step in hashes_in_steps(text, "getrawmempool"):
            for txid in step:
                if txid in self._seen:
                    seen.add(txid)
                else:
                    (waiting if txid in self._listed else fresh).append(txid)
            txids.update(step)
            if len(txids) > TXIDS_MAX:
                raise NodeDataError(f"getrawmempool: more than {TXIDS_MAX} entries")
            await asyncio.sleep(0)
        self._seen, self._listed = seen, frozenset(txids)
        self._receipts = {txid: each for txid, each in self._receipts.items() if txid in self._listed}
        self._spends = {txid: each for txid, each in self._spends.items() if txid in self._listed}
        unseen = (fresh + waiting)[:FETCHES_PER_LOOK]
        fetched: dict[str, Tx] = {}
        for start in range(0, len(unseen), BATCH):
            await self._fetch(unseen[start : start + BATCH], fetched, index)
        for txid, tx in fetched.items():  # after all receipts: one may be spent by a tx that came before it
            spends = self._spends_of(txid, tx, index)
            if spends:
                self._spends[txid] = spends
        ended_s = self._now_s()
        self._next_s = ended_s + max(REST_MIN_S, REST_SHARE * (ended_s - began_s))
        receipts = tuple(receipt for each in self._receipts.values() for receipt in each)
        spends = tuple(spend for each in self._spends.values() for spend in each)
        return MempoolView(receipts, self._listed, spends)

    async def _fetch(self, txids: list[str], fetched: dict[str, Tx], index: WatchIndex) -> None:
        """Read some chain txs into ``fetched``; one that has left the mempool is looked for next time."""
        answers = await self._rpc.batch("getrawtransaction", [[txid, False] for txid in txids])
        for txid, answer in zip(txids, answers, strict=True):
            if isinstance(answer, RpcError):
                continue
            if isinstance(answer, Exception):
                raise answer
            try:
                tx = fetched[txid] = decode_tx(as_bytes(answer, "getrawtransaction"))
            except TxFormatError as error:
                raise NodeDataError(f"getrawtransaction {txid}: {error}") from None
            receipts = self._receipts_of(txid, tx, index)
            if receipts:
                self._receipts[txid] = receipts
            self._seen.add(txid)

    def _spends_of(self, txid: str, tx: Tx, index: WatchIndex) -> tuple[Spend, ...]:
        """What one chain tx spends of ours, in a block or not."""
        paid_out = sum(out.amount for out in tx.outputs)
        found = []
        for outpoint in (each.outpoint for each in tx.inputs):
            fresh = self._receipts.get(outpoint.txid, ())
            if index.has_outpoint(outpoint) or any(r.position == str(outpoint.index) for r in fresh):
                found.append(Spend(txid, outpoint, paid_out))
        return tuple(found)

    def _receipts_of(self, txid: str, tx: Tx, index: WatchIndex) -> tuple[Receipt, ...]:
        """Payments to us in one chain tx."""
        found = []
        for position, out in enumerate(tx.outputs):
            if out.amount > self._rules.max_money:
                raise NodeDataError(f"getrawtransaction {txid}: impossible amount in output {position}")
            if out.amount and index.has_script(out.script):
                found.append(Receipt(self._rules.currency, txid, str(position), out.script, out.amount))
        return tuple(found)
