"""The signer's command line: exit codes and one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from coins.errors import SignerError
from coins.signer.__main__ import coins_of, open_service, read_coins
from coins.signer.errors import SeedFileError, SignerStartError
from config.loader import load
from tests.coins.signer.world import House, house_with_seed


def test_only_enabled_currencies_under_the_seed_are_served(tmp_path: Path) -> None:
    house = house_with_seed(tmp_path)
    coin = house.config.parent / "coins" / "ETH.toml"
    service = open_service(house.settings, lambda: coins_of(load(house.config, house.environ)))
    assert b'"ok":true' in service.answer(b'{"op":"account_xpub","currency":"ETH","account":0}')
    coin.write_text(coin.read_text().replace("enabled = true", "enabled = false"))
    assert b'"ok":true' in service.answer(b'{"op":"reload"}')
    assert b"unknown_currency" in service.answer(b'{"op":"account_xpub","currency":"ETH","account":0}')


def test_no_passphrase(tmp_path: Path) -> None:
    house = House(tmp_path)
    del house.environ["CASHIER__SIGNER__PASSPHRASE"]
    with pytest.raises(SignerStartError, match="CASHIER__SIGNER__PASSPHRASE_FILE") as failure:
        open_service(load(house.config, house.environ), dict)
    assert failure.value.exit_code == 2


def test_a_passphrase_from_a_file(tmp_path: Path) -> None:
    house = house_with_seed(tmp_path)
    secret = tmp_path / "passphrase"
    secret.write_text(house.environ.pop("CASHIER__SIGNER__PASSPHRASE") + "\n")
    secret.chmod(0o600)
    house.environ["CASHIER__SIGNER__PASSPHRASE_FILE"] = str(secret)
    assert open_service(load(house.config, house.environ), dict) is not None
    secret.write_text("another passphrase\n")
    with pytest.raises(SeedFileError, match="wrong passphrase"):
        open_service(load(house.config, house.environ), dict)


def test_a_configuration_that_breaks_later_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path)
    monkeypatch.setenv("CASHIER__SIGNER__PASSPHRASE", house.environ["CASHIER__SIGNER__PASSPHRASE"])
    assert set(read_coins(house.config)) == {"ETH"}
    house.config.write_text('[signer]\nsoket = "x"\n')
    with pytest.raises(SignerError, match="soket"):
        read_coins(house.config)
