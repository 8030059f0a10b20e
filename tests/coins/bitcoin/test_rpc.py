"""The client against a server that answers whatever a test wants."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from coins.bitcoin.opening import open_coin
from coins.bitcoin.rpc import BUSY_RETRIES, RpcClient, RpcError
from coins.bitcoin.spender import BitcoinSpender
from coins.errors import (
    NodeDataError,
    NodeSyncingError,
    NodeUnavailableError,
    SignerError,
    UnsupportedError,
    WrongNetworkError,
)
from coins.family import Coin
from coins.index import WatchIndex
from coins.types import BroadcastOutcome, FeeQuote, Head, Location, SignedTx
from config.schema import NodeSettings
from tests.coins.bitcoin.setup import SEED, FakeSigner, coin_settings

PASSWORD = "correct-horse-battery"


class FakeNode:
    """A node that answers from a script: JSON results by method, or whole HTTP answers in turn."""

    def __init__(self) -> None:
        self.url = ""
        self.results: dict[str, Any] = {}
        self.answers: list[Callable[[], web.Response]] = []
        self.seen: list[dict[str, Any]] = []
        self.authorizations: list[str] = []
        self.rest: dict[str, bytes] = {}
        self.wait: asyncio.Event | None = None
        self.three_wait = asyncio.Event()
        self.running = self.running_max = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.authorizations.append(request.headers.get("Authorization", ""))
        if request.method == "GET":
            body = self.rest.get(request.path)
            return web.Response(status=404) if body is None else web.Response(body=body)
        asked = await request.json()
        self.running += 1
        self.running_max = max(self.running_max, self.running)
        if self.running == 3:
            self.three_wait.set()
        try:
            if self.wait is not None:
                await self.wait.wait()
        finally:
            self.running -= 1
        if self.answers:
            return self.answers.pop(0)()
        if isinstance(asked, list):
            return web.json_response([self.result_of(each) for each in reversed(asked)])
        self.seen.append(asked)
        answer = self.result_of(asked)
        return web.Response(
            text=json.dumps(answer) if "raw" not in answer else answer["raw"],
            status=500 if answer.get("error") else 200,
        )

    def result_of(self, asked: dict[str, Any]) -> dict[str, Any]:
        result = self.results.get(asked["method"])
        if callable(result):
            result = result(*asked["params"])
        if isinstance(result, Raw):
            return {"raw": f'{{"result": {result.text}, "error": null, "id": {asked["id"]}}}'}
        if isinstance(result, Refusal):
            return {
                "result": None,
                "error": {"code": result.code, "message": result.message},
                "id": asked["id"],
            }
        return {"result": result, "error": None, "id": asked["id"]}


class Raw:
    """A result in JSON of one's own spelling."""

    def __init__(self, text: str) -> None:
        self.text = text


class Refusal:
    """An RPC error."""

    def __init__(self, code: int, message: str = "words") -> None:
        self.code = code
        self.message = message


@pytest.fixture
async def node() -> AsyncIterator[FakeNode]:
    fake = FakeNode()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", fake.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    fake.url = f"http://{host}:{port}"
    yield fake
    await runner.cleanup()


@pytest.fixture
async def client(node: FakeNode) -> AsyncIterator[RpcClient]:
    made = RpcClient(door(node))
    yield made
    await made.close()


@pytest.fixture
async def coin(node: FakeNode) -> AsyncIterator[Coin]:
    settings = coin_settings("BTC", node={"url": node.url, "user": "u", "password": SecretStr(PASSWORD)})
    opened = await open_coin(settings, FakeSigner(settings))
    node.results = {"getblockhash": settings.genesis_hash, "getblockchaininfo": INFO}
    yield opened
    await opened.reader.close()


INFO = {
    "chain": "regtest", "blocks": 5, "headers": 5, "bestblockhash": "ab" * 32, "chainwork": "0c",
    "initialblockdownload": False,
}  # fmt: skip


def door(node: FakeNode, **changes: Any) -> NodeSettings:
    values: dict[str, Any] = {"url": node.url, "user": "u", "password": SecretStr(PASSWORD)}
    return NodeSettings.model_validate(values | changes)


def text(status: int, body: str) -> Callable[[], web.Response]:
    return lambda: web.Response(status=status, text=body)


async def test_a_result_comes_back_with_exact_numbers(node: FakeNode, client: RpcClient) -> None:
    node.results["getbalance"] = Raw("20999999.99999999")
    assert str(await client.call("getbalance", "*", 1)) == "20999999.99999999"
    assert node.seen[0]["params"] == ["*", 1]
    assert node.authorizations[0] == "Basic " + base64.b64encode(f"u:{PASSWORD}".encode()).decode()


async def test_an_error_keeps_its_code_whatever_the_status(node: FakeNode, client: RpcClient) -> None:
    node.results["x"] = Refusal(-18, "Requested wallet does not exist or is not loaded")
    with pytest.raises(RpcError, match="-18") as caught:
        await client.call("x", wallet="w/../x")
    assert (caught.value.code, caught.value.message[:9]) == (-18, "Requested")
    node.answers = [text(200, '{"result": null, "error": {"code": -5, "message": "m"}, "id": 9}')]
    with pytest.raises(RpcError, match="-5"):
        await client.call("x")


async def test_d29_warming_up_is_syncing(node: FakeNode, client: RpcClient) -> None:
    node.results["x"] = Refusal(-28, "Loading block index")
    with pytest.raises(NodeSyncingError, match="Loading block index"):
        await client.call("x")


@pytest.mark.parametrize("status", [500, 503])
async def test_a_full_work_queue_is_tried_again(node: FakeNode, client: RpcClient, status: int) -> None:
    busy = text(status, "Work queue depth exceeded")
    node.results["x"] = 7
    node.answers = [busy] * (BUSY_RETRIES - 1)
    assert await client.call("x") == 7
    node.answers = [busy] * BUSY_RETRIES
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
    node: FakeNode, client: RpcClient, status: int, body: str, error: type[Exception]
) -> None:
    node.answers = [text(status, body)]
    with pytest.raises(error) as caught:
        await client.call("x")
    assert type(caught.value) is error


async def test_a_silent_node_is_unavailable_in_time(node: FakeNode) -> None:
    node.wait = asyncio.Event()
    client = RpcClient(door(node, timeout_s=0.1))
    with pytest.raises(NodeUnavailableError, match=r"no answer within 0\.1 s"):
        await client.call("x")
    node.wait.set()
    await client.close()


async def test_calls_under_way_are_bounded_and_long_polls_take_no_slot(node: FakeNode) -> None:
    node.wait = asyncio.Event()
    client = RpcClient(door(node, max_parallel=2))
    poll = asyncio.create_task(client.long_poll("wait", timeout_s=20))
    calls = [asyncio.create_task(client.call("x")) for _ in range(8)]
    await asyncio.wait_for(node.three_wait.wait(), 10)
    node.wait.set()
    await asyncio.gather(poll, *calls)
    assert node.running_max == 3
    await client.close()


async def test_too_large_an_answer_is_not_read(node: FakeNode) -> None:
    client = RpcClient(door(node, response_limit_mb=1))
    node.rest["/rest/block/x.bin"] = bytes(1_000_001)
    with pytest.raises(NodeUnavailableError, match="response_limit_mb = 1"):
        await client.rest("/rest/block/x.bin")
    node.rest["/rest/block/x.bin"] = bytes(1_000_000)
    assert len(await client.rest("/rest/block/x.bin") or b"") == 1_000_000
    assert await client.rest("/rest/block/y.bin") is None
    await client.close()


async def test_the_cookie_is_read_again_when_the_node_refuses_it(node: FakeNode, tmp_path: Path) -> None:
    cookie = tmp_path / ".cookie"
    client = RpcClient(door(node, user=None, password=None, cookie_file=cookie))
    with pytest.raises(NodeUnavailableError, match="cannot be read"):
        await client.call("x")
    cookie.write_text("__cookie__:first")
    node.results["x"] = 1
    assert await client.call("x") == 1
    cookie.write_text("__cookie__:second")
    node.answers = [text(401, "")]
    assert await client.call("x") == 1
    assert base64.b64decode(node.authorizations[-1].split()[1]) == b"__cookie__:second"
    node.answers = [text(401, ""), text(401, "")]
    with pytest.raises(NodeUnavailableError, match="refuses our user and password") as caught:
        await client.call("x")
    assert "second" not in str(caught.value)
    await client.close()


async def test_no_password_in_any_error(node: FakeNode, client: RpcClient) -> None:
    for answer in (text(401, ""), text(500, PASSWORD[:4]), text(200, "x")):
        node.answers = [answer]
        with pytest.raises((NodeUnavailableError, NodeDataError)) as caught:
            await client.call("x")
        assert PASSWORD not in repr(caught.value)
        assert PASSWORD not in repr(caught.value.__cause__)
    gone = RpcClient(door(node, url="http://127.0.0.1:1"))
    with pytest.raises(NodeUnavailableError, match="no connection") as caught_gone:
        await gone.call("x")
    assert PASSWORD not in repr(caught_gone.value)
    await gone.close()


async def test_batches_come_back_in_order_with_their_own_errors(node: FakeNode, client: RpcClient) -> None:
    node.results["x"] = lambda number: Refusal(-5) if number == 1 else number * 10
    first, second, third = await client.batch("x", [[0], [1], [2]])
    assert (first, third) == (0, 20)
    assert isinstance(second, RpcError)
    assert await client.batch("x", []) == []
    for body in (
        '[{"id": 0, "result": 1}]', '[{"id": 5, "result": 1}, {"id": 0}]', "[1, 2]", '{"id": 0, "result": 1}',
        '[{"id": "0"}, {"id": 1}]',
    ):  # fmt: skip
        node.answers = [text(200, body)]
        with pytest.raises(NodeDataError):
            await client.batch("x", [[0], [1]])


async def test_d29_a_node_that_downloads_is_not_believed(node: FakeNode, coin: Coin) -> None:
    await coin.reader.identify()
    assert await coin.reader.head() == Head(5, "ab" * 32, 12)
    for change in ({"initialblockdownload": True}, {"headers": 900}):
        node.results["getblockchaininfo"] = INFO | change
        with pytest.raises(NodeSyncingError, match="downloads blocks"):
            await coin.reader.head()
        with pytest.raises(NodeSyncingError):
            await coin.reader.identify()


async def test_d34_another_chain_is_refused(node: FakeNode, coin: Coin) -> None:
    node.results["getblockhash"] = "53" * 32
    with pytest.raises(WrongNetworkError, match="genesis block is 5353"):
        await coin.reader.identify()
    node.results["getblockhash"] = coin_settings("BTC").genesis_hash
    node.results["getblockchaininfo"] = INFO | {"chain": "main"}
    with pytest.raises(WrongNetworkError, match="serves main, not regtest"):
        await coin.reader.identify()


@pytest.mark.parametrize("field", ["blocks", "headers", "bestblockhash", "chainwork", "initialblockdownload"])
@pytest.mark.parametrize("value", [None, -2, "1.0", [], 10**400, {"x": 1}])
async def test_d23_a_hostile_head_is_refused_by_name(
    node: FakeNode, coin: Coin, field: str, value: object
) -> None:
    node.results["getblockchaininfo"] = INFO | {field: value}
    with pytest.raises(NodeDataError, match=f"^{field}: "):
        await coin.reader.head()
    node.results["getblockchaininfo"] = {key: held for key, held in INFO.items() if key != field}
    with pytest.raises(NodeDataError, match=f"^{field}: "):
        await coin.reader.head()


@pytest.mark.parametrize("amount", ["-1", "1e400", '"1.0"', "null", "21000000.00000001", "0.000000001"])
async def test_d23_hostile_holdings_are_refused(node: FakeNode, coin: Coin, amount: str) -> None:
    unspent = f'{{"txid": "{"cd" * 32}", "vout": 0, "scriptPubKey": "51", "amount": {amount}, "height": 1}}'
    node.results["scantxoutset"] = Raw(
        f'{{"success": true, "height": 5, "bestblock": "{"ab" * 32}", "unspents": [{unspent}]}}'
    )
    with pytest.raises(NodeDataError, match=r"^amount: "):
        await coin.reader.holdings([(b"\x51", Location.HOT)])


async def test_d23_a_block_of_another_hash_is_refused(node: FakeNode, coin: Coin) -> None:
    genesis = bytes.fromhex(
        "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f61"
        "7fc81bc3888a51323a9fb8aa4b1e5e4adae5494dffff7f20020000000101000000010000000000000000000000000000000000"
        "000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f323030392043"
        "68616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff01"
        "00f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4"
        "f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000"
    )
    genesis_hash = str(coin_settings("BTC").genesis_hash)
    header = {"height": 0, "time": 1, "chainwork": "02", "confirmations": 1}
    node.results["getblockheader"] = lambda block_hash: header | {"hash": block_hash}
    node.rest[f"/rest/block/{genesis_hash}.bin"] = genesis
    block = await coin.reader.read_block(0, genesis_hash, WatchIndex())
    assert (block.ref.block_hash, block.ref.work) == (genesis_hash, 2)
    with pytest.raises(NodeDataError, match="not the one at height 3"):
        await coin.reader.read_block(3, genesis_hash, WatchIndex())
    node.rest[f"/rest/block/{'ee' * 32}.bin"] = genesis
    with pytest.raises(NodeDataError, match="asked for block ee"):
        await coin.reader.read_block(0, "ee" * 32, WatchIndex())
    node.rest[f"/rest/block/{genesis_hash}.bin"] = genesis[:-9]
    with pytest.raises(NodeDataError, match="its chain txs end at"):
        await coin.reader.read_block(0, genesis_hash, WatchIndex())


async def test_the_fee_stays_within_its_bounds(node: FakeNode, coin: Coin) -> None:
    for answer, rate in (
        (Raw('{"errors": ["Insufficient data or no feerate found"], "blocks": 0}'), 10),
        (Raw('{"feerate": 0.00000001, "blocks": 6}'), 1),
        (Raw('{"feerate": 0.00012001, "blocks": 6}'), 13),
        (Raw('{"feerate": 0.9, "blocks": 6}'), 500),
    ):
        node.results["estimatesmartfee"] = answer
        assert await coin.spender.quote() == FeeQuote(fee_rate_sat_vb=rate)
    node.results["estimatesmartfee"] = Raw('{"feerate": -1}')
    with pytest.raises(NodeDataError, match="feerate"):
        await coin.spender.quote()


async def test_w02_a_broadcast_without_a_clear_answer_is_unknown(node: FakeNode, coin: Coin) -> None:
    signed = SignedTx("ab" * 32, "00")
    allowed = [{"txid": "ab" * 32, "allowed": True}]
    node.results["testmempoolaccept"] = allowed
    for answer in (None, "xx", "cd" * 32, Refusal(-28), Refusal(-25, "new words"), Refusal(-1)):
        node.results["sendrawtransaction"] = answer
        assert (await coin.spender.broadcast(signed)).outcome is BroadcastOutcome.UNKNOWN
    node.results["sendrawtransaction"] = "ab" * 32
    for tested in (None, [], allowed * 2, [{"allowed": 1}], [{"allowed": False}]):
        node.results["testmempoolaccept"] = tested
        assert (await coin.spender.broadcast(signed)).outcome is BroadcastOutcome.UNKNOWN
    node.results["testmempoolaccept"] = [{"allowed": False, "reject-reason": "dust"}]
    assert (await coin.spender.broadcast(signed)).outcome is BroadcastOutcome.REJECTED
    node.results["testmempoolaccept"] = allowed
    node.answers = [text(200, ""), text(200, "")]
    assert (await coin.spender.broadcast(signed)).outcome is BroadcastOutcome.UNKNOWN


async def test_the_mempool_is_fetched_once(node: FakeNode, coin: Coin) -> None:
    script = b"\x00\x14" + b"\x01" * 20
    raw = (
        "02000000"
        + "01"
        + "11" * 32
        + "00000000"
        + "00"
        + "ffffffff"
        + "01"
        + (500).to_bytes(8, "little").hex()
    )
    raw += "16" + script.hex() + "00000000"
    asked: list[str] = []
    node.results["getrawmempool"] = ["aa" * 32, "bb" * 32]

    def fetch(txid: str, _: bool) -> object:
        asked.append(txid)
        return Refusal(-5) if txid == "bb" * 32 and len(asked) < 3 else raw

    node.results["getrawtransaction"] = fetch
    index = WatchIndex([script])
    for count in (1, 2, 2):
        view = await coin.reader.mempool(index)
        assert [(r.position, r.amount) for r in view.receipts] == [("0", 500)] * count
        assert view.txids == {"aa" * 32, "bb" * 32}
    assert sorted(asked) == ["aa" * 32, "bb" * 32, "bb" * 32]
    node.results["getrawmempool"] = []
    assert (await coin.reader.mempool(index)).receipts == ()
    node.results |= {"getrawmempool": ["cc" * 32], "getrawtransaction": "00"}
    with pytest.raises(NodeDataError, match="breaks off"):
        await coin.reader.mempool(index)


async def test_only_a_complete_index_can_say_no(node: FakeNode, coin: Coin) -> None:
    node.results |= {
        "getrawtransaction": Refusal(-5, "No such mempool transaction. Use -txindex or provide a block hash"),
        "gettxout": None,
    }
    assert await coin.reader.is_in_chain_or_mempool("ab" * 32) is None
    node.results["gettxout"] = {"value": 1}
    assert await coin.reader.is_in_chain_or_mempool("ab" * 32) is True
    node.results["getrawtransaction"] = Refusal(
        -5, "No such mempool or blockchain transaction. Use gettransaction"
    )
    assert await coin.reader.is_in_chain_or_mempool("ab" * 32) is False


async def test_a_signer_that_names_another_txid_is_refused(coin: Coin) -> None:
    class Liar(FakeSigner):
        async def sign(self, plan: Any) -> SignedTx:
            return SignedTx("00" * 32, (await super().sign(plan)).raw)

    from tests.coins.bitcoin.test_sign import planned

    settings = coin_settings("BTC")
    spender = BitcoinSpender(settings, RpcClient(settings.node), Liar(settings))
    with pytest.raises(SignerError, match="named txid"):
        await spender.sign(planned())
    honest = BitcoinSpender(settings, RpcClient(settings.node), FakeSigner(settings))
    with pytest.raises(SignerError, match="differs from the plan"):
        await BitcoinSpender(settings, RpcClient(settings.node), Swapped(settings)).sign(planned())
    assert (await honest.sign(planned())).txid


class Swapped(FakeSigner):
    """Signs something else than it is asked."""

    async def sign(self, plan: Any) -> SignedTx:
        from tests.coins.bitcoin.test_sign import planned

        return await super().sign(planned(amount=200_000))


async def test_a_configured_account_key_must_be_the_signers() -> None:
    settings = coin_settings("BTC")
    signer = FakeSigner(settings)
    held = await signer.account_xpub("BTC", 0)
    await open_coin(coin_settings("BTC", deposit_xpub=held), signer)
    with pytest.raises(SignerError, match="account 0 is not the configured one"):
        await open_coin(coin_settings("BTC", deposit_xpub=held), FakeSigner(settings, SEED[::-1]))


async def test_what_is_not_proven_is_unsupported() -> None:
    for changes in (
        {"address_type": "p2pkh"},
        {"tx": {"segwit": True, "forkid": True}},
        {"unsupported": "not proven"},
    ):
        settings = coin_settings("BTC", **changes)
        with pytest.raises(UnsupportedError, match="BTC: "):
            await open_coin(settings, FakeSigner(settings))
