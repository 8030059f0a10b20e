"""Settings from the environment and from files that hold one value."""

from pathlib import Path

import pytest

from config.environment import env_name
from config.schema import BitcoinCoinSettings
from config.secrets import SecretFileError, read_value_file

from .conftest import COINS, Failer, Loader


def test_name_of_a_variable() -> None:
    assert env_name(("gateway", "port")) == "CASHIER__GATEWAY__PORT"
    assert env_name(("coins", "USDT-ETH", "node", "url")) == "CASHIER__COINS__USDT_ETH__NODE__URL"


def test_dash_of_a_currency_is_an_underscore_in_the_environment(settings_of: Loader, folder: Path) -> None:
    (folder / "coins" / "USDT-ETH.toml").write_text((COINS / "ETH.toml").read_text())
    settings = settings_of({"CASHIER__COINS__USDT_ETH__NODE__URL": "http://10.0.0.1:8545"})
    assert settings.coins["USDT-ETH"].node.url == "http://10.0.0.1:8545"
    assert settings.coins["ETH"].node.url == "http://127.0.0.1:8545"


def test_lists_booleans_and_numbers_from_the_environment(settings_of: Loader) -> None:
    settings = settings_of(
        {
            "CASHIER__GATEWAY__TRUSTED_PROXIES": "10.0.0.0/8, 192.168.1.1",
            "CASHIER__WEBHOOKS__SCHEDULE_S": "0,1,2.5",
            "CASHIER__WEBHOOKS__ALLOW_PRIVATE": "True",
            "CASHIER__GATEWAY__ASK_TIMEOUT_S": "7",
            "CASHIER__COINS__BTC__P2SH": "0x05,0xc4",
            "HOME": "/root",
        }
    )
    assert settings.gateway.trusted_proxies == ("10.0.0.0/8", "192.168.1.1")
    assert list(settings.webhooks.schedule_s) == [0, 1, 2.5]
    assert settings.webhooks.allow_private is True
    assert settings.gateway.ask_timeout_s == 7
    coin = settings.coins["BTC"]
    assert isinstance(coin, BitcoinCoinSettings)
    assert coin.p2sh == (5, 0xC4)


def test_secret_from_a_file_loses_its_newline(settings_of: Loader, folder: Path) -> None:
    secret = folder / "rpc"
    secret.write_text("hunter22\n")
    secret.chmod(0o600)
    environ = {
        "CASHIER__COINS__BTC__NODE__USER": "cashier",
        "CASHIER__COINS__BTC__NODE__PASSWORD_FILE": "rpc",
    }
    node = settings_of(environ).coins["BTC"].node
    assert node.password is not None
    assert node.password.get_secret_value() == "hunter22"


def test_key_that_ends_in_file_is_itself_and_not_read(settings_of: Loader) -> None:
    settings = settings_of({"CASHIER__SIGNER__SEED_FILE": "/nowhere/seed.age"})
    assert settings.signer.seed_file == Path("/nowhere/seed.age")


BAD_ENVIRONMENT = [
    (
        {"CASHIER__GATEWAY__PROT": "1"},
        'CASHIER__GATEWAY__PROT: unknown setting (did you mean "CASHIER__GATEWAY__PORT"?)',
    ),
    (
        {"CASHIER__GATEWAY__PORT": "x"},
        "CASHIER__GATEWAY__PORT: gateway.port: expected a whole number, not a string",
    ),
    (
        {"CASHIER__GATEWAY__PORT": ""},
        "CASHIER__GATEWAY__PORT: gateway.port: expected a whole number, not a string",
    ),
    ({"CASHIER__COINS__BTC__ENABLED": "yes"}, "coins.BTC.enabled: expected true or false, not a string"),
    ({"CASHIER__COINS__XMR__ENABLED": "true"}, "CASHIER__COINS__XMR__ENABLED: unknown setting"),
    ({"CASHIER__COINS__BTC__FAMILY": "evm"}, "CASHIER__COINS__BTC__FAMILY: unknown setting"),
    (
        {"CASHIER__COINS__BTC__NETWORK": "regtes"},
        "CASHIER__COINS__BTC__NETWORK: coins.BTC.network: must be one of",
    ),
    ({"CASHIER__COINS__BTC__DUST": "0.1e1"}, "CASHIER__COINS__BTC__DUST: coins.BTC.dust: not an amount"),
    (
        {"CASHIER__GATEWAY__PORT_FILE": "/nowhere"},
        "gateway.port: cannot read /nowhere: No such file or directory",
    ),
    ({"CASHIER__GATEWAY__PORT_FILE": "."}, "Is a directory"),
    ({"CASHIER__": "x"}, "CASHIER__: unknown setting"),
    (
        {"CASHIER__GATEWAY__PORT": "1", "CASHIER__GATEWAY__PORT_FILE": "p"},
        "CASHIER__GATEWAY__PORT_FILE: gateway.port: CASHIER__GATEWAY__PORT is set as well: keep one of them",
    ),
    (
        {"CASHIER__WEBHOOKS__SECRET": "short-canary"},
        "CASHIER__WEBHOOKS__SECRET: webhooks.secret: is not a webhook",
    ),
]


@pytest.mark.parametrize(("environ", "expected"), BAD_ENVIRONMENT)
def test_bad_variable_is_one_clear_line(environ: dict[str, str], expected: str, errors_of: Failer) -> None:
    lines = errors_of(environ)
    assert len(lines) == 1
    assert expected in lines[0]
    assert "canary" not in lines[0]


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602])
def test_secret_file_open_to_everyone_is_refused(mode: int, errors_of: Failer, folder: Path) -> None:
    secret = folder / "seed-pass"
    secret.write_text("canary")
    secret.chmod(mode)
    (line,) = errors_of({"CASHIER__SIGNER__PASSPHRASE_FILE": str(secret)})
    assert "signer.passphrase: seed-pass can be read by every user of this machine" in line
    assert "chmod 600" in line
    assert "canary" not in line


def test_plain_value_may_come_from_a_file_that_all_may_read(settings_of: Loader, folder: Path) -> None:
    (folder / "port").write_text("8123\n")
    assert settings_of({"CASHIER__GATEWAY__PORT_FILE": "port"}).gateway.port == 8123


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "is empty"), (b"\xff\xfe", "is not UTF-8"), (b"a\0b", "not text")]
)
def test_secret_file_without_a_usable_value_is_refused(
    content: bytes, reason: str, errors_of: Failer, folder: Path
) -> None:
    secret = folder / "pass"
    secret.write_bytes(content)
    secret.chmod(0o600)
    (line,) = errors_of({"CASHIER__SIGNER__PASSPHRASE_FILE": "pass"})
    assert reason in line


def test_value_in_the_place_of_a_table_is_told_even_when_a_variable_sets_the_table(
    errors_of: Failer, folder: Path
) -> None:
    (folder / "cashier.toml").write_text("gateway = 3\n")
    lines = errors_of({"CASHIER__GATEWAY__PORT": "1"})
    assert lines == ["cashier.toml:1: gateway: expected a table, not an integer"]


def test_value_file_errors_show_no_content(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_text("canary" * 20_000)
    big.chmod(0o600)
    with pytest.raises(SecretFileError, match="larger than 65536 bytes") as caught:
        read_value_file(big, is_secret=True)
    assert "canary" not in str(caught.value)
