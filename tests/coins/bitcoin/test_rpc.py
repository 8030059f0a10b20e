"""The client against a server that answers whatever a test wants."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from coins.bitcoin.rpc import BUSY_RETRIES, RpcClient, RpcError
from coins.errors import NodeDataError, NodeSyncingError, NodeUnavailableError
from tests.coins.bitcoin.fake_node import PASSWORD, FakeNode, Raw, Refusal, door, text


async def test_a_result_comes_back_with_exact_numbers(fake_node: FakeNode, client: RpcClient) -> None:
    fake_node.results["getbalance"] = Raw("20999999.99999999")
    assert str(await client.call("getbalance", "*", 1)) == "20999999.99999999"
    assert fake_node.seen[0]["params"] == ["*", 1]
    assert fake_node.authorizations[0] == "Basic " + base64.b64encode(f"u:{PASSWORD}".encode()).decode()


async def test_an_error_keeps_its_code_whatever_the_status(fake_node: FakeNode, client: RpcClient) -> None:
    fake_node.results["x"] = Refusal(-18, "Requested wallet does not exist or is not loaded")
    with pytest.raises(RpcError, match="-18") as caught:
        await client.call("x", wallet="w/../x")
    assert (caught.value.code, caught.value.message[:9]) == (-18, "Requested")
    fake_node.answers = [text(200, '{"result": null, "error": {"code": -5, "message": "m"}, "id": 9}')]
    with pytest.raises(RpcError, match="-5"):
        await client.call("x")


async def test_d29_warming_up_is_syncing(fake_node: FakeNode, client: RpcClient) -> None:
    fake_node.results["x"] = Refusal(-28, "Loading block index")
    with pytest.raises(NodeSyncingError, match="Loading block index"):
        await client.call("x")


@pytest.mark.parametrize("status", [500, 503])
async def test_a_full_work_queue_is_tried_again(fake_node: FakeNode, client: RpcClient, status: int) -> None:
    busy = text(status, "Work queue depth exceeded")
    fake_node.results["x"] = 7
    fake_node.answers = [busy] * (BUSY_RETRIES - 1)
    assert await client.call("x") == 7
    fake_node.answers = [busy] * BUSY_RETRIES
    with pytest.raises(NodeUnavailableError, match="queue is full"):
        await client.call("x")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, "", NodeUnavailableError),
        (502, "<html>Bad gateway</html>", NodeUnavailableError),
        (404, "", NodeUnavailableError),
        (403, "", NodeUnavailableError),
        (302, "", NodeUnavailableError),
        (200, "", NodeDataError),
        (200, "hello", NodeDataError),
        (200, "[]", NodeDataError),
        (200, "null", NodeDataError),
        (200, '{"id": 1}', NodeDataError),
        (200, '{"result": 1, "error": null, "id": 77}', NodeDataError),
        (200, '{"result": 1, "error": "no", "id": 1}', NodeDataError),
        (200, '{"result": 1, "error": {"code": "1", "message": "m"}, "id": 1}', NodeDataError),
        (200, '{"result": 1, "error": {"code": 1}, "id": 1}', NodeDataError),
        (500, '{"result": 1, "error": null, "id": 1}', NodeUnavailableError),
        (200, '{"result": NaN, "error": null, "id": 1}', NodeDataError),
    ],
)
async def test_d23_an_answer_that_is_none(
    fake_node: FakeNode, client: RpcClient, status: int, body: str, error: type[Exception]
) -> None:
    fake_node.answers = [text(status, body)]
    with pytest.raises(error) as caught:
        await client.call("x")
    assert type(caught.value) is error


async def test_a_silent_node_is_unavailable_in_time(fake_node: FakeNode) -> None:
    fake_node.wait = asyncio.Event()
    client = RpcClient(door(fake_node, timeout_s=0.1))
    with pytest.raises(NodeUnavailableError, match=r"no answer within 0\.1 s"):
        await client.call("x")
    fake_node.wait.set()
    await client.close()


async def test_calls_under_way_are_bounded_and_long_polls_take_no_slot(fake_node: FakeNode) -> None:
    fake_node.wait = asyncio.Event()
    client = RpcClient(door(fake_node, max_parallel=2))
    poll = asyncio.create_task(client.long_poll("wait", timeout_s=20))
    calls = [asyncio.create_task(client.call("x")) for _ in range(8)]
    await asyncio.wait_for(fake_node.three_wait.wait(), 10)
    fake_node.wait.set()
    await asyncio.gather(poll, *calls)
    assert fake_node.running_max == 3
    await client.close()


async def test_too_large_an_answer_is_not_read(fake_node: FakeNode) -> None:
    client = RpcClient(door(fake_node, response_limit_mb=1))
    fake_node.rest["/rest/block/x.bin"] = bytes(1_000_001)
    with pytest.raises(NodeUnavailableError, match="response_limit_mb = 1"):
        await client.rest("/rest/block/x.bin")
    fake_node.rest["/rest/block/x.bin"] = bytes(1_000_000)
    assert len(await client.rest("/rest/block/x.bin") or b"") == 1_000_000
    assert await client.rest("/rest/block/y.bin") is None
    await client.close()


async def test_the_cookie_is_read_again_when_the_node_refuses_it(fake_node: FakeNode, tmp_path: Path) -> None:
    cookie = tmp_path / ".cookie"
    client = RpcClient(door(fake_node, user=None, password=None, cookie_file=cookie))
    with pytest.raises(NodeUnavailableError, match="cannot be read"):
        await client.call("x")
    cookie.write_text("__cookie__:first")
    fake_node.results["x"] = 1
    assert await client.call("x") == 1
    cookie.write_text("__cookie__:second")
    fake_node.answers = [text(401, "")]
    assert await client.call("x") == 1
    assert base64.b64decode(fake_node.authorizations[-1].split()[1]) == b"__cookie__:second"
    fake_node.answers = [text(401, ""), text(401, "")]
    with pytest.raises(NodeUnavailableError, match="refuses our user and password") as caught:
        await client.call("x")
    assert "second" not in str(caught.value)
    await client.close()


async def test_no_password_in_any_error(fake_node: FakeNode, client: RpcClient) -> None:
    for answer in (text(401, ""), text(500, PASSWORD[:4]), text(200, "x")):
        fake_node.answers = [answer]
        with pytest.raises((NodeUnavailableError, NodeDataError)) as caught:
            await client.call("x")
        assert PASSWORD not in repr(caught.value)
        assert PASSWORD not in repr(caught.value.__cause__)
    gone = RpcClient(door(fake_node, url="http://127.0.0.1:1"))
    with pytest.raises(NodeUnavailableError, match="no connection") as caught_gone:
        await gone.call("x")
    assert PASSWORD not in repr(caught_gone.value)
    await gone.close()


async def test_batches_come_back_in_order_with_their_own_errors(
    fake_node: FakeNode, client: RpcClient
) -> None:
    fake_node.results["x"] = lambda number: Refusal(-5) if number == 1 else number * 10
    first, second, third = await client.batch("x", [[0], [1], [2]])
    assert (first, third) == (0, 20)
    assert isinstance(second, RpcError)
    assert await client.batch("x", []) == []
    for body in (
        '[{"id": 0, "result": 1}]', '[{"id": 5, "result": 1}, {"id": 0}]', "[1, 2]", '{"id": 0, "result": 1}',
        '[{"id": "0"}, {"id": 1}]',
    ):  # fmt: skip
        fake_node.answers = [text(200, body)]
        with pytest.raises(NodeDataError):
            await client.batch("x", [[0], [1]])
