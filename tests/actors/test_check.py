"""What is told of each currency before the cashier runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.check import check_nodes, cold_addresses
from actors.errors import ColdAddressError
from tests.actors.desk import desk_settings

NOWHERE = "http://127.0.0.1:9"
# m/84'/1'/0' of the mnemonic "abandon … about", as wallets write it, and its first address on regtest.
VPUB = (
    "vpub5Y6cjg78GGuNLsaPhmYsiw4gYX3HoQiRBiSwDaBXKUafCt9bNwWQiitDk5VZ5BVxYnQdwoTyXSs2JHRPAgjAvtbBrf8ZhDYe2jWA"
    "qvZVnsc"
)
FIRST = "bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk"


def environ(currency: str, **more: str) -> dict[str, str]:
    name = f"CASHIER__COINS__{currency}__"
    return {f"{name}NODE__URL": NOWHERE} | {name + key: value for key, value in more.items()}


async def test_the_first_address_of_a_cold_wallet_is_told_also_while_its_node_is_away(tmp_path: Path) -> None:
    variables = environ("BTC", CUSTODY="watch_only", DEPOSIT_XPUB=VPUB) | environ("LTC")
    btc, ltc = await check_nodes(desk_settings(tmp_path, ("BTC", "LTC"), variables))
    assert btc == {
        "currency": "BTC",
        "network": "regtest",
        "node": NOWHERE,
        "first_deposit_address": FIRST,
        "result": "no connection to the node: Connection refused",
    }
    assert ltc["first_deposit_address"] is None


async def test_a_mistyped_key_is_told(tmp_path: Path) -> None:
    wrong = VPUB[:-1] + "d"
    variables = environ("BTC", CUSTODY="watch_only", DEPOSIT_XPUB=wrong)
    (row,) = await check_nodes(desk_settings(tmp_path, ("BTC",), variables))
    assert row["first_deposit_address"] is None
    assert str(row["result"]).startswith("BTC: deposit_xpub: extended public key ")
    assert wrong not in str(row["result"])


def cold(currency: str, address: str) -> dict[str, str]:
    return environ(currency, HOT_CEILING="1", COLD_ADDRESS=address)


def test_a_cold_address_is_told_as_its_family_writes_it(tmp_path: Path) -> None:
    plain = "0xd8da6bf26964af9d7eed9e03e53415d37aa96045"
    variables = cold("BTC", FIRST.upper()) | cold("ETH", plain)
    settings = desk_settings(tmp_path, ("BTC", "LTC", "ETH"), variables)
    assert cold_addresses(settings) == {
        "BTC": {"BTC": FIRST},
        "LTC": {},
        "ETH": {"ETH": "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"},
    }


@pytest.mark.parametrize(
    ("currency", "address", "reason"),
    [
        ("BTC", FIRST[:-1] + "q", "checksum"),
        ("BTC", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "network"),
        ("BTC", "somewhere safe", "address"),
        ("LTC", FIRST, "network"),
        ("ETH", "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96046", "checksum"),
        ("ETH", "0x" + "0" * 40, "nobody"),
        ("ETH", FIRST, "network"),
    ],
)
def test_a_cold_address_that_is_none_of_its_network_is_named(
    tmp_path: Path, currency: str, address: str, reason: str
) -> None:
    settings = desk_settings(tmp_path, (currency,), cold(currency, address))
    with pytest.raises(ColdAddressError, match=reason) as caught:
        cold_addresses(settings)
    assert str(caught.value).startswith(f"coins.{currency}.cold_address: ")


def test_every_wrong_cold_address_is_named_at_once(tmp_path: Path) -> None:
    settings = desk_settings(tmp_path, ("BTC", "ETH"), cold("BTC", "x1") | cold("ETH", "x2"))
    with pytest.raises(ColdAddressError) as caught:
        cold_addresses(settings)
    keys = [line.partition(":")[0] for line in str(caught.value).splitlines()]
    assert keys == ["coins.BTC.cold_address", "coins.ETH.cold_address"]
