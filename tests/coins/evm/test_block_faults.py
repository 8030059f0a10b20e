"""Blocks with tokens and traces, from nodes that refuse, forget or lie."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coins.errors import NodeDataError, NodeUnavailableError
from coins.evm.reader import EvmReader
from coins.evm.rpc import EvmRpc, RpcAnswerError
from coins.evm.token import TRANSFER, UNVERIFIED
from coins.index import WatchIndex
from coins.types import Block
from tests.coins.evm.fake_node import (
    HASH_4,
    HASH_5,
    PAYER,
    TXID,
    FakeNode,
    Raw,
    RpcFailure,
    block,
    receipt,
    served,
    tx,
)
from tests.coins.evm.world import eth_settings, token_settings

OURS = b"\x11" * 20
TOKEN = "0x" + "70" * 20
OTHER_TXID = "0x" + "bb" * 32
STRANGE = "0x" + "06" * 32


def word(value: int) -> str:
    return "0x" + value.to_bytes(32, "big").hex()


def log(amount: int = 1000, index: int = 4, **changes: Any) -> dict[str, Any]:
    """A payment of tokens to us."""
    return {
        "address": TOKEN, "topics": [TRANSFER, word(int(PAYER, 16)), word(int.from_bytes(OURS, "big"))],
        "data": word(amount), "transactionHash": TXID, "logIndex": hex(index), "blockHash": HASH_5,
        "removed": False, **changes,
    }  # fmt: skip


def balance(request: dict[str, str], at: dict[str, str]) -> str:
    """1000 came in block 5."""
    assert request["to"] == TOKEN
    return word({HASH_4: 50, HASH_5: 1050}[at["blockHash"]])


def node_with(**answers: Any) -> FakeNode:
    """Block 5: a call of the token, its second event pays us 1000."""
    logs = [log(address=PAYER, index=3), log()]
    return FakeNode(
        **{
            "eth_getBlockByHash": block(transactions=[tx(to=TOKEN, value="0x0")]),
            "eth_getBlockByNumber": block(),
            "eth_getLogs": [log()],
            "eth_getTransactionReceipt": receipt(logs=logs),
            "eth_call": balance,
            **answers,
        }
    )


async def read(node: FakeNode, **changes: Any) -> Block:
    """Block 5 with the token watched."""
    settings = eth_settings(node.url, tokens=(token_settings(TOKEN),), **changes)
    reader = EvmReader(settings, EvmRpc(settings.node, settings.chain_id))
    try:
        return await reader.read_block(5, HASH_5, WatchIndex([OURS]))
    finally:
        await reader.close()


def brief(found: Block) -> list[tuple[str, str, int, str]]:
    return [(one.currency, one.position, one.amount, one.doubt) for one in found.receipts]


PAID = [("USDT-ETH", "log:1", 1000, "")]


async def test_one_batch_for_the_block_one_for_receipts_one_for_balances() -> None:
    async with served(node_with()) as node:
        assert brief(await read(node)) == PAID
    assert node.batches == [
        ["eth_chainId", "eth_getBlockByHash", "eth_getLogs"],
        ["eth_chainId", "eth_getTransactionReceipt"],
        ["eth_chainId", "eth_call", "eth_call"],
    ]


async def test_a_block_without_tokens_of_ours_costs_one_batch() -> None:
    async with served(node_with(eth_getLogs=[])) as node:
        assert brief(await read(node)) == []
    assert len(node.batches) == 1


@pytest.mark.parametrize(
    "refusal", [RpcFailure(-32005, "query returned more than 10000 results"), RpcFailure(-32602, "no"), None]
)
async def test_e25_a_refused_search_falls_back_to_the_blocks_receipts(refusal: RpcFailure | None) -> None:
    receipts = [receipt(logs=[log(address=PAYER, index=3), log()])]
    async with served(node_with(eth_getLogs=refusal, eth_getBlockReceipts=receipts)) as node:
        assert brief(await read(node)) == PAID
    assert ["eth_chainId", "eth_getBlockReceipts"] in node.batches


async def test_e25_a_node_without_block_receipts_is_asked_for_each() -> None:
    transactions = [tx(hash=OTHER_TXID), tx(to=TOKEN, value="0x0")]
    fates = {OTHER_TXID: receipt(transactionHash=OTHER_TXID), TXID: receipt(logs=[log(index=0)])}
    node = node_with(
        eth_getLogs=RpcFailure(-32005, "too many results"),
        eth_getBlockByHash=block(transactions=transactions),
        eth_getTransactionReceipt=fates.__getitem__,
    )
    async with served(node):
        assert brief(await read(node)) == [("ETH", "native", 1000, ""), ("USDT-ETH", "log:0", 1000, "")]


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param({"eth_getLogs": [log(blockHash=STRANGE)]}, id="another-block"),
        pytest.param({"eth_getLogs": [log(removed=True)]}, id="removed"),
        pytest.param({"eth_getLogs": [log(blockHash=None)]}, id="no-block"),
        pytest.param({"eth_getBlockByHash": None,
                      "eth_getLogs": RpcFailure(-32000, "unknown block")}, id="gone"),
        pytest.param({"eth_getTransactionReceipt": None}, id="receipt-gone"),
        pytest.param({"eth_getTransactionReceipt": receipt(blockHash=STRANGE)}, id="receipt-elsewhere"),
        pytest.param({"eth_getLogs": None, "eth_getBlockReceipts": None,
                      "eth_getTransactionReceipt": None}, id="no-receipts"),
        pytest.param({"eth_getLogs": None, "eth_getBlockReceipts": []}, id="receipts-missing"),
        pytest.param({"eth_call": RpcFailure(-32005, "too many requests")}, id="busy"),
        pytest.param({"eth_call": RpcFailure(-32000, "header not found"),
                      "eth_getBlockByNumber": block(hash=STRANGE)}, id="reorganised"),
        pytest.param({"eth_call": RpcFailure(-32000, "header not found"),
                      "eth_getBlockByNumber": None}, id="shortened"),
    ],
)  # fmt: skip
async def test_d17_a_block_that_changes_under_us_is_read_again_later(answers: dict[str, Any]) -> None:
    async with served(node_with(**answers)) as node:
        with pytest.raises(NodeUnavailableError):
            await read(node)


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param({"eth_getLogs": [log(transactionHash=OTHER_TXID)]}, id="no-such-transaction"),
        pytest.param({"eth_getTransactionReceipt": receipt(logs=[])}, id="receipt-without-the-event"),
        pytest.param({"eth_getTransactionReceipt": receipt(logs=[log(amount=9)])}, id="another-amount"),
        pytest.param({"eth_getTransactionReceipt": receipt(logs=[log(index=5)])}, id="another-place"),
        pytest.param({"eth_getTransactionReceipt": receipt(status="0x0", logs=[log()])}, id="status-0"),
        pytest.param({"eth_getLogs": [log(), log()]}, id="twice"),
        pytest.param({"eth_getLogs": [log(logIndex="x")]}, id="no-number"),
        pytest.param({"eth_getLogs": {}}, id="no-list"),
        pytest.param({"eth_getLogs": [{}]}, id="no-event"),
        pytest.param({"eth_call": 5}, id="balance-no-text"),
    ],
)
async def test_d23_a_node_that_contradicts_itself_is_refused(answers: dict[str, Any]) -> None:
    async with served(node_with(**answers)) as node:
        with pytest.raises(NodeDataError):
            await read(node)


@pytest.mark.parametrize(
    "answer",
    [
        RpcFailure(-32000, "missing trie node"),
        RpcFailure(3, "execution reverted"),
        "0x",
        "0x1",
        word(1) + "00",
        word(1)[:-2] + "zz",
        "",
    ],
)
async def test_e07_a_balance_that_cannot_be_told_parks_the_receipt(answer: Any) -> None:
    async with served(node_with(eth_call=answer)) as node:
        assert brief(await read(node)) == [("USDT-ETH", "log:1", 1000, UNVERIFIED)]


async def test_e07_the_state_of_the_parent_alone_is_gone() -> None:
    def pruned(request: dict[str, str], at: dict[str, str]) -> Any:
        return balance(request, at) if at["blockHash"] == HASH_5 else RpcFailure(-32000, "pruned")

    async with served(node_with(eth_call=pruned)) as node:
        assert brief(await read(node)) == [("USDT-ETH", "log:1", 1000, UNVERIFIED)]


# --- traces -----------------------------------------------------------------------------------------


def trace(path: list[int], **changes: Any) -> dict[str, Any]:
    """A frame that pays us 7."""
    action = {"callType": "call", "from": PAYER, "to": "0x" + OURS.hex(), "value": "0x7", "gas": "0x1"}
    return {
        "type": "call", "action": action, "traceAddress": path, "blockHash": HASH_5, "blockNumber": 5,
        "transactionHash": TXID, "transactionPosition": 0, "result": {"gasUsed": "0x0"}, **changes,
    }  # fmt: skip


def frames(depth: int) -> str:
    """Calls in calls, as a node writes them."""
    start = '{"type":"CALL","from":"' + PAYER + '","to":"0x' + OURS.hex() + '","value":"0x7","calls":['
    return start * depth + "]}" * depth


async def test_e02_the_frames_of_a_block_come_in_its_batch() -> None:
    node = node_with(eth_getLogs=[], trace_block=[trace([]), trace([0])])
    async with served(node):
        assert brief(await read(node, internal="trace_block")) == [("ETH", "trace:0", 7, "internal")]
    assert node.batches[0] == ["eth_chainId", "eth_getBlockByHash", "eth_getLogs", "trace_block"]


async def test_e02_a_frame_of_a_failed_transaction_pays_nothing() -> None:
    node = node_with(
        eth_getLogs=[],
        trace_block=[trace([]), trace([0])],
        eth_getTransactionReceipt=receipt(status="0x0"),
    )
    async with served(node):
        assert brief(await read(node, internal="trace_block")) == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (RpcFailure(-32601, "no such method"), RpcAnswerError),
        (None, NodeUnavailableError),
        ([], NodeUnavailableError),
        ([trace([0])], NodeUnavailableError),
        ([trace([], blockHash=STRANGE)], NodeUnavailableError),
        ([trace([]), trace([], transactionHash=OTHER_TXID)], NodeUnavailableError),
        ([trace([]), trace([0], transactionHash=OTHER_TXID)], NodeDataError),
        ([trace([], blockHash="0x5")], NodeDataError),
        ([{}], NodeDataError),
    ],
)
async def test_e02_a_block_is_not_passed_without_its_frames(answer: Any, error: type[Exception]) -> None:
    async with served(node_with(eth_getLogs=[], trace_block=answer)) as node:
        with pytest.raises(error):
            await read(node, internal="trace_block")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (RpcFailure(-32601, "no such method"), RpcAnswerError),
        ([], NodeUnavailableError),
        ([{"txHash": TXID, "error": "execution timeout"}], NodeUnavailableError),
        ([{"txHash": OTHER_TXID, "result": {"type": "CALL", "from": PAYER}}], NodeDataError),
        ([{"txHash": TXID, "result": {}}], NodeDataError),
        ({}, NodeDataError),
    ],
)
async def test_e02_the_debug_tracer_may_not_leave_out_anything(answer: Any, error: type[Exception]) -> None:
    async with served(node_with(eth_getLogs=[], debug_traceBlockByHash=answer)) as node:
        with pytest.raises(error):
            await read(node, internal="debug")


async def test_calls_nested_too_deep_leave_out_their_transaction_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An EVM call may be 1024 deep: nobody may stop the currency with that."""
    transactions = [tx(hash=OTHER_TXID, value="0x0", to=TOKEN), tx(to=TOKEN, value="0x0")]
    good: dict[str, Any] = json.loads(frames(2))
    node = node_with(
        eth_getLogs=[],
        eth_getBlockByHash=block(transactions=transactions),
        debug_traceBlockByHash=Raw(f'[{{"result":{frames(1_024)}}}]'),
        debug_traceTransaction=lambda txid, _: good if txid == TXID else Raw(frames(1_024)),
    )
    async with served(node):
        assert brief(await read(node, internal="debug")) == [("ETH", "trace:0", 7, "internal")]
    assert f"the calls of {OTHER_TXID} are nested too deep to be read" in caplog.text
