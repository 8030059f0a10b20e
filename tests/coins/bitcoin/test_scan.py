"""The block parser: what it finds, and that it finds nothing in what is no block."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coins.bitcoin.reader import block_rules
from coins.bitcoin.scan import BlockRules, scan_block, scan_steps
from coins.bitcoin.wire import Tx, TxIn, TxOut, hash_hex, sha256d, varint
from coins.errors import NodeDataError
from coins.index import WatchIndex
from coins.types import Outpoint, Receipt, Spend
from tests.coins.bitcoin.setup import settings_for
from tests.nodes.regtest import FAUCET, BitcoinNode

RULES = BlockRules("BTC", 21 * 10**14)
LITECOIN = BlockRules("LTC", 84 * 10**14, has_mweb=True)
OWN = b"\x00\x14" + b"\x11" * 20
OTHER = b"\x00\x14" + b"\x22" * 20
NOTHING = Outpoint("00" * 32, 2**32 - 1)


def tx(inputs: Sequence[Outpoint], outputs: Sequence[tuple[int, bytes]], witness: bool = True) -> Tx:
    items = (b"\x30" * 71, b"\x02" * 33) if witness else ()
    return Tx(
        2,
        tuple(TxIn(outpoint, 2**32 - 3, b"", items) for outpoint in inputs),
        tuple(TxOut(amount, script) for amount, script in outputs),
        0,
    )


def coinbase(*outputs: tuple[int, bytes]) -> Tx:
    return tx([NOTHING], outputs or ((5_000_000_000, OTHER),))


def header(version: int = 4) -> bytes:
    return (
        version.to_bytes(4, "little")
        + b"\x07" * 32
        + b"\x08" * 32
        + (1_700_000_000).to_bytes(4, "little")
        + b"\x00" * 8
    )


def block(*txs: Tx) -> bytes:
    return header() + varint(len(txs)) + b"".join(each.serialize() for each in txs)


def foreign(number: int) -> Outpoint:
    return Outpoint(f"{number:064x}", 0)


def test_receipts_and_spends_with_their_places() -> None:
    spent = foreign(9)
    paying = tx([foreign(1), spent], [(7, OTHER), (8, OWN), (9, OWN)])
    index = WatchIndex([OWN], [spent])
    raw = block(coinbase(), paying)
    scan = scan_block(raw, index, RULES)
    assert scan.block_hash == hash_hex(sha256d(raw[:80]))
    assert (scan.parent_hash, scan.time) == ("07" * 32, 1_700_000_000)
    assert scan.receipts == (
        Receipt("BTC", paying.txid, "1", OWN, 8),
        Receipt("BTC", paying.txid, "2", OWN, 9),
    )
    assert scan.spends == (Spend(paying.txid, spent, 7 + 8 + 9),)
    assert index.has_outpoint(Outpoint(paying.txid, 1))
    assert index.has_outpoint(Outpoint(paying.txid, 2))
    assert not index.has_outpoint(Outpoint(paying.txid, 0))


def test_an_output_made_and_spent_in_one_block_is_seen_twice() -> None:
    first = tx([foreign(1)], [(100, OWN)])
    second = tx([Outpoint(first.txid, 0)], [(90, OTHER)])
    scan = scan_block(block(coinbase(), first, second), WatchIndex([OWN]), RULES)
    assert [r.txid for r in scan.receipts] == [first.txid]
    assert scan.spends == (Spend(second.txid, Outpoint(first.txid, 0), 90),)


def test_a_coinbase_to_us_is_marked() -> None:
    scan = scan_block(block(coinbase((50, OWN)), tx([foreign(1)], [(1, OWN)])), WatchIndex([OWN]), RULES)
    assert [r.is_coinbase for r in scan.receipts] == [True, False]


def test_zero_amounts_are_no_receipts() -> None:
    scan = scan_block(block(coinbase(), tx([foreign(1)], [(0, OWN)])), WatchIndex([OWN]), RULES)
    assert scan.receipts == ()


def test_chain_txs_without_witness_and_long_scripts() -> None:
    old = Tx(1, (TxIn(foreign(1), 0, b"\x55" * 300),), (TxOut(5, b"\x6a" * 260), TxOut(6, OWN)), 7)
    many = tx([foreign(number) for number in range(2, 302)], [(1, OWN)] * 300)
    scan = scan_block(block(coinbase(), old, many), WatchIndex([OWN]), RULES)
    assert scan.receipts[0] == Receipt("BTC", old.txid, "1", OWN, 6)
    assert [r.position for r in scan.receipts[1:]] == [str(number) for number in range(300)]


@pytest.mark.parametrize(
    "items",
    [
        (), (b"",), (b"", b""), (b"a" * 252, b"b" * 252), (b"a" * 253, b"b"), (b"a", b"b" * 253),
        (b"a" * 70_000, b""), (b"a", b"b", b"c" * 300), tuple(b"x" for _ in range(300)),
    ],
)  # fmt: skip
def test_witnesses_of_every_shape_are_stepped_over(items: tuple[bytes, ...]) -> None:
    other = TxIn(foreign(2), 0, b"", (b"s" * 71, b"k" * 33))
    for inputs in ((TxIn(foreign(1), 0, b"", items), other), (other, TxIn(foreign(1), 0, b"", items))):
        paying = Tx(2, inputs, (TxOut(5, OWN),), 9)
        scan = scan_block(block(coinbase(), paying), WatchIndex([OWN]), RULES)
        assert scan.receipts == (Receipt("BTC", paying.txid, "0", OWN, 5),)


def test_d17_two_outputs_to_one_address() -> None:
    paying = tx([foreign(1)], [(10_000_000, OWN), (20_000_000, OWN)])
    scan = scan_block(block(coinbase(), paying), WatchIndex([OWN]), RULES)
    assert [(r.position, r.amount) for r in scan.receipts] == [("0", 10_000_000), ("1", 20_000_000)]


def test_d18_one_chain_tx_with_two_hundred_outputs() -> None:
    scripts = [b"\x00\x14" + number.to_bytes(20, "big") for number in range(1, 201)]
    paying = tx([foreign(1)], [(1_000 + number, script) for number, script in enumerate(scripts)])
    scan = scan_block(block(coinbase(), paying), WatchIndex(scripts), RULES)
    assert [(r.script, r.amount) for r in scan.receipts] == [(s, 1_000 + n) for n, s in enumerate(scripts)]


@pytest.mark.parametrize("amount", [21 * 10**14 + 1, 2**63, 2**64 - 1])
def test_d23_impossible_amounts_refuse_the_block(amount: int) -> None:
    raw = block(coinbase(), tx([foreign(1)], [(5, OWN), (amount, OTHER)]))
    index = WatchIndex([OWN])
    with pytest.raises(NodeDataError, match="impossible amount"):
        scan_block(raw, index, RULES)
    assert not index.outpoints


def test_d23_the_largest_possible_amount_is_taken() -> None:
    raw = block(coinbase((21 * 10**14, OWN)))
    assert scan_block(raw, WatchIndex([OWN]), RULES).receipts[0].amount == 21 * 10**14


def test_d36_a_fault_in_chain_tx_37_of_100_refuses_the_block_whole() -> None:
    txs = [coinbase(), *(tx([foreign(n)], [(n, OWN), (n, OTHER)]) for n in range(1, 100))]
    good = block(*txs)
    broken = list(txs)
    broken[37] = tx([foreign(37)], [(37, OWN), (2**60, OTHER)])
    before = foreign(1)
    index = WatchIndex([OWN], [before])
    with pytest.raises(NodeDataError, match="chain tx 37 "):
        scan_block(block(*broken), index, RULES)
    assert len(index.outpoints) == 1
    assert index.has_outpoint(before)
    scan = scan_block(good, index, RULES)  # the retry
    assert len(scan.receipts) == 99
    assert scan.spends == (Spend(txs[1].txid, before, 1 + 1),)


def test_a_scan_that_is_given_up_leaves_the_index_as_it_was() -> None:
    txs = [coinbase((1, OWN)), *(tx([foreign(n)], [(n, OWN)]) for n in range(1, 1_500))]
    index = WatchIndex([OWN])
    steps = scan_steps(block(*txs), index, RULES)
    next(steps)
    next(steps)
    assert index.outpoints
    steps.close()
    assert not index.outpoints


def test_scanning_again_gives_the_same_and_keeps_the_index() -> None:
    raw = block(coinbase((3, OWN)), tx([foreign(1)], [(5, OWN)]))
    index = WatchIndex([OWN])
    first = scan_block(raw, index, RULES)
    assert scan_block(raw, index, RULES) == first
    assert len(index.outpoints) == 2


WHOLE = block(
    coinbase(), tx([foreign(1), foreign(2)], [(5, OWN), (6, OTHER)]), tx([foreign(3)], [(7, OWN)], False)
)


def test_a_block_that_breaks_off_anywhere_is_refused() -> None:
    for end in range(len(WHOLE)):
        index = WatchIndex([OWN])
        with pytest.raises(NodeDataError, match=r"."):
            scan_block(WHOLE[:end], index, RULES)
        assert not index.outpoints


@pytest.mark.parametrize("size", [2**31, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize(("place", "held"), [(43, 0), (98, 22), (153, 71)])
def test_d23_lengths_beyond_any_memory_refuse_the_block(place: int, held: int, size: int) -> None:
    """In place of the length of an input's script, an output's, or an item of a witness."""
    raw = block(coinbase(), tx([foreign(1), foreign(2)], [(1, OTHER), (2, OTHER)]))
    at = len(block(coinbase())) + place
    assert raw[at] == held
    hostile = raw[:at] + b"\xff" + size.to_bytes(8, "little") + raw[at + 1 :]
    with pytest.raises(NodeDataError):
        scan_block(hostile, WatchIndex([OWN]), RULES)


@pytest.mark.parametrize("tail", [b"\x00", b"\x00" * 8, b"\x01" * 40])
def test_bytes_behind_the_block_are_refused(tail: bytes) -> None:
    with pytest.raises(NodeDataError, match="its chain txs end at"):
        scan_block(WHOLE + tail, WatchIndex([OWN]), RULES)


def test_a_block_without_chain_txs_is_refused() -> None:
    with pytest.raises(NodeDataError, match="without a coinbase"):
        scan_block(header() + b"\x00", WatchIndex(), RULES)


@given(st.integers(0, 2**32), st.binary(min_size=1, max_size=12))
@settings(max_examples=300)
def test_no_bytes_make_it_fail_otherwise(place: int, junk: bytes) -> None:
    at = 80 + place % (len(WHOLE) - 80)
    index = WatchIndex([OWN])
    try:
        scan_block(WHOLE[:at] + junk + WHOLE[at + len(junk) :], index, RULES)
    except NodeDataError:
        assert not index.outpoints


def hogex(*outputs: tuple[int, bytes]) -> bytes:
    """The last chain tx of a Litecoin block after the activation: flag 8, one zero byte behind it."""
    bare = tx([foreign(77)], outputs, witness=False).serialize()
    return bare[:4] + b"\x00\x08" + bare[4:-4] + b"\x00" + bare[-4:]


def test_peg_outs_are_receipts_and_the_extension_block_is_left_out() -> None:
    last = hogex((10**12, b"\x59\x20" + b"\x33" * 32), (500, OWN))
    raw = header() + varint(2) + coinbase().serialize() + last + b"\x01" + b"\xee" * 90
    scan = scan_block(raw, WatchIndex([OWN]), LITECOIN)
    bare = tx([foreign(77)], [(10**12, b"\x59\x20" + b"\x33" * 32), (500, OWN)], witness=False)
    assert scan.receipts == (Receipt("LTC", bare.txid, "1", OWN, 500),)
    with pytest.raises(NodeDataError, match="unknown flag 8"):
        scan_block(raw, WatchIndex([OWN]), RULES)
    with pytest.raises(NodeDataError, match="without its extension block"):
        scan_block(raw[:-91], WatchIndex([OWN]), LITECOIN)


def test_a_merged_mining_header_is_skipped() -> None:
    rules = BlockRules("DOGE", 10**18, has_segwit=False, has_auxpow=True)
    parent_coinbase = tx([NOTHING], [(5, OTHER)], witness=False).serialize()
    proof = (
        parent_coinbase + b"\x01" * 32 + b"\x02" + b"\x02" * 64 + bytes(4) + b"\x00" + bytes(4) + b"\x03" * 80
    )
    paying = tx([foreign(1)], [(5, OWN)], witness=False)
    body = varint(2) + tx([NOTHING], [(9, OTHER)], False).serialize() + paying.serialize()
    scan = scan_block(header(0x620104) + proof + body, WatchIndex([OWN]), rules)
    assert scan.receipts == (Receipt("DOGE", paying.txid, "0", OWN, 5),)
    assert scan_block(header(0x620004) + body, WatchIndex([OWN]), rules).receipts == scan.receipts


def compare(node: BitcoinNode, height: int) -> set[bytes]:
    """Scan one block with every one of its scripts watched; compare with the node's own decoding."""
    rules = block_rules(settings_for(node))
    block_hash = node.rpc("getblockhash", height)
    raw = bytes.fromhex(node.rpc("getblock", block_hash, 0))
    decoded = node.rpc("getblock", block_hash, 2)
    wanted: list[tuple[str, str, str, int, bool]] = []
    scripts: set[bytes] = set()
    outpoints: set[Outpoint] = set()
    for each in decoded["tx"]:
        is_coinbase = "coinbase" in each["vin"][0] if each["vin"] else False
        for out in each["vout"]:
            script = out["scriptPubKey"]["hex"]
            amount = int(str(out["value"]).replace(".", ""))
            if 20 <= len(script) // 2 <= 252 and amount:
                scripts.add(bytes.fromhex(script))
                wanted.append((each["txid"], str(out["n"]), script, amount, is_coinbase))
        outpoints |= {Outpoint(i["txid"], i["vout"]) for i in each["vin"] if "txid" in i}
    scan = scan_block(raw, WatchIndex(scripts, outpoints), rules)
    found = [(r.txid, r.position, r.script.hex(), r.amount, r.is_coinbase) for r in scan.receipts]
    assert found == wanted
    spends = [
        (each["txid"], Outpoint(i["txid"], i["vout"]))
        for each in decoded["tx"]
        for i in each["vin"]
        if "txid" in i
    ]
    assert [(s.txid, s.outpoint) for s in scan.spends] == spends
    assert (scan.block_hash, scan.parent_hash) == (block_hash, decoded["previousblockhash"])
    return scripts


def pay_variously(node: BitcoinNode) -> None:
    for kind in ("legacy", "p2sh-segwit", "bech32"):
        for _ in range(3):
            node.send(
                node.rpc("getnewaddress", "", kind, wallet=FAUCET),
                f"0.{random.Random(kind).randrange(10**8):08d}",
            )
    node.mine()


def test_the_nodes_own_decoding_agrees_on_bitcoind(bitcoind: BitcoinNode) -> None:
    pay_variously(bitcoind)
    for height in range(max(1, bitcoind.height - 60), bitcoind.height + 1):
        compare(bitcoind, height)


def test_the_nodes_own_decoding_agrees_on_litecoind_past_mweb(litecoind: BitcoinNode) -> None:
    pay_variously(litecoind)
    hidden = litecoind.rpc("getnewaddress", "", "mweb", wallet=FAUCET)
    litecoind.send(hidden, "3.00000000")
    litecoind.mine()
    litecoind.create_wallet("hidden")
    inside = litecoind.rpc("getnewaddress", "", "mweb", wallet="hidden")
    litecoind.send(inside, "5.00000000")
    litecoind.mine()
    target = litecoind.new_address()
    litecoind.rpc("sendtoaddress", target, "1.25000000", wallet="hidden")  # leaves the extension block
    litecoind.mine()
    for height in range(litecoind.height - 40, litecoind.height + 1):
        compare(litecoind, height)
    script = bytes.fromhex(litecoind.rpc("validateaddress", target)["scriptPubKey"])
    raw = bytes.fromhex(litecoind.rpc("getblock", litecoind.tip, 0))
    scan = scan_block(raw, WatchIndex([script]), block_rules(settings_for(litecoind)))
    assert [r.amount for r in scan.receipts] == [125_000_000]
    assert scan.receipts[0].txid == litecoind.rpc("getblock", litecoind.tip, 1)["tx"][-1]
