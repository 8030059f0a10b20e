"""What is told of each currency before the cashier runs."""

from __future__ import annotations

from pathlib import Path

from actors.check import check_nodes
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
