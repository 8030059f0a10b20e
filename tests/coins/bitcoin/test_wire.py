"""The chain tx as bytes, with published vectors."""

from __future__ import annotations

import pytest
from coincurve import PublicKey
from hypothesis import given
from hypothesis import strategies as st

from coins.bitcoin.wire import (
    Tx,
    TxFormatError,
    TxIn,
    TxOut,
    decode_tx,
    p2wpkh_sighashes,
    read_varint,
    varint,
)
from coins.types import Outpoint

# BIP 143, "Native P2WPKH": two inputs, the second one P2WPKH of 6 coins.
UNSIGNED = (
    "0100000002fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f0000000000eeffffffef51e1b804cc89d1"
    "82d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a9148280b37df378db99"
    "f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac11000000"
)
DIGEST = "c37af31116d1b27caf68aae9e3ac82f1477929014d5b917657d0eb49478cb670"
SIGNED = (
    "01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f00000000494830450221008b9d1dc26"
    "ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be022040529b194ba3f9281a99f2b1c0a19c0489bc22ede944ccf4ec"
    "bab4cc618ef3ed01eeffffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff022"
    "02cb206000000001976a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a"
    "21b2d50ce2f0167faa815988ac000247304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a02205"
    "73a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee0121025476c2e83188368da1ff3e292e7acafcdb3566bb"
    "0ad253f62fc70f07aeee635711000000"
)
SPENT = TxOut(600_000_000, bytes.fromhex("00141d0f172a0ecb48aee1be1f2687d2963ae33f71a1"))
OUTPOINTS = st.builds(Outpoint, st.binary(min_size=32, max_size=32).map(bytes.hex), st.integers(0, 2**32 - 1))
INPUTS = st.builds(
    TxIn,
    OUTPOINTS,
    st.integers(0, 2**32 - 1),
    st.binary(max_size=300),
    st.lists(st.binary(max_size=300), max_size=3).map(tuple),
)
OUTPUTS = st.builds(TxOut, st.integers(0, 2**64 - 1), st.binary(max_size=300))


def test_the_published_digest_and_signature() -> None:
    tx = decode_tx(bytes.fromhex(UNSIGNED))
    # The first input is of another kind; a digest depends on its own spent output only.
    digest = p2wpkh_sighashes(tx, [SPENT, SPENT])[1]
    assert digest.hex() == DIGEST
    signature, key = decode_tx(bytes.fromhex(SIGNED)).inputs[1].witness
    assert PublicKey(key).verify(signature[:-1], digest, hasher=None)


def test_a_published_chain_tx_comes_back_byte_by_byte() -> None:
    for text in (UNSIGNED, SIGNED):
        assert decode_tx(bytes.fromhex(text)).serialize().hex() == text
    signed = decode_tx(bytes.fromhex(SIGNED))
    assert (signed.weight, signed.vsize) == (3 * 233 + len(SIGNED) // 2, 261)


@given(
    st.integers(0, 2**32 - 1),
    st.lists(INPUTS, min_size=1, max_size=4),
    st.lists(OUTPUTS, max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_every_chain_tx_comes_back(
    version: int, inputs: list[TxIn], outputs: list[TxOut], locktime: int
) -> None:
    tx = Tx(version, tuple(inputs), tuple(outputs), locktime)
    assert decode_tx(tx.serialize()) == tx
    bare = decode_tx(tx.serialize(with_witness=False))
    assert bare.txid == tx.txid
    assert all(not txin.witness for txin in bare.inputs)


def test_bytes_that_break_off_or_go_on_are_refused() -> None:
    raw = bytes.fromhex(SIGNED)
    for end in range(len(raw)):
        with pytest.raises(TxFormatError):
            decode_tx(raw[:end])
    with pytest.raises(TxFormatError, match="1 bytes behind"):
        decode_tx(raw + b"\x00")
    with pytest.raises(TxFormatError, match="unknown flag"):
        decode_tx(raw[:5] + b"\x02" + raw[6:])


def test_extension_data_of_the_mempool_is_left_out() -> None:
    bare = bytes.fromhex(UNSIGNED)
    tx = decode_tx(bare[:4] + b"\x00\x08" + bare[4:-4] + b"\x01" + b"\xee" * 99 + bare[-4:])
    assert (tx.outputs, tx.has_mweb, tx.locktime) == (decode_tx(bare).outputs, True, 17)


def test_other_scripts_have_no_such_digest() -> None:
    tx = decode_tx(bytes.fromhex(UNSIGNED))
    with pytest.raises(TxFormatError, match="no P2WPKH"):
        p2wpkh_sighashes(tx, [TxOut(1, b"\x51"), SPENT])


@given(st.integers(0, 2**64 - 1))
def test_lengths_come_back(number: int) -> None:
    data = varint(number)
    assert read_varint(data + b"\xff", 0) == (number, len(data))
    for end in range(len(data)):
        with pytest.raises(IndexError):
            read_varint(data[:end], 0)
