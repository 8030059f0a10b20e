"""What is opened, and what is refused before anything is asked."""

from __future__ import annotations

import pytest

from coins.bitcoin.opening import open_coin
from coins.errors import SignerError, UnsupportedError
from tests.coins.bitcoin.setup import SEED, FakeSigner, coin_settings


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
