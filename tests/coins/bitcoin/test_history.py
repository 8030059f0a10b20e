"""The node's answer taken back by raw blocks, and what makes it no answer; real chains: test_truth."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from coins.bitcoin.history import REWOUND, BitcoinHistory, HistoryReader, Step
from coins.bitcoin.holding import METHOD, Unspent
from coins.bitcoin.scan import BlockRules, at_once
from coins.bitcoin.wire import Tx, TxIn, TxOut, sha256d, varint
from coins.errors import NodeDataError, NodeDoubtError, NodeUnavailableError
from coins.types import Asked, BlockRef, Location, Outpoint, OwnOutput

OURS, OTHERS = b"\x00\x14" + b"\x01" * 20, b"\x00\x14" + b"\x02" * 20
RULES = BlockRules("BTC", 21_000_000 * 10**8)
BASE = BlockRef(100, "aa" * 32, "99" * 32)


def tx(inputs: Sequence[Outpoint], *outputs: tuple[bytes, int]) -> Tx:
    return Tx(2, tuple(TxIn(each, 0xFFFFFFFF) for each in inputs), tuple(TxOut(a, s) for s, a in outputs), 0)


def raw_block(parent: str, number: int, *txs: Tx) -> tuple[str, bytes]:
    coinbase = tx([Outpoint(f"{number:064x}", 0xFFFFFFFF)], (OTHERS, 5))
    body = varint(len(txs) + 1) + b"".join(each.serialize() for each in (coinbase, *txs))
    header = bytes(4) + bytes.fromhex(parent)[::-1] + sha256d(body) + bytes(12)
    return sha256d(header)[::-1].hex(), header + body


class Chain:
    """Raw blocks above BASE and the answer of their node."""

    def __init__(self, *blocks: Sequence[Tx]) -> None:
        self.hashes: list[str] = []
        self.raws: dict[str, bytes] = {}
        parent = BASE.block_hash
        for number, txs in enumerate(blocks, 1):
            parent, raw = raw_block(parent, number, *txs)
            self.hashes.append(parent)
            self.raws[parent] = raw

    async def batch(self, method: str, params: Sequence[Sequence[int]]) -> list[str]:
        assert method == "getblockhash"
        return [self.hashes[height - BASE.height - 1] for (height,) in params]

    async def read(self, unspent: Unspent, *known: OwnOutput) -> BitcoinHistory:
        async def fetch(block_hash: str) -> bytes:
            return self.raws[block_hash]

        async def scanning(steps):  # type: ignore[no-untyped-def]
            return at_once(steps)

        reader = HistoryReader(self, RULES, "http://node", fetch, scanning)  # type: ignore[arg-type]
        return await reader.read(unspent, {OURS: Location.DEPOSIT}, BASE, known)


OLD = OwnOutput(Outpoint("0d" * 32, 1), OURS, 70)
PAID = tx([Outpoint("0f" * 32, 0)], (OTHERS, 1), (OURS, 50))
SPENT = tx([OLD.outpoint, Outpoint(PAID.txid, 1)], (OTHERS, 100), (OURS, 19))
REST = Outpoint(SPENT.txid, 1)


def unspent(chain: Chain, outputs: dict[Outpoint, int], height: int = 103) -> Unspent:
    held = {outpoint: (OURS, amount) for outpoint, amount in outputs.items()}
    return Unspent(height, chain.hashes[-1], held, 3, dict.fromkeys(outputs, 103))


async def test_what_blocks_made_and_spent_is_taken_back() -> None:
    chain = Chain([PAID], [], [SPENT])
    history = await chain.read(unspent(chain, {REST: 19}), OLD)
    found = {height: await history.at(height) for height in (100, 101, 102, 103)}
    assert {height: held.amounts["BTC"][Location.DEPOSIT] for height, held in found.items()} == {
        100: 70, 101: 120, 102: 120, 103: 19,
    }  # fmt: skip
    assert [held.at.block_hash for held in found.values()] == [BASE.block_hash, *chain.hashes]
    asked = [held.asked for held in found.values()]
    assert [each and each.method for each in asked] == [REWOUND, REWOUND, REWOUND, METHOD]
    for height in (99, 104):
        with pytest.raises(ValueError, match="not one of this history"):
            await history.at(height)


async def test_made_and_spent_in_one_block_changes_nothing() -> None:
    chain = Chain([PAID, SPENT])
    history = await chain.read(unspent(chain, {REST: 19}, 101), OLD)
    assert history.steps[0].changes == {OURS: 19 - 70}


async def test_l11_a_node_that_contradicts_its_own_blocks_is_no_answer() -> None:
    chain = Chain([PAID])
    for outputs, amount in (({}, -50), ({Outpoint(PAID.txid, 1): 51}, 1)):
        with pytest.raises(NodeDoubtError, match="as its block does") as caught:
            await chain.read(unspent(chain, outputs, 101))
        assert (caught.value.height, caught.value.block_hash) == (101, chain.hashes[0])
        assert caught.value.apart == {"BTC": {("deposit", OURS): amount}}
    with pytest.raises(NodeDoubtError, match="which no block made") as caught:
        await chain.read(unspent(chain, {Outpoint(PAID.txid, 1): 50, REST: 7}, 101))
    assert caught.value.apart == {"BTC": {("deposit", OURS): 7}}


async def test_a_chain_that_moves_meanwhile_is_no_answer() -> None:
    chain, other = Chain([PAID], []), Chain([], [])
    with pytest.raises(NodeUnavailableError, match="moved"):
        await chain.read(unspent(other, {}, 102))
    chain.hashes[1] = other.hashes[1]
    chain.raws |= other.raws
    with pytest.raises(NodeUnavailableError, match="moved"):
        await chain.read(unspent(chain, {}, 102))
    chain.raws[chain.hashes[0]] = next(iter(other.raws.values()))
    with pytest.raises(NodeDataError, match="asked for block"):
        await chain.read(unspent(chain, {}, 102))


async def test_less_than_nothing_is_never_told() -> None:
    step = Step(BlockRef(101, "bb" * 32, BASE.block_hash), {OURS: 5})
    history = BitcoinHistory("BTC", {OURS: Location.HOT}, Asked("n", METHOD, 1, 101), BASE, [step], {OURS: 4})
    assert (await history.at(101)).amounts["BTC"][Location.HOT] == 4
    with pytest.raises(NodeDataError, match="owns -1"):
        await history.at(100)
