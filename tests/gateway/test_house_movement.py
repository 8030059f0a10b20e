"""House money announced over HTTP, on the real ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from coins.types import LOCATION_OF, Branch
from gateway.coins import Coins
from gateway.house import list_house_movements
from ledger.commands import RecordScript, ReserveScript
from tests.fakes.coin import own_script
from tests.gateway.fake import load_settings
from tests.gateway.house import open_house
from tests.gateway.test_admin import act

BODY = {"kind": "announce", "currency": "BTC", "txid": "ab" * 32, "reason": "float for the weekend"}


async def test_house_money_is_announced_once_and_listed(tmp_path: Path) -> None:
    assert list_house_movements.__doc__
    async with open_house(tmp_path) as house:
        token = await house.operator()
        made = await act(house, token, "house-movements", BODY)
        assert (made.status, made.data["txid"], made.data["by"]) == (201, "ab" * 32, "operator:op_ann")
        other = await act(house, token, "house-movements", {**BODY, "txid": "0x" + "cd" * 32})
        assert other.data["txid"] == "cd" * 32
        first = (await house.send("GET", "/v1/admin/house-movements?limit=1", token)).data
        assert [line["id"] for line in first["data"]] == [other.data["id"]]
        query = f"?currency=BTC&cursor={first['next_cursor']}"
        rest = (await house.send("GET", f"/v1/admin/house-movements{query}", token)).data
        assert (rest["data"], rest["next_cursor"]) == ([made.data], None)
        audit = (await house.send("GET", "/v1/admin/audit?action=announce_house_funding", token)).data["data"]
        assert audit[-1]["data"]["reason"] == "float for the weekend"


async def test_where_the_hot_wallet_is_funded_is_told_to_operators_and_no_clients_address(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path) as house:
        for branch, purpose in {Branch.COLD: "cold:1", Branch.COLD_CHANGE: "cold_change:0"}.items():
            own = own_script("BTC", branch, await house.ask(ReserveScript("BTC", branch, purpose)))
            await house.ask(RecordScript("BTC", purpose, own, LOCATION_OF[branch], None))
        token = await house.operator()
        told = (await house.send("GET", "/v1/admin/house-addresses", token)).data["data"]
        assert told == [
            {"currency": "BTC", "location": "hot", "address": "hot"},
            {"currency": "BTC", "location": "cold", "address": own_script("BTC", Branch.COLD, 0).address},
        ]
        assert (await house.send("GET", "/v1/admin/house-addresses", house.token)).status in (401, 403)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"currency": "XYZ"}, "unknown_currency"),
        ({"txid": "ab"}, "validation_failed"),
        ({"txid": "AB" * 32}, "validation_failed"),
        ({"kind": "gift"}, "validation_failed"),
        ({"amount": "1"}, "validation_failed"),
        ({"reason": ""}, "validation_failed"),
    ],
    ids=str,
)
async def test_what_is_no_announcement_is_refused(tmp_path: Path, change: dict[str, str], code: str) -> None:
    async with open_house(tmp_path) as house:
        answer = await act(house, await house.operator(), "house-movements", {**BODY, **change})
        assert answer.code == code


def test_a_txid_is_written_as_the_books_of_its_chain_do() -> None:
    coins = Coins(load_settings().configured)
    for text in ("ab" * 32, "0x" + "ab" * 32):
        assert coins.txid("BTC", text) == "ab" * 32
        assert coins.txid("ETH", text) == "0x" + "ab" * 32
