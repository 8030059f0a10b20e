"""House money announced over HTTP, on the real ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.coins import Coins
from gateway.house import list_house_movements
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
