"""What is in no block, over HTTP on the real ledger, with and without the node's word."""

from __future__ import annotations

from pathlib import Path

from actors.directory import Directory
from actors.in_flight import GetInFlightNow, GetUnconfirmed, Unconfirmed, in_flight_now
from actors.runtime import AsyncioActor
from coins.types import MempoolView
from gateway.context import GATEWAY
from gateway.in_flight import get_in_flight
from gateway.in_flight_render import in_flight
from gateway.in_flight_replies import InFlightReply
from tests.fakes.chain import FakeTx
from tests.fakes.coin import foreign, mempool_view
from tests.gateway.fake import Answer
from tests.gateway.house import House
from tests.gateway.test_story import shown, staffed
from tests.ledger.till import Till


class Looker(AsyncioActor):
    """A watcher whose last look is given."""

    def __init__(self, last: Unconfirmed | None) -> None:
        super().__init__()
        self._last = last

    async def on_receive(self, message: object) -> object:
        assert isinstance(message, GetUnconfirmed)
        return self._last


class Together(AsyncioActor):
    """A reconciler that does nothing else."""

    def __init__(self, directory: Directory) -> None:
        super().__init__()
        self._directory = directory

    async def on_receive(self, message: object) -> object:
        assert isinstance(message, GetInFlightNow)
        return await in_flight_now(self._directory, 5.0, message, is_watched=message.chain == "BTC")


def flying(folder: Path) -> Till:
    """A payout out, a deposit coming in, and somebody else who spends the house's float."""
    till = staffed(Till(folder))
    till.chain.pay((till.hot.script, 70_000))
    till.deposit("alice", 100_000, blocks=6)
    till.open("alice", 30_000)
    till.pay_all()
    till.deposit("bob", 5_000)
    held = {amount: point for point, (script, amount) in till.chain.tip.state.outputs.items()}
    till.chain.send(FakeTx(((foreign("thief").script, 69_000),), (held[70_000],)))
    till.look()
    return till


async def look(house: House, token: str, last: Unconfirmed | None, currency: str = "BTC") -> Answer:
    """The reply, with a watcher that last saw ``last``."""
    directory = house.app[GATEWAY].directory
    assert isinstance(directory, Directory)
    watcher, together = Looker.start(last), Together.start(directory)
    directory.up("watcher:BTC", watcher)
    directory.up("reconciler", together)
    answer = await house.send("GET", f"/v1/admin/in-flight?currency={currency}", token)
    for ref in (together, watcher):
        await ref.stop(block=False)
    return answer


async def test_an_operator_sees_what_is_under_way_and_what_it_comes_to(tmp_path: Path) -> None:
    assert get_in_flight.__doc__
    assert in_flight.__doc__
    till = flying(tmp_path)
    view, tip = mempool_view(till.chain, till.index), till.known()[0]
    async with shown(till) as house:
        last = Unconfirmed(view, tip.block_hash, 1_760_000_000)
        told = (await look(house, await house.operator(), last)).data
        assert set(told) == set(InFlightReply.model_fields)
        assert (told["block_height"], told["block_hash"]) == (tip.height, tip.block_hash)
        assert told["node_looked_at"] == "2025-10-09T08:53:20Z"
        lines = {line["location"]: line for line in told["locations"]}
        assert lines["deposit"] == {
            "location": "deposit",
            "onchain": "0.00100000",
            "incoming": "0.00005000",
            "foreign": "0.00000000",
            "moving": {"low": "-0.00100000", "high": "-0.00100000"},
            "expected": {"low": "0.00005000", "high": "0.00005000"},
        }
        assert lines["hot"]["foreign"] == "0.00070000"
        (movement,) = told["movements"]
        (candidate,) = movement["candidates"]
        assert (candidate["leaves"], candidate["returns"]) == ("0.00030000", "0.00069900")
        assert (candidate["in_mempool"], candidate["counted"], candidate["withdrawals"]) == (
            True,
            True,
            ["wd_1"],
        )
        assert [each["client_id"] for each in told["incoming"]] == ["bob"]
        assert [each["spends"]["location"] for each in told["foreign"]] == ["hot"]


async def test_without_the_nodes_word_the_books_alone_are_told_and_it_is_said(tmp_path: Path) -> None:
    async with shown(flying(tmp_path)) as house:
        other_block = Unconfirmed(MempoolView((), frozenset()), "ff" * 32, 1_760_000_000)
        token = await house.operator()
        for last in (None, other_block):
            told = (await look(house, token, last)).data
            assert told["node_looked_at"] is None
            assert told["foreign"] == []
            assert len(told["incoming"]) == 1
            (movement,) = told["movements"]
            assert movement["candidates"][0]["in_mempool"] is None
        missing = await look(house, token, None, "XYZ")
        assert (missing.status, missing.code) == (404, "unknown_currency")
