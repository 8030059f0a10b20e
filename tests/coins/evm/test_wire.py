"""The read parts of a node's answers."""

from __future__ import annotations

import json

import msgspec
import pytest

from coins.errors import NodeDataError
from coins.evm.wire import FullBlock, Header, TxReceipt, block_ref_of, check_place
from coins.types import BlockRef
from tests.coins.evm.fake_node import HASH_4, HASH_5, block, receipt


def test_unknown_fields_are_left_out_and_names_are_the_nodes() -> None:
    full = msgspec.json.decode(json.dumps(block(extra=[1, 2])), type=FullBlock)
    assert block_ref_of(full) == BlockRef(5, HASH_5, HASH_4, 0x66)
    (tx,) = full.transactions
    assert tx.sender.startswith("0x99")
    fate = msgspec.json.decode(json.dumps(receipt(blobGasPrice=None)), type=TxReceipt)
    assert (fate.gas_used, fate.blob_gas_price) == ("0x5208", None)


def test_a_block_of_another_height() -> None:
    header = msgspec.json.decode(json.dumps(block()), type=Header)
    check_place(block_ref_of(header), 5)
    with pytest.raises(NodeDataError, match="asked was 6"):
        check_place(block_ref_of(header), 6)
