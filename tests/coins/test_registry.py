"""Families are found by name and imported only when they are needed."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from coins.errors import UnsupportedError
from coins.index import WatchIndex
from coins.registry import FAMILIES, open_coin
from tests.coins.bitcoin.setup import FakeSigner, coin_settings


async def test_a_coin_is_opened_by_its_family() -> None:
    for currency in ("BTC", "LTC"):
        settings = coin_settings(currency)
        coin = await open_coin(settings, FakeSigner(settings))
        assert (coin.currency, coin.family) == (currency, "bitcoin")
        assert isinstance(coin.index, WatchIndex)
        assert len(coin.index) == 0
        await coin.reader.close()


@pytest.mark.parametrize("currency", ["BCH", "DOGE"])
async def test_what_is_not_proven_says_so(currency: str) -> None:
    settings = coin_settings(currency, "mainnet")
    with pytest.raises(UnsupportedError, match=f"{currency}: .*not been proven"):
        await open_coin(settings, FakeSigner(settings))


def test_every_family_is_a_package() -> None:
    assert all(find_spec(package) for package in FAMILIES.values())


def test_no_family_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, coins.registry\n"
        "loaded = [name for name in sys.modules if name.split('.')[0] in ('bitcoinlib', 'web3', 'aiohttp')\n"
        "          or name.startswith(('coins.bitcoin', 'coins.evm'))]\n"
        "assert not loaded, loaded\n"
        "import coins.bitcoin\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('bitcoinlib', 'web3')]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
