"""The pattern takes whole chain txs only, and most of those that there are."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coins.bitcoin.outline import read_tx
from coins.bitcoin.pattern import INPUT_KEYS, tx_pattern
from coins.bitcoin.scan import BlockRules
from coins.bitcoin.wire import Tx, TxIn, TxOut, varint
from coins.index import outpoint_key
from coins.types import Outpoint

MAX_MONEY = 21 * 10**14
RULES = BlockRules("BTC", MAX_MONEY)
PATTERN = tx_pattern(MAX_MONEY, True)
SIZES = (0, 1, 2, 22, 23, 25, 32, 33, 34, 35, 38, 64, 65, 67, 71, 72, 106, 139, 252, 253, 300)
SEEDS = st.integers(0, 2**32)


def random_tx(source: random.Random) -> Tx:
    """A chain tx of any shape, ordinary or not."""
    most = source.choice((2, 4, 8))

    def data() -> bytes:
        size = source.choice(SIZES)
        return source.choice((bytes(size), b"\x01" * size, b"\xfd" * size, source.randbytes(size)))

    def spend() -> TxIn:
        items = tuple(data() for _ in range(source.randrange(1, most))) if is_segwit else ()
        script = b"" if source.random() < 0.5 else data()
        outpoint = Outpoint(source.randbytes(32).hex(), source.randrange(300))
        return TxIn(outpoint, source.randrange(2**32), script, items)

    is_segwit = source.random() < 0.7
    inputs = tuple(spend() for _ in range(source.randrange(1, most)))
    outputs = tuple(TxOut(source.randrange(MAX_MONEY + 1), data()) for _ in range(source.randrange(most)))
    return Tx(source.randrange(2**32), inputs, outputs, source.randrange(2**32))


@given(SEEDS, st.binary(max_size=80))
@settings(max_examples=300)
def test_what_it_takes_is_the_chain_tx_to_the_byte(seed: int, behind: bytes) -> None:
    tx = random_tx(random.Random(seed))
    found = PATTERN.match(tx.serialize() + behind)
    if found is not None:
        assert found.end() == len(tx.serialize())
        assert found.lastindex is not None
        assert INPUT_KEYS.findall(found[found.lastindex - 1]) == [
            outpoint_key(each.outpoint) for each in tx.inputs
        ]
        outputs = [
            each.amount.to_bytes(8, "little") + varint(len(each.script)) + each.script for each in tx.outputs
        ]
        assert found[found.lastindex] == varint(len(outputs)) + b"".join(outputs)


@given(st.binary(max_size=40), SEEDS, st.integers(0, 2**20))
@settings(max_examples=300)
def test_it_takes_nothing_that_the_loop_reads_otherwise(junk: bytes, seed: int, place: int) -> None:
    raw = random_tx(random.Random(seed)).serialize()
    at = place % len(raw)
    for hostile in (junk, raw[:at] + junk + raw[at + len(junk) :], raw[:at]):
        found = PATTERN.match(hostile)
        if found is not None:
            spent, paid = list[bytes](), list[bytes]()
            assert read_tx(hostile, 0, 0, RULES, spent, paid)[0] == found.end()
            last = found.lastindex or 0
            assert INPUT_KEYS.findall(found[last - 1]) == spent
            assert [found[last]] == paid


def ordinary(inputs: int, outputs: int, script: bytes, items: tuple[bytes, ...], amount: int = 5) -> bytes:
    ins = tuple(TxIn(Outpoint(f"{number:064x}", 0), 0, b"", items) for number in range(1, inputs + 1))
    return Tx(2, ins, (TxOut(amount, script),) * outputs, 0).serialize()


@pytest.mark.parametrize(
    "script", [b"\x00\x14" + b"k" * 20, b"\x51\x20" + b"k" * 32, b"\x76\xa9\x14" + b"k" * 22]
)
@pytest.mark.parametrize("items", [(b"s" * 72, b"k" * 33), (b"s" * 71, b"k" * 33), (b"s" * 64,), ()])
def test_the_usual_ones_are_taken(script: bytes, items: tuple[bytes, ...]) -> None:
    for inputs in (1, 2, 3):
        for outputs in (1, 2, 3):
            raw = ordinary(inputs, outputs, script, items)
            found = PATTERN.fullmatch(raw)
            assert found is not None


@pytest.mark.parametrize("max_money", [21 * 10**14, 84 * 10**14, 10**18, 2**56, 2**56 - 1, 1])
def test_d23_an_impossible_amount_is_never_taken(max_money: int) -> None:
    pattern = tx_pattern(max_money, True)
    for amount in (max_money + 1, 2**63, 2**64 - 1, 2 * max_money):
        assert pattern.match(ordinary(1, 1, b"\x00\x14" + b"k" * 20, (), amount)) is None
    assert pattern.match(ordinary(1, 1, b"\x00\x14" + b"k" * 20, (), max_money // 300)) is not None


def test_no_witness_where_the_currency_has_none() -> None:
    raw = ordinary(1, 1, b"\x00\x14" + b"k" * 20, (b"s" * 72, b"k" * 33))
    assert PATTERN.match(raw) is not None
    assert tx_pattern(MAX_MONEY, False).match(raw) is None
