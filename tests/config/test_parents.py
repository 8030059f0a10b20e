"""Tokens and the chains they live on."""

from pathlib import Path

from config.coin import EvmCoinSettings
from config.draft import Draft
from config.parents import with_tokens
from config.schema import Settings, diff, take_over

from .conftest import Failer, Loader
from .tokens import ON, add_token

OTHER = "0x" + "22" * 20


def ether(settings: Settings) -> EvmCoinSettings:
    coin = settings.coins["ETH"]
    assert isinstance(coin, EvmCoinSettings)
    return coin


def test_enabled_tokens_travel_with_their_chain(settings_of: Loader, folder: Path) -> None:
    add_token(folder, "USDT-ETH")
    add_token(folder, "OFF-ETH", contract=OTHER, enabled=False)
    settings = settings_of(ON)
    assert [token.currency for token in ether(settings).tokens] == ["USDT-ETH"]
    assert ether(settings).token_of("USDT-ETH") == settings.tokens["USDT-ETH"]
    assert ether(settings).token_of("ETH") is ether(settings).token_of("OFF-ETH") is None
    assert list(settings.enabled_coins) == list(settings.coins) == ["BTC", "ETH"]
    assert list(settings.currencies) == ["BTC", "ETH", "USDT-ETH"]
    assert list(settings.configured) == ["BTC", "ETH", "OFF-ETH", "USDT-ETH"]


def test_other_chains_stay_what_they_are(settings_of: Loader) -> None:
    coins = settings_of(ON).coins
    assert with_tokens(Draft(), coins, ()) == coins


def test_a_disabled_chain_has_no_currency(settings_of: Loader, folder: Path) -> None:
    add_token(folder, "USDT-ETH", enabled=False)
    assert settings_of().currencies == {}
    assert ether(settings_of()).tokens == ()


def check(errors: list[str], place: str, expected: str) -> None:
    (line,) = errors
    assert line.startswith(f"coins/{place}: ")
    assert expected in line


def test_unknown_parent(errors_of: Failer, folder: Path) -> None:
    add_token(folder, "USDT-ETH", parent="ETC")
    expected = 'coins.USDT-ETH.parent: there is no such currency (did you mean "ETH"?)'
    check(errors_of(ON), "USDT-ETH.toml:2", expected)


def test_parent_of_another_family(errors_of: Failer, folder: Path) -> None:
    add_token(folder, "USDT-ETH", parent="BTC")
    check(errors_of(ON), "USDT-ETH.toml:2", "coins.USDT-ETH.parent: BTC has no tokens: its family is not evm")


def test_parent_that_is_a_token(errors_of: Failer, folder: Path) -> None:
    add_token(folder, "USDT-ETH")
    add_token(folder, "SUB-ETH", parent="USDT-ETH", contract=OTHER)
    check(errors_of(ON), "SUB-ETH.toml:2", "coins.SUB-ETH.parent: USDT-ETH is a token itself")


def test_parent_that_is_no_text(errors_of: Failer, folder: Path) -> None:
    add_token(folder, "USDT-ETH")
    file = folder / "coins" / "USDT-ETH.toml"
    file.write_text(file.read_text().replace('parent = "ETH"', "parent = ['ETH']"))
    check(errors_of(ON), "USDT-ETH.toml:2", "coins.USDT-ETH.parent: there is no such currency")


def test_a_token_of_a_family_without_tokens(errors_of: Failer, folder: Path) -> None:
    add_token(folder, "USDT-ETH")
    file = folder / "coins" / "USDT-ETH.toml"
    file.write_text(file.read_text().replace('family = "evm"', 'family = "bitcoin"'))
    check(errors_of(ON), "USDT-ETH.toml:1", "a token's family must be one of evm")


def test_parent_disabled_while_its_token_is_enabled(errors_of: Failer, folder: Path) -> None:
    add_token(folder, "USDT-ETH")
    expected = "coins.USDT-ETH.enabled: its parent ETH is disabled: enable that, or disable the token"
    check(errors_of(), "USDT-ETH.toml:5", expected)


def test_one_contract_twice_on_a_chain(errors_of: Failer, folder: Path) -> None:
    add_token(folder, "USDT-ETH")
    add_token(folder, "USDX-ETH", contract="0xdac17f958d2ee523a2206206994597c13d831ec7")
    check(errors_of(ON), "USDX-ETH.toml:3", "coins.USDX-ETH.contract: is the contract of USDT-ETH already")


def test_what_has_to_be_the_parents(errors_of: Failer, folder: Path) -> None:
    add_token(folder, "USDT-ETH", more='max_reorg = 90\nchain_id = 5\nfinality = "safe"')
    keys = [line.split(": ")[1] for line in errors_of(ON)]
    assert keys == [f"coins.USDT-ETH.{key}" for key in ("chain_id", "max_reorg", "finality")]


def test_an_enabled_token_needs_its_contract_on_the_parents_network(errors_of: Failer, folder: Path) -> None:
    add_token(folder, "USDT-ETH")
    check(
        errors_of(ON | {"CASHIER__COINS__ETH__NETWORK": "regtest"}),
        "USDT-ETH.toml:1",
        "is mainnet, its parent ETH is on regtest: the token needs a [networks.regtest] table",
    )


def test_tokens_are_not_written_in_the_file_of_the_chain(errors_of: Failer, folder: Path) -> None:
    file = folder / "coins" / "ETH.toml"
    file.write_text("tokens = ['USDT-ETH']\n" + file.read_text())
    check(errors_of(ON), "ETH.toml:1", "coins.ETH.tokens: each has a file of its own")


def test_a_wrong_chain_is_told_once(errors_of: Failer, folder: Path) -> None:
    add_token(folder, "USDT-ETH")
    file = folder / "coins" / "ETH.toml"
    file.write_text(file.read_text().replace("chain_id = 1\n", 'chain_id = "1"\n', 1))
    check(errors_of(ON), "ETH.toml:6", "coins.ETH.chain_id: expected a whole number, not a string")


def test_a_changed_token_is_a_changed_chain(settings_of: Loader, folder: Path) -> None:
    bare = settings_of(ON)
    add_token(folder, "USDT-ETH")
    one = settings_of(ON)
    tuned = settings_of(ON | {"CASHIER__COINS__USDT_ETH__MINIMUM_DEPOSIT": "6"})
    off = settings_of(ON | {"CASHIER__COINS__USDT_ETH__ENABLED": "false"})
    assert not diff(one, one)
    assert not diff(bare, off)
    for old, new in ((bare, one), (one, tuned), (one, off), (one, bare)):
        changes = diff(old, new)
        assert changes.changed == ("ETH",)
        assert [name for name in changes.__slots__ if getattr(changes, name)] == ["changed"]
        assert take_over(old, new) == new


def test_a_token_that_became_another_one_is_refused_and_its_chain_stays(
    settings_of: Loader, folder: Path
) -> None:
    add_token(folder, "USDT-ETH")
    old = settings_of(ON)
    add_token(folder, "USDT-ETH", contract=OTHER)
    add_token(folder, "USDX-ETH")
    new = settings_of(ON | {"CASHIER__COINS__BTC__CONFIRMATIONS": "4"})
    changes = diff(old, new)
    assert changes.identity_changed == ("USDT-ETH",)
    assert changes.changed == ("BTC",)
    taken = take_over(old, new)
    assert ether(taken) == ether(old)
    assert taken.coins["BTC"].confirmations == 4
    assert list(taken.configured) == ["BTC", "ETH", "USDT-ETH"]


def test_a_chain_that_became_another_one_keeps_its_tokens(settings_of: Loader, folder: Path) -> None:
    add_token(folder, "USDT-ETH", more=f'[networks.regtest]\ncontract = "{OTHER}"')
    old = settings_of(ON)
    new = settings_of(ON | {"CASHIER__COINS__ETH__NETWORK": "regtest"})
    assert diff(old, new).identity_changed == ("ETH", "USDT-ETH")
    assert take_over(old, new) == old


def test_other_sections_wait_for_the_next_start(settings_of: Loader, folder: Path) -> None:
    old = settings_of(ON)
    new = settings_of(ON | {"CASHIER__LEDGER__BATCH_MAX": "4"})
    assert take_over(old, new) == old
