"""Own addresses against the published vectors of BIP 84."""

from __future__ import annotations

import pytest

from coins.bip32 import Bip32Error
from coins.bitcoin.derive import XpubDeriver
from coins.bitcoin.sign import account_xpub
from coins.errors import SignerError, UnsupportedError
from coins.types import DERIVED, Branch
from tests.coins.bitcoin.setup import SEED, coin_settings

ZPUB = (
    "zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31mG"
    "DtKsAYz2oz2AGutZYs"
)
MAIN = coin_settings("BTC", "mainnet")


async def test_the_published_addresses() -> None:
    deriver = XpubDeriver(MAIN, ZPUB, ZPUB)
    first = await deriver.derive(Branch.DEPOSIT, 0)
    assert first.address == "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"
    assert (first.branch, first.index) == (Branch.DEPOSIT, 0)
    assert (await deriver.derive(Branch.HOT, 1)).address == "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"
    assert (await deriver.derive(Branch.CHANGE, 0)).address == "bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el"
    assert deriver.parse(first.address).script == first.script
    assert deriver.uri(first.address) == f"bitcoin:{first.address}"


async def test_the_seeds_account_key_is_the_published_one() -> None:
    xpub = account_xpub(SEED, MAIN, 0)
    assert xpub.startswith("xpub")
    from_seed, published = XpubDeriver(MAIN, xpub, xpub), XpubDeriver(MAIN, ZPUB, ZPUB)
    assert await from_seed.derive(Branch.DEPOSIT, 5) == await published.derive(Branch.DEPOSIT, 5)
    assert account_xpub(SEED, coin_settings("BTC"), 0).startswith("tpub")
    assert account_xpub(SEED, MAIN, 1) != xpub
    with pytest.raises(SignerError, match="no account 2"):
        account_xpub(SEED, MAIN, 2)


async def test_each_branch_and_index_has_its_own_script() -> None:
    deriver = XpubDeriver(MAIN, account_xpub(SEED, MAIN, 0), account_xpub(SEED, MAIN, 1))
    scripts = {(await deriver.derive(branch, index)).script for branch in DERIVED for index in range(20)}
    assert len(scripts) == 60
    for index in (-1, 2**31):
        with pytest.raises(Bip32Error):
            await deriver.derive(Branch.DEPOSIT, index)


@pytest.mark.parametrize(
    "text", ["xpub", "", ZPUB[:-1] + "t", account_xpub(SEED, MAIN, 0).replace("x", "y", 1)]
)
def test_a_text_that_is_no_account_key_is_refused(text: str) -> None:
    with pytest.raises(UnsupportedError, match="deposit_xpub"):
        XpubDeriver(MAIN, text, ZPUB)


def test_a_key_of_another_depth_is_refused() -> None:
    root = (
        "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg"
        "7usUDFdp6W1EGMcet8"
    )
    with pytest.raises(UnsupportedError, match="account key"):
        XpubDeriver(MAIN, root, ZPUB)
