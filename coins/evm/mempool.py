"""Unconfirmed payments to own accounts, from the block the node would build next."""

from __future__ import annotations

from collections.abc import Collection

from coins.evm.block import native_receipt
from coins.evm.calldata import decode_transfer
from coins.evm.quantity import parse_account, parse_hash, parse_small
from coins.evm.rpc import Call, EvmRpc
from coins.evm.token import position_of
from coins.evm.wire import Header, PendingBlock, PendingTx, TxByHash, block_ref_of
from coins.types import MempoolView, Receipt
from config.schema import EvmCoinSettings

_SHOWN_MAX = 5_000
"""Most unconfirmed payments of ours that are asked for by their hash."""
_SHOWN_BLOCKS = 20
"""Blocks after which a mined one is no longer asked for: the ledger has it from its block by then."""


class EvmMempool:
    """Shows what waits; it may be mined otherwise, and then what was shown is in conflict."""

    def __init__(self, settings: EvmCoinSettings, rpc: EvmRpc) -> None:
        """Nothing was shown yet."""
        self._currency = settings.currency
        self._contracts = {token.contract_script: token.currency for token in settings.tokens}
        self._rpc = rpc
        self._shown: set[str] = set()

    def recall(self, txids: Collection[str]) -> None:
        """These were shown in an earlier life."""
        self._shown.update(list(txids)[: max(0, _SHOWN_MAX - len(self._shown))])

    async def view(self, own: set[bytes]) -> MempoolView:
        """Unconfirmed payments to ``own``.

        Not every node builds a pending block, and a full one leaves cheap transactions out. So a payment
        of ours that was shown before is asked for by its hash, and counts as held while the node knows it.
        """
        latest, pending = await self._rpc.batch(
            [
                Call("eth_getBlockByNumber", ("latest", False), Header),
                Call("eth_getBlockByNumber", ("pending", True), PendingBlock | None),
            ]
        )
        height = block_ref_of(latest).height
        txs: list[PendingTx] = []
        if pending is not None and pending.number is not None:
            # a node that builds no block gives its latest one instead
            txs = pending.transactions if parse_small(pending.number, "block.number") > height else []
        receipts: list[Receipt] = []
        for tx in txs:
            native = native_receipt(tx, own, self._currency)
            token = self._token_receipt(tx, own)
            receipts += [receipt for receipt in (native, token) if receipt is not None]
        txids = {parse_hash(tx.hash, "transaction.hash") for tx in txs}
        txids |= await self._still_held(self._shown - txids, height)
        for receipt in receipts[: max(0, _SHOWN_MAX - len(self._shown))]:
            self._shown.add(receipt.txid)
        return MempoolView(tuple(receipts), frozenset(txids))

    def _token_receipt(self, tx: PendingTx, own: set[bytes]) -> Receipt | None:
        """The payment that a plain call of a token's ``transfer`` asks for.

        Its event is the first one of its chain tx, in all tokens known; where it is not, or less comes, the
        mined payment is another one and this one ends in conflict. Calls of other kinds may move tokens
        too, but nobody can tell which events they will make: those are shown when they are mined.
        """
        currency = None if tx.to is None else self._contracts.get(parse_account(tx.to, "transaction.to"))
        called = None if currency is None else _called_transfer(tx.input)
        if currency is None or called is None or called[0] not in own or called[1] == 0:
            return None
        return Receipt(
            currency=currency,
            txid=parse_hash(tx.hash, "transaction.hash"),
            position=position_of(0),
            script=called[0],
            amount=called[1],
            sender=parse_account(tx.sender, "transaction.from"),
        )

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


def _called_transfer(text: str) -> tuple[bytes, int] | None:
    """Payee and amount that a call of ``transfer`` asks for, None for everything else."""
    try:
        return decode_transfer(bytes.fromhex(text.removeprefix("0x")))
    except ValueError:
        return None
