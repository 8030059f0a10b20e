"""Unconfirmed payments to us: shown to people, never credited.

A chain tx is fetched and read once, when its txid is first seen; later looks compare lists of txids
only. Each look fetches a bounded number, so after a start on a full mempool several looks catch up.
"""

from __future__ import annotations

from coins.bitcoin.answer import as_bytes, as_hash, as_list
from coins.bitcoin.rpc import RpcClient, RpcError
from coins.bitcoin.scan import BlockRules
from coins.bitcoin.wire import TxFormatError, decode_tx
from coins.errors import NodeDataError
from coins.index import WatchIndex
from coins.types import MempoolView, Receipt

FETCHES_PER_LOOK = 5_000
BATCH = 50  # a standard chain tx has up to 100 kB: a batch stays below the limit of an answer
TXIDS_MAX = 2_000_000


class MempoolReader:
    """What of one node's mempool was looked at already, and which of it pays us."""

    def __init__(self, rpc: RpcClient, rules: BlockRules) -> None:
        self._rpc = rpc
        self._rules = rules
        self._seen: set[str] = set()
        self._receipts: dict[str, tuple[Receipt, ...]] = {}

    async def read(self, index: WatchIndex) -> MempoolView:
        """The mempool now. Raises NodeUnavailableError or NodeDataError."""
        listed = as_list(await self._rpc.call("getrawmempool", False), "getrawmempool")
        if len(listed) > TXIDS_MAX:
            raise NodeDataError(f"getrawmempool: more than {TXIDS_MAX} entries")
        txids = frozenset(as_hash(each, "getrawmempool") for each in listed)
        self._seen &= txids
        for txid in [known for known in self._receipts if known not in txids]:
            del self._receipts[txid]
        unseen = sorted(txids - self._seen)[:FETCHES_PER_LOOK]
        for start in range(0, len(unseen), BATCH):
            await self._fetch(unseen[start : start + BATCH], index)
        receipts = tuple(receipt for each in self._receipts.values() for receipt in each)
        return MempoolView(receipts, txids)

    async def _fetch(self, txids: list[str], index: WatchIndex) -> None:
        """Read some chain txs; one that has left the mempool meanwhile is looked for next time."""
        answers = await self._rpc.batch("getrawtransaction", [[txid, False] for txid in txids])
        for txid, answer in zip(txids, answers, strict=True):
            if isinstance(answer, RpcError):
                continue
            if isinstance(answer, Exception):
                raise answer
            receipts = self._receipts_of(txid, as_bytes(answer, "getrawtransaction"), index)
            if receipts:
                self._receipts[txid] = receipts
            self._seen.add(txid)

    def _receipts_of(self, txid: str, raw: bytes, index: WatchIndex) -> tuple[Receipt, ...]:
        """Payments to us in one chain tx."""
        try:
            outputs = decode_tx(raw).outputs
        except TxFormatError as error:
            raise NodeDataError(f"getrawtransaction {txid}: {error}") from None
        found = []
        for position, out in enumerate(outputs):
            if out.amount > self._rules.max_money:
                raise NodeDataError(f"getrawtransaction {txid}: impossible amount in output {position}")
            if out.amount and index.has_script(out.script):
                found.append(Receipt(self._rules.currency, txid, str(position), out.script, out.amount))
        return tuple(found)
