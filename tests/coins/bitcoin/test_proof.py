"""The tree of hashes in a block's header: right ones pass, everything else is refused."""

from __future__ import annotations

import pytest

from coins.bitcoin.outline import outline_block
from coins.bitcoin.proof import proof_steps
from coins.bitcoin.reader import block_rules
from coins.bitcoin.scan import BlockRules
from coins.bitcoin.wire import Tx, TxIn, TxOut, varint
from coins.errors import NodeDataError
from coins.types import Outpoint
from tests.coins.bitcoin.setup import merkle_root, settings_for
from tests.nodes.regtest import FAUCET, BitcoinNode

RULES = BlockRules("BTC", 21 * 10**14)


def tx(number: int) -> Tx:
    """Every second one has a witness."""
    items = (b"s" * 71, b"k" * 33) if number % 2 else ()
    txin = TxIn(Outpoint(f"{number + 1:064x}", 0), 0, b"", items)
    return Tx(2, (txin,), (TxOut(number, b"\x00\x14" + bytes(20)),), 0)


def block(txs: list[Tx], root: bytes | None = None) -> bytes:
    digests = [bytes.fromhex(each.txid)[::-1] for each in txs]
    head = bytes(36) + (root or merkle_root(digests)) + bytes(12)
    return head + varint(len(txs)) + b"".join(each.serialize() for each in txs)


def prove(raw: bytes, rules: BlockRules = RULES) -> int:
    """Check a whole block; in how many steps."""
    return sum(1 for _ in proof_steps(raw, outline_block(raw, rules).txs))


@pytest.mark.parametrize("count", [*range(1, 18), 64, 401])
def test_d33_only_the_chain_txs_of_the_header_pass(count: int) -> None:
    txs = [tx(number) for number in range(count)]
    prove(block(txs))
    honest = block(txs)[36:68]
    others = [[*txs[:-1], tx(count)], [*txs, tx(count)]]
    if count > 2:
        others += [txs[:-1], [txs[1], txs[0], *txs[2:]]]
    for other in others:
        with pytest.raises(NodeDataError, match="another merkle root"):
            prove(block(other, honest))


@pytest.mark.parametrize(("count", "again"), [(3, 1), (5, 1), (6, 2), (7, 1)])
def test_d33_a_list_that_repeats_its_end_is_refused(count: int, again: int) -> None:
    txs = [tx(number) for number in range(count)]
    repeated = txs + txs[-again:]
    raw = block(repeated, block(txs)[36:68])
    assert raw[36:68] == block(repeated)[36:68]  # the very same root (CVE-2012-2459)
    with pytest.raises(NodeDataError, match="names chain txs twice"):
        prove(raw)


def test_a_long_block_is_checked_in_many_steps() -> None:
    assert prove(block([tx(number) for number in range(1_000)])) > 15


def test_a_merged_mined_block_is_checked_behind_the_proof_of_its_work() -> None:
    rules = BlockRules("DOGE", 10**18, has_segwit=False, has_auxpow=True)
    txs = [tx(0), tx(2), tx(4)]
    raw = block(txs)
    head = (0x620104).to_bytes(4, "little") + raw[4:80]
    branches = b"\x02" + b"\x02" * 64 + bytes(4) + b"\x01" + b"\x04" * 32 + bytes(4)
    proof = tx(8).serialize() + b"\x01" * 32 + branches + b"\x03" * 80
    prove(head + proof + raw[80:], rules)
    with pytest.raises(NodeDataError, match="another merkle root"):
        prove(head + proof + block([txs[1], txs[0], txs[2]])[80:], rules)


def check_chain(node: BitcoinNode, blocks: int) -> int:
    """Every block of the node passes, and none with another amount; how many had extension blocks."""
    rules = block_rules(settings_for(node))
    extended = 0
    for height in range(node.height - blocks + 1, node.height + 1):
        raw = bytes.fromhex(node.rpc("getblock", node.rpc("getblockhash", height), 0))
        txs = outline_block(raw, rules).txs
        prove(raw, rules)
        extended += txs[-1] < len(raw)
        last = bytearray(raw)
        last[txs[-1] - 4] ^= 1  # the lock time of the last chain tx
        with pytest.raises(NodeDataError, match="another merkle root"):
            prove(bytes(last), rules)
    return extended


def test_d33_blocks_of_bitcoind_pass(bitcoind: BitcoinNode) -> None:
    for number in range(5):
        bitcoind.send(bitcoind.rpc("getnewaddress", "", "bech32", wallet=FAUCET), f"0.1{number}")
    bitcoind.mine(2)
    assert check_chain(bitcoind, 20) == 0


def test_d33_blocks_of_litecoind_pass_with_their_extension_blocks(litecoind: BitcoinNode) -> None:
    hidden = litecoind.rpc("getnewaddress", "", "mweb", wallet=FAUCET)
    litecoind.send(hidden, "1.00000000")
    litecoind.mine(2)
    litecoind.rpc("sendtoaddress", litecoind.new_address(), "0.5", wallet=FAUCET)
    litecoind.mine(2)
    assert check_chain(litecoind, 20) > 0
