"""The configuration in force, without its secrets."""

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.fields import parse_amount
from config.loader import as_dict, print_config
from config.secrets import MASK, secret_values
from config.show import amount_text

from .conftest import Loader

WEBHOOK = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5"
ENVIRON = {
    "CASHIER__WEBHOOKS__URL": "https://website.example/hook",
    "CASHIER__WEBHOOKS__SECRET": WEBHOOK,
    "CASHIER__SIGNER__PASSPHRASE": "canary passphrase",
    "CASHIER__COINS__BTC__NODE__USER": "cashier",
    "CASHIER__COINS__BTC__NODE__PASSWORD": "canary-rpc",
}


def test_secrets_are_masked_everywhere(settings_of: Loader) -> None:
    settings = settings_of(ENVIRON)
    for text in (print_config(settings), json.dumps(as_dict(settings)), repr(settings), str(settings.signer)):
        assert "canary" not in text
        assert WEBHOOK not in text
    assert as_dict(settings)["signer"]["passphrase"] == MASK
    assert as_dict(settings)["coins"]["BTC"]["node"]["password"] == MASK
    assert as_dict(settings)["webhooks"]["secret_previous"] is None
    assert sorted(secret_values(settings)) == sorted([WEBHOOK, "canary passphrase", "canary-rpc"])
    assert [secret.get_secret_value() for secret in settings.webhooks.secrets] == [WEBHOOK]


def test_printed_configuration_is_toml_and_shows_whole_units(settings_of: Loader) -> None:
    tree = tomllib.loads(print_config(settings_of(ENVIRON)))
    assert tree["gateway"]["port"] == 8081
    assert tree["coins"]["BTC"]["minimum_deposit"] == "0.0001"
    assert tree["coins"]["ETH"]["sweep_threshold"] == "0.01"
    assert tree["coins"]["BTC"]["fee_rate"] == {"fallback": 10, "min": 1, "max": 500}


@given(amount=st.integers(min_value=0, max_value=2**256 - 1), decimals=st.integers(min_value=0, max_value=30))
def test_amount_text_and_back_is_the_same_amount(amount: int, decimals: int) -> None:
    assert parse_amount(amount_text(amount, decimals), decimals) == amount


@pytest.mark.parametrize(
    ("amount", "decimals", "text"),
    [(1, 8, "0.00000001"), (0, 8, "0"), (10**8, 8, "1"), (15, 1, "1.5"), (7, 0, "7")],
)
def test_amount_text_has_no_exponent_and_no_needless_zeros(amount: int, decimals: int, text: str) -> None:
    assert amount_text(amount, decimals) == text
