"""A real bitcoind with full blocks: valid to the last rule, cheap to make because nothing is signed.

All money lies on one script that anybody can spend with any two items of the usual size of a signature
and a key; so blocks, inputs and witnesses have the sizes of the main network.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from hashlib import sha256

from coins.bitcoin.wire import Tx, TxIn, TxOut
from coins.types import Outpoint
from tests.nodes.regtest import BitcoinNode

OP_2DROP_TRUE = b"\x6d\x51"
ANYONE = b"\x00\x20" + sha256(OP_2DROP_TRUE).digest()
WITNESS = (bytes(72), bytes(33), OP_2DROP_TRUE)
TXS, INPUTS = 3_700, 2
SPENT_AWAY = 1_000  # satoshi of each tx to somebody's ordinary address
MATURITY = 100
SUBSIDY = 50 * 10**8


class FullChain:
    """Makes full blocks on top of a new chain's first hundred."""

    def __init__(self, node: BitcoinNode) -> None:
        """Mine the first money and split it."""
        self._node = node
        self._address = str(node.rpc("decodescript", OP_2DROP_TRUE.hex())["segwit"]["address"])
        first = node.mine(1, self._address)[0]
        node.mine(MATURITY, self._address)
        coinbase = str(node.rpc("getblock", first)["tx"][0])
        count = TXS * INPUTS
        each = SUBSIDY // count
        split = Tx(
            2, (TxIn(Outpoint(coinbase, 0), 2**32 - 1, b"", WITNESS),), (TxOut(each, ANYONE),) * count, 0
        )
        txid = split.txid
        self._unspent = deque((Outpoint(txid, place), each) for place in range(count))
        node.generate_block(self._address, [split.serialize().hex()])

    def add(self, own: Sequence[bytes], seed: int) -> str:
        """Add one block that pays each script of ``own`` once; its hash."""
        source = random.Random(seed)
        paid = dict(zip(source.sample(range(TXS), len(own)), own, strict=True))
        raw: list[str] = []
        made: list[tuple[Outpoint, int]] = []
        for number in range(TXS):
            spent = [self._unspent.popleft() for _ in range(INPUTS)]
            total = sum(amount for _, amount in spent) - SPENT_AWAY
            amounts = (total // 2, total - total // 2)
            away = paid.get(number, b"\x00\x14" + source.randbytes(20))
            inputs = tuple(TxIn(outpoint, 2**32 - 3, b"", WITNESS) for outpoint, _ in spent)
            outputs = (*(TxOut(amount, ANYONE) for amount in amounts), TxOut(SPENT_AWAY, away))
            tx = Tx(2, inputs, outputs, 0)
            txid = tx.txid
            raw.append(tx.serialize().hex())
            made += [(Outpoint(txid, place), amount) for place, amount in enumerate(amounts)]
        block_hash = self._node.generate_block(self._address, raw)
        self._unspent.extend(made)
        return block_hash
