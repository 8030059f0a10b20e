"""The node's transport: matched, typed, bounded; and never another chain."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from coins.errors import NodeDataError, NodeUnavailableError, WrongNetworkError
from coins.evm.rpc import BATCH_MAX, Call, EvmRpc, RpcAnswerError
from tests.coins.evm.fake_node import FakeNode, RpcFailure, body, served
from tests.coins.evm.world import eth_settings


async def ask(node: FakeNode, *calls: Call, **limits: Any) -> list[Any]:
    """Results of one batch on a fresh connection."""
    rpc = EvmRpc(eth_settings(node.url, node=limits).node, 31337)
    try:
        return await rpc.batch(calls)
    finally:
        await rpc.close()


def echo(number: int) -> Call:
    return Call("echo", (hex(number),), str)


async def test_replies_in_any_order_are_matched_by_id() -> None:
    async with served(FakeNode(echo=lambda text: text)) as node:
        node.mangle = lambda replies: replies[::-1]
        assert await ask(node, *(echo(i) for i in range(5))) == [hex(i) for i in range(5)]


async def test_long_lists_go_out_in_several_batches_each_with_the_chain_id() -> None:
    async with served(FakeNode(echo=lambda text: text)) as node:
        asked = [echo(i) for i in range(2 * BATCH_MAX + 1)]
        assert await ask(node, *asked) == [hex(i) for i in range(2 * BATCH_MAX + 1)]
        assert [batch[0] for batch in node.batches] == ["eth_chainId"] * 3
        assert max(len(batch) for batch in node.batches) == BATCH_MAX + 1


@pytest.mark.parametrize(
    "mangle",
    [
        lambda replies: replies[:-1],
        lambda replies: [*replies, replies[-1]],
        lambda replies: [replies[0], replies[0]],
        lambda replies: [{**reply, "id": 999_999} for reply in replies],
        lambda replies: [{**reply, "id": str(reply["id"])} for reply in replies],
        lambda replies: [{**reply, "id": None} for reply in replies],
        lambda replies: {
            "jsonrpc": "2.0",
            "id": None,
            "error": {"code": -32600, "message": "too large"},
        },
        lambda replies: [],
        lambda replies: "x",
    ],
)
async def test_foreign_or_missing_ids_are_no_answer(mangle: Any) -> None:
    async with served(FakeNode(echo="0x1")) as node:
        node.mangle = mangle
        with pytest.raises(NodeUnavailableError):
            await ask(node, echo(1))


@pytest.mark.parametrize(
    "respond",
    [
        body(""),
        body("<html>busy</html>", 503),
        body('[{"id": 1, "result": NaN}]'),
        body('[{"id": 1'),
        body("unauthorised", 401),
        lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
    ],
)
async def test_what_is_no_answer_says_nothing_about_money(respond: Any) -> None:
    async with served(FakeNode()) as node:
        node.respond = respond
        with pytest.raises(NodeUnavailableError):
            await ask(node, echo(1))


async def test_too_large_an_answer_is_not_read_to_its_end() -> None:
    async with served(FakeNode(echo="0x" + "0" * 2**21)) as node:
        with pytest.raises(NodeUnavailableError, match="larger than 1 MB"):
            await ask(node, echo(1), response_limit_mb=1)


async def test_silence_ends_at_the_timeout() -> None:
    async with asyncio.timeout(20), served(FakeNode()) as node:
        silent = asyncio.Event()

        async def never(request: web.Request) -> web.StreamResponse:
            await silent.wait()
            return web.Response()

        app = web.Application()
        app.router.add_post("/", never)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        node.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            with pytest.raises(NodeUnavailableError, match=r"within 0\.2 s"):
                await ask(node, echo(1), timeout_s=0.2)
        finally:
            silent.set()
            await runner.cleanup()


async def test_no_node_at_all() -> None:
    with pytest.raises(NodeUnavailableError, match="no connection"):
        await ask_url("http://127.0.0.1:1")


async def ask_url(url: str) -> None:
    node = FakeNode()
    node.url = url
    await ask(node, echo(1))


async def test_an_error_of_the_node_keeps_its_code_and_words() -> None:
    async with served(FakeNode(echo=RpcFailure(-32000, "header not found"))) as node:
        with pytest.raises(RpcAnswerError) as failure:
            await ask(node, echo(1))
        assert (failure.value.code, failure.value.message) == (-32000, "header not found")


async def test_d23_a_result_of_the_wrong_shape_names_its_place() -> None:
    async with served(FakeNode(echo={"a": 1})) as node:
        with pytest.raises(NodeDataError, match="echo: Expected `str`"):
            await ask(node, echo(1))


async def test_e22_another_chain_id_is_refused_in_every_batch() -> None:
    async with served(FakeNode(echo="0x1")) as node:
        rpc = EvmRpc(eth_settings(node.url).node, 31337)
        try:
            assert await rpc.call("echo", result=str) == "0x1"
            node.answers["eth_chainId"] = "0x38"
            for _ in range(2):
                with pytest.raises(WrongNetworkError, match="chain id 56, configured is 31337"):
                    await rpc.call("echo", result=str)
            with pytest.raises(WrongNetworkError):
                await rpc.batch([echo(i) for i in range(BATCH_MAX + 1)])
            node.answers["eth_chainId"] = "0x7a69"
            assert await rpc.call("echo", result=str) == "0x1"
        finally:
            await rpc.close()


async def test_the_first_error_ends_the_other_parts_too() -> None:
    async with served(FakeNode(echo=lambda text: text)) as node:
        node.mangle = lambda replies: replies[:-1]
        with pytest.raises(NodeUnavailableError):
            await ask(node, *(echo(i) for i in range(50 * BATCH_MAX)), max_parallel=2)
        assert len(node.batches) < 10


async def test_user_and_password_are_sent_and_never_told() -> None:
    async with served(FakeNode()) as node:
        node.respond = body("no", 401)
        with pytest.raises(NodeUnavailableError) as failure:
            await ask(node, echo(1), user="u", password="hunter2-secret")
        assert "hunter2" not in str(failure.value)
