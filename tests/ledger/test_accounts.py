"""Names of accounts and what can be read from them."""

from __future__ import annotations

import pytest

from coins.types import Location
from ledger import accounts
from ledger.accounts import AccountClass, Part

CHART = [
    (accounts.onchain("BTC", Location.HOT), AccountClass.ASSET, True),
    (accounts.client_deficit("a.b-c_1", "BTC"), AccountClass.ASSET, True),
    (accounts.unexplained("BTC"), AccountClass.ASSET, True),
    (accounts.chain_tx("BTC"), AccountClass.CLEARING, True),
    (accounts.client("alice", "USDT-ETH", Part.PENDING), AccountClass.LIABILITY, False),
    (accounts.suspense("BTC"), AccountClass.LIABILITY, False),
    (accounts.refund_payable("BTC"), AccountClass.LIABILITY, False),
    (accounts.house("BTC"), AccountClass.EQUITY, False),
    (accounts.withdrawal_fee("BTC"), AccountClass.REVENUE, False),
    (accounts.unclaimed("BTC"), AccountClass.REVENUE, False),
    (accounts.network_fee("BTC"), AccountClass.EXPENSE, True),
    (accounts.token_fee("BTC"), AccountClass.EXPENSE, True),
    (accounts.loss("BTC"), AccountClass.EXPENSE, True),
]


@pytest.mark.parametrize(("name", "account_class", "is_debit_normal"), CHART)
def test_every_account_of_the_chart_is_read_back(
    name: str, account_class: AccountClass, is_debit_normal: bool
) -> None:
    account = accounts.parse(name)
    assert (account.account_class, account.is_debit_normal) == (account_class, is_debit_normal)
    assert account.currency in ("BTC", "USDT-ETH")


def test_a_client_account_names_client_currency_and_part() -> None:
    account = accounts.parse(accounts.client("alice", "USDT-ETH", Part.RESERVED))
    assert (account.client_id, account.currency, account.part) == ("alice", "USDT-ETH", "reserved")


@pytest.mark.parametrize(
    "name",
    ["", "house", "house:", "cash:BTC", "client:alice:BTC", "client::BTC:available", "onchain:BTC:moon",
     "client:alice:BTC:spent", "house:BTC:hot", "client:a:b:BTC:available"],
)  # fmt: skip
def test_a_name_outside_the_chart_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not an account of the chart"):
        accounts.parse(name)
