"""Amounts in and out, by the decimals of each currency."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.coins import Coins
from gateway.problem import ProblemError
from tests.gateway.fake import load_settings

COINS = Coins(load_settings().configured)


@pytest.mark.parametrize(
    "text",
    ["-1", "+1", "0", "0.0", "0.00000000", "0.000000001", "1e30", "1E8", "1e-8", "", " ", "abc", "NaN", "nan",
     "Infinity", "-0", ".5", "1.", "1,5", " 1", "1 ", "1\n", "١", "0x10", "1_000", "00.1", "01", "9" * 90,
     "1.000000000", "1.123456789", "--1", "1.2.3", "\u00a01", "1\x00"],
)  # fmt: skip
def test_w22_bad_amounts_are_refused_and_never_rounded(text: str) -> None:
    with pytest.raises(ProblemError) as caught:
        COINS.parse("BTC", text)
    assert caught.value.code == "invalid_amount"
    assert caught.value.errors[0].path == "amount"
    assert text not in caught.value.errors[0].message or len(text) < 3


@given(st.integers(1, 2**256 - 1), st.sampled_from(["BTC", "ETH"]))
def test_amounts_go_round(amount: int, currency: str) -> None:
    assert COINS.parse(currency, COINS.display(currency, amount)) == amount


@given(st.text(alphabet="0123456789.eE+-_, nNaAiIfF", max_size=40))
def test_w22_a_text_is_exact_or_refused(text: str) -> None:
    try:
        amount = COINS.parse("ETH", text)
    except ProblemError:
        return  # refused: that is always safe
    whole, _, fraction = text.partition(".")
    assert amount == int(whole) * 10**18 + int((fraction + "0" * 18)[:18])
    assert len(fraction) <= 18


def test_a_currency_that_is_off_is_known_but_not_offered() -> None:
    settings = load_settings()
    coins = Coins(settings.configured)
    assert coins.offered("BTC").decimals == 8
    off = {name: coin.model_copy(update={"enabled": False}) for name, coin in settings.configured.items()}
    coins.update(off)
    assert coins.info("BTC").decimals == 8
    for ask in (coins.offered, lambda _: coins.info("XYZ")):
        with pytest.raises(ProblemError) as caught:
            ask("BTC")
        assert caught.value.code == "unknown_currency"


def test_a_currency_that_left_the_configuration_can_still_be_shown() -> None:
    coins = Coins(load_settings().configured)
    coins.update({})
    assert coins.display("ETH", 1) == "0.000000000000000001"


def test_a_token_is_served_by_its_chain_and_is_off_with_it() -> None:
    settings = load_settings()
    assert (settings.tokens["USDT-ETH"].enabled, settings.coins["ETH"].enabled) == (False, True)
    on = settings.tokens["USDT-ETH"].model_copy(update={"enabled": True})
    coins = Coins({**settings.coins, "USDT-ETH": on})
    assert (coins.offered("USDT-ETH").chain, coins.offered("ETH").chain) == ("ETH", "ETH")
    assert (coins.parse("USDT-ETH", "1.5"), coins.display("USDT-ETH", 1)) == (1_500_000, "0.000001")
    off = settings.coins["ETH"].model_copy(update={"enabled": False})
    coins.update({"ETH": off, "USDT-ETH": on})
    with pytest.raises(ProblemError) as caught:
        coins.offered("USDT-ETH")
    assert caught.value.code == "unknown_currency"


def test_a_chain_tx_is_shown_where_its_chain_is_explored() -> None:
    found = load_settings().configured
    page = "https://explorer.example/tx/{txid}?from=us"
    known = {name: coin.model_copy(update={"explorer_tx": page}) for name, coin in found.items()}
    coins = Coins(known)
    assert coins.explorer_url("BTC", "ab" * 32) == f"https://explorer.example/tx/{'ab' * 32}?from=us"
    for currency, txid in (("BTC", None), ("XYZ", "ab" * 32)):
        assert coins.explorer_url(currency, txid) is None
    assert Coins(found).explorer_url("BTC", "ab" * 32) is None
