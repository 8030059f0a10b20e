"""A token's own file."""

import tomllib
from pathlib import Path

import pytest

from config.loader import as_dict, load, print_config
from config.token import TokenSettings

from .conftest import Failer, Loader
from .tokens import ON, add_token

USDT = "0xdAC17F958D2ee523a2206206994597C13D831ec7"


def test_shipped_tokens_are_the_well_known_contracts() -> None:
    settings = load(
        None, {"CASHIER__COINS__ETH__ENABLED": "true", "CASHIER__COINS__USDT_ETH__ENABLED": "true"}
    )
    usdt, usdc = settings.tokens["USDT-ETH"], settings.tokens["USDC-ETH"]
    assert (usdt.contract, usdt.decimals, usdt.chain_id, usdt.enabled) == (USDT, 6, 1, True)
    assert usdt.contract_script == bytes.fromhex(USDT[2:])
    assert (usdc.contract, usdc.decimals) == ("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", 6)
    assert not usdc.enabled


def test_a_token_takes_over_what_its_file_does_not_say(settings_of: Loader, folder: Path) -> None:
    add_token(folder, "USDT-ETH")
    add_token(folder, "SLOW-ETH", contract="0x" + "22" * 20, more="confirmations = 40\nfinal_depth = 120")
    settings = settings_of(ON)
    usdt, slow = settings.tokens["USDT-ETH"], settings.tokens["SLOW-ETH"]
    assert (usdt.confirmations, usdt.final_depth, usdt.max_reorg, usdt.network) == (12, 96, 95, "mainnet")
    assert (usdt.finality, usdt.gas_limit, usdt.minimum_deposit) == ("confirmations", 100_000, 5_000_000)
    assert (slow.confirmations, slow.final_depth, slow.max_reorg) == (40, 120, 95)


def test_network_table_gives_the_contract_of_another_network(settings_of: Loader, folder: Path) -> None:
    add_token(folder, "USDT-ETH", more=f'[networks.regtest]\ncontract = "0x{"33" * 20}"')
    settings = settings_of(ON | {"CASHIER__COINS__ETH__NETWORK": "regtest"})
    token = settings.tokens["USDT-ETH"]
    assert (token.network, token.chain_id, token.contract) == ("regtest", 31337, "0x" + "33" * 20)
    assert (token.confirmations, token.max_reorg) == (3, 5)


def test_variables_of_the_environment_override_a_token(settings_of: Loader, folder: Path) -> None:
    add_token(folder, "USDT-ETH")
    token = settings_of(
        ON
        | {
            "CASHIER__COINS__USDT_ETH__MINIMUM_DEPOSIT": "7.5",
            "CASHIER__COINS__USDT_ETH__CONTRACT": USDT.lower(),
            "CASHIER__COINS__USDT_ETH__GAS_LIMIT": "70000",
        }
    ).tokens["USDT-ETH"]
    assert (token.minimum_deposit, token.contract, token.gas_limit) == (7_500_000, USDT, 70_000)


@pytest.mark.parametrize("decimals", [0, 6, 8, 18, 30])
def test_e15_amounts_have_the_decimals_of_the_token(decimals: int, settings_of: Loader, folder: Path) -> None:
    add_token(folder, "USDT-ETH", decimals=decimals)
    token = settings_of(ON).tokens["USDT-ETH"]
    assert (token.decimals, token.minimum_deposit) == (decimals, 5 * 10**decimals)


BAD = [
    (('contract = "0xd', 'contract = "0xD'), "contract: has a wrong EIP-55 checksum: a letter was changed"),
    (('31ec7"', '31ec"'), "contract: is no address of a contract: expected 0x and 40 hex digits"),
    ((USDT, "0x" + "0" * 40), "contract: is the zero address: no contract is there"),
    (("decimals = 6", "decimals = 31"), "decimals: must be less than or equal to 30"),
    (("decimals = 6", "decimals = 6\ncustody = 'seed'"), "custody: unknown key"),
    (("gas_limit = 100000", "[node]\nurl = 'http://a:1'"), "node: unknown key"),
    (("decimals = 6", "decimals = 6\ntokens = []"), "tokens: unknown key"),
    (("decimals = 6", "decimals = 0"), "minimum_withdrawal: has 1 decimals, the currency has 0"),
    (("decimals = 6", "decimals = 6\nfinality = 'soon'"), "finality: must be 'confirmations', 'safe' or"),
    (("gas_limit", "gas_limits"), 'gas_limits: unknown key (did you mean "gas_limit"?)'),
]


@pytest.mark.parametrize(("edit", "expected"), BAD, ids=range(len(BAD)))
def test_a_bad_token_is_one_line(
    edit: tuple[str, str], expected: str, errors_of: Failer, folder: Path
) -> None:
    add_token(folder, "USDT-ETH", more="gas_limit = 100000")
    file = folder / "coins" / "USDT-ETH.toml"
    text = file.read_text().replace('minimum_withdrawal = "10"', 'minimum_withdrawal = "10.5"')
    assert edit[0] in text
    file.write_text(text.replace(*edit))
    (line,) = errors_of(ON)
    assert line.startswith("coins/USDT-ETH.toml:")
    assert f"coins.USDT-ETH.{expected}" in line


def test_tokens_are_shown_as_currencies_of_their_own(settings_of: Loader, folder: Path) -> None:
    add_token(folder, "USDT-ETH")
    settings = settings_of(ON)
    shown = as_dict(settings)
    assert list(shown["coins"]) == ["BTC", "ETH", "USDT-ETH"]
    assert "tokens" not in shown
    assert "tokens" not in shown["coins"]["ETH"]
    text = tomllib.loads(print_config(settings))
    assert text["coins"]["USDT-ETH"]["minimum_deposit"] == "5"


def test_identity_of_a_token_is_its_contract_on_its_chain(settings_of: Loader, folder: Path) -> None:
    add_token(folder, "USDT-ETH")
    token = settings_of(ON).tokens["USDT-ETH"]
    assert set(TokenSettings.IDENTITY) == token.identity().keys()
    assert token.identity()["contract"] == USDT
    upper = settings_of(ON | {"CASHIER__COINS__USDT_ETH__CONTRACT": "0x" + USDT[2:].upper()})
    assert upper.tokens["USDT-ETH"].fingerprint() == token.fingerprint()
