"""Custody watch_only: addresses of a cold wallet's key, and nothing signed for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coins.bip32 import PublicNode, parse_xpub, serialize
from coins.bitcoin.plan import Terms, plan_payout
from coins.bitcoin.select import Limits
from coins.bitcoin.sign import account_xpub, sign_plan
from coins.coldkey import cold_account
from coins.errors import SignerError, UnsupportedError
from coins.evm.sign import account_xpub as evm_xpub
from coins.evm.sign import sign_plan as evm_sign
from coins.registry import first_cold_address, open_coin
from coins.types import Branch, Location, Outpoint, PayoutWork, TxOutput, Utxo, location_of
from config.schema import CoinSettings
from tests.coins.bitcoin.setup import SEED, FakeSigner, coin_settings
from tests.coins.evm.test_sign import DEPOSIT, HOT, plan_of
from tests.coins.evm.world import LocalSigner, eth_settings

OTHER_SEED = SEED[::-1]
BIP84 = (  # the account key of BIP 84's test vectors and the first address they give
    "zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31mG"
    "DtKsAYz2oz2AGutZYs",
    "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu",
)
CHANGE_OF_BIP84 = "bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el"


def cold(currency: str, seed: bytes = OTHER_SEED, **changes: Any) -> CoinSettings:
    """Settings whose deposits are on another seed's account 0."""
    if currency == "ETH":
        xpub = evm_xpub(seed, eth_settings(), 0)
        return eth_settings(**{"custody": "watch_only", "deposit_xpub": xpub} | changes)
    xpub = account_xpub(seed, coin_settings(currency), 0)
    return coin_settings(currency, **{"custody": "watch_only", "deposit_xpub": xpub} | changes)


def signer_of(settings: CoinSettings, seed: bytes = SEED) -> FakeSigner | LocalSigner:
    """The signer with the hot seed, or with another one."""
    if settings.family == "evm":
        return LocalSigner(settings, seed)
    return FakeSigner(settings, seed)


def test_the_published_key_gives_the_published_addresses() -> None:
    xpub = serialize(parse_xpub(BIP84[0]))
    for text in (BIP84[0], xpub):
        settings = coin_settings("BTC", "mainnet", custody="watch_only", deposit_xpub=text)
        assert first_cold_address(settings) == BIP84[1]


@pytest.mark.parametrize("currency", ["BTC", "LTC", "ETH"])
async def test_deposits_are_the_cold_wallets_and_the_hot_wallet_is_the_seeds(currency: str) -> None:
    settings = cold(currency)
    coin = await open_coin(settings, signer_of(settings))
    plain = settings.model_copy(update={"custody": "seed", "deposit_xpub": None})
    ours = await open_coin(plain, signer_of(plain))
    theirs = await open_coin(plain, signer_of(plain, OTHER_SEED))
    for index in (0, 7):
        deposit = await coin.deriver.derive(Branch.DEPOSIT, index)
        assert deposit == await theirs.deriver.derive(Branch.DEPOSIT, index)
        assert deposit != await ours.deriver.derive(Branch.DEPOSIT, index)
        assert await coin.deriver.derive(Branch.HOT, index) == await ours.deriver.derive(Branch.HOT, index)
    assert first_cold_address(settings) == (await theirs.deriver.derive(Branch.DEPOSIT, 0)).address
    for each in (coin, ours, theirs):
        await each.reader.close()


async def test_the_change_of_the_cold_wallet_is_known() -> None:
    settings = coin_settings("BTC", "mainnet", custody="watch_only", deposit_xpub=BIP84[0])
    coin = await open_coin(settings, FakeSigner(settings, OTHER_SEED))
    assert (await coin.deriver.derive(Branch.COLD_CHANGE, 0)).address == CHANGE_OF_BIP84
    plain = coin_settings("BTC")
    with pytest.raises(UnsupportedError, match="branch cold_change"):
        await (await open_coin(plain, FakeSigner(plain))).deriver.derive(Branch.COLD_CHANGE, 0)


def bad(**changes: Any) -> str:
    """A key that is right but for one thing."""
    node = parse_xpub(BIP84[0])
    return serialize(PublicNode(**{name: getattr(node, name) for name in node.__slots__} | changes))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BIP84[0][:-1] + "t", "checksum"),
        (bad(depth=4), "4 levels deep"),
        (bad(depth=0, parent_fingerprint=b"\0" * 4, child_number=0), "0 levels deep"),
        (bad(child_number=7), "account key is needed"),
        (bad(public_key=b"\x02" + b"\xff" * 32), "no point of the curve"),
        ("", "deposit_xpub"),
    ],
)
def test_a_text_that_is_no_account_key_is_refused(text: str, words: str) -> None:
    with pytest.raises(UnsupportedError, match=words) as caught:
        cold_account("BTC", text)
    assert "BTC: deposit_xpub: " in str(caught.value)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
@pytest.mark.parametrize("account", [0, 1, "sibling"])
async def test_a_key_of_the_hot_seed_is_not_cold(currency: str, account: int | str) -> None:
    plain = cold(currency)
    held = parse_xpub(
        await signer_of(plain).account_xpub(currency, 0 if account == "sibling" else int(account))
    )
    if account == "sibling":  # another account of the same seed: the parent is the same
        held = replace(parse_xpub(str(plain.deposit_xpub)), parent_fingerprint=held.parent_fingerprint)
    version = bytes.fromhex("0488b21e" if currency == "ETH" else "043587cf")
    settings = cold(currency, deposit_xpub=serialize(held, version))
    with pytest.raises(UnsupportedError, match="of the cashier's own seed"):
        await open_coin(settings, signer_of(settings))


async def test_the_signer_signs_nothing_of_the_cold_wallet() -> None:
    settings = coin_settings("BTC", custody="watch_only", deposit_xpub=cold("BTC").deposit_xpub)
    coin = await open_coin(settings, FakeSigner(settings))
    change = await coin.deriver.derive(Branch.CHANGE, 0)
    output = TxOutput(bytes.fromhex("0014" + "02" * 20), "somebody", 50_000)
    terms = Terms(Limits(10, 546, 10**6, 10), settings.signer_tx_cap, settings.rbf)
    for branch, words in (
        (Branch.DEPOSIT, "in a cold wallet"),
        (Branch.COLD_CHANGE, "no key of this seed"),
        (Branch.COLD, "no key of this seed"),
    ):
        own = replace(await coin.deriver.derive(Branch.DEPOSIT, 3), branch=branch)
        utxo = Utxo(Outpoint("aa" * 32, 0), 100_000, own)
        plan = plan_payout(PayoutWork("w1", "payout", "BTC", output, (utxo,), change), terms)
        with pytest.raises(SignerError, match=words):
            sign_plan(SEED, settings, plan)
    # Told as one of the hot wallet's, its script is still no key of the seed.
    own = replace(await coin.deriver.derive(Branch.DEPOSIT, 3), branch=Branch.HOT)
    utxo = Utxo(Outpoint("aa" * 32, 0), 100_000, own)
    plan = plan_payout(PayoutWork("w1", "payout", "BTC", output, (utxo,), change), terms)
    with pytest.raises(SignerError, match="not one of this seed"):
        sign_plan(SEED, settings, plan)


async def test_no_sweep_is_signed_from_a_cold_account() -> None:
    home = TxOutput(HOT.script, HOT.address, 10**18)
    settings = cold("ETH")
    assert settings.family == "evm"
    with pytest.raises(SignerError, match="in a cold wallet"):
        evm_sign(SEED, settings, plan_of(DEPOSIT, "sweep", home))


def test_where_scripts_lie() -> None:
    for branch in Branch:
        is_cold = branch in (Branch.COLD, Branch.COLD_CHANGE)
        plain = Location.COLD if is_cold else Location.DEPOSIT if branch is Branch.DEPOSIT else Location.HOT
        assert location_of(branch, is_watch_only=False) is plain
        cold_too = Location.COLD if branch is Branch.DEPOSIT else plain
        assert location_of(branch, is_watch_only=True) is cold_too
