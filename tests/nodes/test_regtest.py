"""The harness itself, on the real programs: everything else that uses real nodes stands on it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nodes.regtest import (
    FAUCET,
    MWEB_HEIGHT,
    AnvilNode,
    BitcoinKind,
    BitcoinNode,
    NodeStartError,
    RpcError,
)

pytestmark = pytest.mark.node
BITCOIN_KINDS: tuple[BitcoinKind, ...] = ("bitcoind", "litecoind")


@pytest.mark.parametrize("kind", BITCOIN_KINDS)
def test_a_payment_is_mined(kind: BitcoinKind, tmp_path: Path) -> None:
    with BitcoinNode(kind, tmp_path) as node:
        node.fund_faucet()
        address = node.new_address()
        txid = node.send(address, "0.10000000")
        block = node.mine()[0]
        assert txid in node.rpc("getblock", block)["tx"]
        assert node.rpc("getreceivedbyaddress", address, wallet=FAUCET) == "0.10000000"
        assert node.height == 102


@pytest.mark.parametrize("kind", BITCOIN_KINDS)
def test_a_killed_node_comes_back_with_what_was_flushed(kind: BitcoinKind, tmp_path: Path) -> None:
    node = BitcoinNode(kind, tmp_path).start()
    try:
        node.fund_faucet()
        node.flush()
        port, tip = node.port, node.tip
        node.mine(3)
        node.kill()
        assert not node.is_running
        with pytest.raises(OSError, match=r"."):
            node.rpc("getblockcount")
        node.start()
        assert (node.port, node.height) == (port, 101)
        assert node.tip == tip
        assert node.rpc("listwallets") == [FAUCET]
    finally:
        node.stop()


@pytest.mark.parametrize("kind", BITCOIN_KINDS)
def test_a_reorg_returns_the_payment_to_the_mempool(kind: BitcoinKind, tmp_path: Path) -> None:
    with BitcoinNode(kind, tmp_path) as node:
        node.fund_faucet()
        txid = node.send(node.new_address(), "1.00000000")
        node.mine(2)
        branch = node.reorg(2)
        assert len(branch) == 3
        assert (node.height, node.tip) == (104, branch[-1])
        assert node.rpc("getrawmempool") == [txid]


def test_litecoin_mines_on_past_the_mweb_activation(fresh_litecoind: BitcoinNode) -> None:
    litecoind = fresh_litecoind
    litecoind.fund_faucet()
    litecoind.pass_mweb_activation()
    assert litecoind.height > MWEB_HEIGHT
    height = litecoind.height
    litecoind.mine(20)
    txid = litecoind.send(litecoind.new_address(), "0.50000000")
    empty = litecoind.generate_block()
    assert txid not in litecoind.rpc("getblock", empty)["tx"]
    assert txid in litecoind.rpc("getblock", litecoind.mine()[0])["tx"]
    assert litecoind.height == height + 22


def test_an_error_answer_keeps_the_nodes_code(bitcoind: BitcoinNode) -> None:
    with pytest.raises(RpcError, match="Block height out of range") as caught:
        bitcoind.rpc("getblockhash", 10_000_000)
    assert caught.value.code == -8


def test_a_node_that_ends_at_once_says_why(tmp_path: Path) -> None:
    with pytest.raises(NodeStartError, match=r"(?s)ended with code 1.*nosuchoption"):
        BitcoinNode("bitcoind", tmp_path, extra=["-nosuchoption=1"]).start()


async def test_a_call_does_not_block_the_loop(bitcoind: BitcoinNode) -> None:
    assert await bitcoind.call("getblockcount") >= 0


def test_anvil_mines_only_when_asked(tmp_path: Path) -> None:
    with AnvilNode(tmp_path, chain_id=4242) as node:
        assert int(node.rpc("eth_chainId"), 16) == 4242
        payee = "0x" + "11" * 20
        txid = node.send(payee, 10**18)
        assert (node.height, node.balance(payee)) == (0, 0)
        node.mine(3)
        assert (node.height, node.balance(payee)) == (3, 10**18)
        assert int(node.rpc("eth_getTransactionReceipt", txid)["blockNumber"], 16) == 1
        old_tip = node.tip
        node.reorg(3)
        assert (node.height, node.balance(payee)) == (3, 0)
        assert node.tip != old_tip


def test_anvil_keeps_its_chain_over_a_kill(tmp_path: Path) -> None:
    node = AnvilNode(tmp_path, keep_state=True).start()
    try:
        payee = "0x" + "22" * 20
        txid = node.send(payee, 5)
        node.mine(2)
        tip = node.tip
        node.flush()
        node.mine()
        node.kill()
        node.start()
        assert (node.height, node.tip, node.balance(payee)) == (2, tip, 5)
        assert node.rpc("eth_getTransactionReceipt", txid)["status"] == "0x1"
        node.mine()
        node.restart()
        assert node.height == 3
    finally:
        node.stop()


def test_anvil_goes_back_to_a_snapshot(anvil: AnvilNode) -> None:
    snapshot, height = anvil.snapshot(), anvil.height
    anvil.set_balance("0x" + "33" * 20, 7)
    anvil.mine()
    anvil.revert(snapshot)
    assert (anvil.height, anvil.balance("0x" + "33" * 20)) == (height, 0)


def test_no_node_outlives_a_killed_owner(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tests.nodes.regtest import AnvilNode\n"
        "print(AnvilNode(Path(sys.argv[1])).start().pid, flush=True); sys.stdin.read()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    ended = select.poll()
    handle = os.pidfd_open(pid)
    try:
        owner.kill()
        owner.communicate()
        ended.register(handle, select.POLLIN)
        assert ended.poll(10_000), f"anvil (pid {pid}) outlived the process that started it"
    finally:
        os.close(handle)
