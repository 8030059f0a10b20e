"""Own accounts: the published development mnemonic, and the signer's own keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from coins.errors import SignerError, UnsupportedError
from coins.eth_library import Account
from coins.evm.derive import open_deriver
from coins.signer.seed import seed_of
from coins.types import Branch
from tests.coins.evm.world import SEED, LocalSigner, eth_settings
from tests.nodes.regtest import AnvilNode

JUNK = "test test test test test test test test test test test junk"


async def test_the_accounts_of_anvil_are_its_mnemonic_derived(anvil: AnvilNode) -> None:
    settings = eth_settings()
    deriver = await open_deriver(settings, LocalSigner(settings, seed_of(JUNK)))
    ours = [(await deriver.derive(Branch.DEPOSIT, index)).address.lower() for index in range(10)]
    assert ours == [account.lower() for account in anvil.accounts]


async def test_hot_accounts_are_on_account_one_as_another_library_derives_them() -> None:
    settings = eth_settings()
    deriver = await open_deriver(settings, LocalSigner(settings, seed_of(JUNK)))
    Account.enable_unaudited_hdwallet_features()
    for index in (0, 3):
        other = Account.from_mnemonic(JUNK, account_path=f"m/44'/60'/1'/0/{index}")
        own = await deriver.derive(Branch.HOT, index)
        assert own.address == other.address
        assert (own.branch, own.index, own.script.hex()) == (Branch.HOT, index, other.address[2:].lower())


async def test_no_change_and_no_wild_index() -> None:
    settings = eth_settings()
    deriver = await open_deriver(settings, LocalSigner(settings))
    with pytest.raises(UnsupportedError):
        await deriver.derive(Branch.CHANGE, 0)
    with pytest.raises(ValueError, match="cannot be derived"):
        await deriver.derive(Branch.DEPOSIT, 2**31)
    own = await deriver.derive(Branch.DEPOSIT, 0)
    assert deriver.parse(own.address).script == own.script
    assert deriver.uri(own.address) == f"ethereum:{own.address}@31337"


async def test_a_configured_key_must_be_the_signers() -> None:
    settings = eth_settings()
    signer = LocalSigner(settings)
    right = await signer.account_xpub("ETH", 0)
    await open_deriver(eth_settings(deposit_xpub=right), signer)
    foreign = await LocalSigner(settings, SEED[::-1]).account_xpub("ETH", 0)
    with pytest.raises(SignerError, match="deposit_xpub is not of the signer's seed"):
        await open_deriver(eth_settings(deposit_xpub=foreign), signer)
    with pytest.raises(SignerError, match="hot_xpub"):
        await open_deriver(eth_settings(hot_xpub=right[:-1] + "1"), signer)


async def test_the_hot_account_of_a_keystore_is_the_configured_address() -> None:
    settings = eth_settings()
    signer = LocalSigner(settings)
    address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    kept = settings.model_copy(update={"hot_keystore": Path("hot.json"), "hot_address": address})
    deriver = await open_deriver(kept, signer)
    hot = await deriver.derive(Branch.HOT, 0)
    assert (hot.address, hot.branch, hot.index) == (address, Branch.HOT, 0)
    with pytest.raises(UnsupportedError, match="no account hot:1"):
        await deriver.derive(Branch.HOT, 1)
    plain = await open_deriver(settings, signer)
    assert await deriver.derive(Branch.DEPOSIT, 3) == await plain.derive(Branch.DEPOSIT, 3)
    burnt = kept.model_copy(update={"hot_address": "0x" + "00" * 20})
    with pytest.raises(UnsupportedError, match="ETH: hot_address "):
        await open_deriver(burnt, signer)
