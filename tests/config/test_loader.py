"""What the loader takes, and how it refuses."""

from pathlib import Path

import pytest

from config.loader import DEFAULT_FILE, ConfigError, load
from config.schema import BitcoinCoinSettings, EvmCoinSettings

from .conftest import COINS, MAIN, Failer, Loader

BTC_REGTEST = {"CASHIER__COINS__BTC__NETWORK": "regtest", "CASHIER__COINS__BTC__ENABLED": "true"}


def test_shipped_files_load_with_nothing_enabled() -> None:
    settings = load(None, {})
    assert set(settings.coins) == {"BTC", "LTC", "ETH", "DOGE", "BCH"}
    assert settings.enabled_coins == {}
    assert DEFAULT_FILE.name == "cashier.toml"


def test_relative_paths_count_from_the_config_folder(settings_of: Loader, folder: Path) -> None:
    settings = settings_of({"CASHIER__SIGNER__SOCKET": "/run/cashier/signer.sock"})
    assert settings.ledger.path == folder / "books.sqlite"
    assert settings.signer.seed_file == folder / "data" / "seed.age"
    assert settings.signer.socket == Path("/run/cashier/signer.sock")


def test_network_table_overrides_mainnet_and_environment_overrides_both(settings_of: Loader) -> None:
    environ = BTC_REGTEST | {
        "CASHIER__COINS__BTC__CONFIRMATIONS": "2",
        "CASHIER__COINS__BTC__NODE__URL": "http://n:1",
    }
    coin = settings_of(environ).coins["BTC"]
    assert isinstance(coin, BitcoinCoinSettings)
    assert (coin.p2pkh, coin.p2sh, coin.hrp, coin.bip44_coin) == (0x6F, (0xC4,), "bcrt", 1)
    assert (coin.confirmations, coin.node.url, coin.node.poll_interval_s) == (2, "http://n:1", 0.5)
    mainnet = settings_of().coins["BTC"]
    assert isinstance(mainnet, BitcoinCoinSettings)
    assert (mainnet.p2pkh, mainnet.p2sh, mainnet.hrp) == (0, (5,), "bc")


@pytest.mark.parametrize(
    ("currency", "network", "expected"),
    [
        ("BTC", "mainnet", (0x00, (0x05,), "bc")),
        ("BTC", "regtest", (0x6F, (0xC4,), "bcrt")),
        ("LTC", "mainnet", (0x30, (0x32,), "ltc")),
        ("LTC", "regtest", (0x6F, (0x3A,), "rltc")),
    ],
)
def test_prefixes_of_each_network(currency: str, network: str, expected: tuple[object, ...]) -> None:
    coin = load(None, {f"CASHIER__COINS__{currency}__NETWORK": network}).coins[currency]
    assert isinstance(coin, BitcoinCoinSettings)
    assert (coin.p2pkh, coin.p2sh, coin.hrp) == expected


def test_ether_on_a_development_chain_has_no_fixed_genesis(settings_of: Loader) -> None:
    coin = settings_of({"CASHIER__COINS__ETH__NETWORK": "regtest"}).coins["ETH"]
    assert isinstance(coin, EvmCoinSettings)
    assert (coin.chain_id, coin.genesis_hash) == (31337, None)


def test_amounts_are_exact_base_units(settings_of: Loader) -> None:
    environ = {
        "CASHIER__COINS__BTC__MINIMUM_DEPOSIT": "0.29",
        "CASHIER__COINS__ETH__MAXIMUM_WITHDRAWAL": "0.000000000000000001",
        "CASHIER__COINS__ETH__MINIMUM_WITHDRAWAL": "0",
    }
    settings = settings_of(environ)
    assert settings.coins["BTC"].minimum_deposit == 29_000_000
    assert settings.coins["ETH"].maximum_withdrawal == 1


BAD_MAIN = [
    pytest.param(
        '[gateway]\nport = "80"\n',
        "cashier.toml:2: gateway.port: expected a whole number, not a string",
        id="type",
    ),
    pytest.param(
        "[gateway]\nport = 1.5\n", "cashier.toml:2: gateway.port: expected a whole number, not a float"
    ),
    pytest.param(
        "[gateway]\nport = true\n", "cashier.toml:2: gateway.port: expected a whole number, not a boolean"
    ),
    pytest.param(
        "\n[gateway]\nport = 65536\n", "cashier.toml:3: gateway.port: must be less than or equal to 65535"
    ),
    pytest.param(
        "[gateway]\nask_timeout = 1\n",
        'cashier.toml:2: gateway.ask_timeout: unknown key (did you mean "ask_timeout_s"?)',
    ),
    pytest.param("[gatway]\nport = 1\n", 'cashier.toml:1: gatway: unknown section (did you mean "gateway"?)'),
    pytest.param("gateway = 3\n", "cashier.toml:1: gateway: expected a table, not an integer"),
    pytest.param(
        "[gateway]\nport = 1\nport = 2\n", "cashier.toml:3: not valid TOML: Cannot overwrite a value"
    ),
    pytest.param("[gateway]\nport = \n", "cashier.toml:2: not valid TOML: Invalid value", id="syntax"),
    pytest.param('[gateway]\nhost = "a\n', "cashier.toml:2: not valid TOML: Illegal character '\\n'"),
    pytest.param("", "cashier.toml:1: the file is empty", id="empty"),
    pytest.param(" \n\n", "cashier.toml:1: the file is empty", id="blank"),
    pytest.param(
        "[coins.BTC]\nenabled = true\n",
        "cashier.toml:1: coins: currencies have files of their own in the folder coins/",
    ),
    pytest.param(
        "[gateway]\nsession_ttl_default_s = 3600\nsession_ttl_max_s = 900\n",
        "cashier.toml:1: gateway: session_ttl_default_s is larger than session_ttl_max_s",
    ),
    pytest.param(
        "[gateway]\nport = 9108\n",
        "cashier.toml:1: gateway.port and monitoring.port are both 9108",
        id="port twice",
    ),
    pytest.param(
        '[gateway]\ntrusted_proxies = ["10.0.0.0/8",\n "all"]\n',
        'cashier.toml:2: gateway.trusted_proxies.1: is not an IP address or network, like "10.0.0.0/8"',
    ),
    pytest.param(
        '[webhooks]\nurl = "http://a.example/hook"\n',
        "cashier.toml:1: webhooks: url is set, so a secret is needed: set CASHIER__WEBHOOKS__SECRET_FILE",
    ),
    pytest.param(
        '[webhooks]\nsecret = "whsec_canary"\n',
        "cashier.toml:2: webhooks.secret: a secret must not stand in a file like this: "
        "set CASHIER__WEBHOOKS__SECRET_FILE or CASHIER__WEBHOOKS__SECRET",
    ),
    pytest.param(
        '[gateway]\npublic_url = "https://u:p@x.example"\n',
        "cashier.toml:2: gateway.public_url: must not hold a user or password: they have their own keys",
    ),
    pytest.param(
        '[gateway]\npublic_url = "ftp://x"\n', 'is not an http or https URL, like "http://127.0.0.1:8332"'
    ),
    pytest.param('[gateway]\nframe_ancestors = ["https://x/a"]\n', "is not an origin"),
    pytest.param(
        '[monitoring]\nlog_level = "loud"\n',
        "cashier.toml:2: monitoring.log_level: must be 'debug', 'info', 'warning' or 'error'",
    ),
    pytest.param(
        "[ledger]\nbusy_timeout_ms = inf\n", "ledger.busy_timeout_ms: expected a whole number, not a float"
    ),
    pytest.param("[gateway]\nread_timeout_s = nan\n", "gateway.read_timeout_s: must be"),
]


@pytest.mark.parametrize(("text", "expected"), BAD_MAIN)
def test_bad_main_file_is_one_clear_line(text: str, expected: str, errors_of: Failer, folder: Path) -> None:
    (folder / "cashier.toml").write_text(text)
    lines = errors_of()
    assert len(lines) == 1
    assert expected in lines[0]


Edit = tuple[str, str]

BAD_COIN: list[tuple[Edit, str]] = [
    (("confirmations = 3", "confirmatons = 3"), 'unknown key (did you mean "confirmations"?)'),
    (("confirmations = 3", ""), "coins/BTC.toml:1: coins.BTC.confirmations: missing"),
    (("confirmations = 3", "confirmations = 3\nconfirmations = 4"), "Cannot overwrite a value"),
    (
        ('minimum_deposit = "0.0001"', "minimum_deposit = 0.0001"),
        ':21: coins.BTC.minimum_deposit: an amount is written as a string, like "0.001", not as a float',
    ),
    (('"0.0001"', "1"), "not as an integer"),
    (('"0.0001"', '"1e-4"'), "not an amount"),
    (('"0.0001"', '"-1"'), "not an amount"),
    (('"0.0001"', '"+1"'), "not an amount"),
    (('"0.0001"', '"NaN"'), "not an amount"),
    (('"0.0001"', '"٣"'), "not an amount"),
    (('"0.0001"', '"1_000"'), "not an amount"),
    (('"0.0001"', '" 1"'), "not an amount"),
    (('"0.0001"', '"0.000000001"'), "has 9 decimals, the currency has 8"),
    (('"0.0001"', f'"{2**256}"'), "is larger than any amount can be"),
    (('family = "bitcoin"', 'family = "bitcoins"'), 'must be one of bitcoin, evm (did you mean "bitcoin"?)'),
    (('family = "bitcoin"', ""), "coins.BTC.family: missing"),
    (('network = "mainnet"', "network = []"), "coins.BTC.network: expected a string, not a list"),
    (('network = "mainnet"', 'network = "regtst"'), 'testnet, signet, regtest (did you mean "regtest"?)'),
    (('custody = "seed"', 'custody = "node"'), 'custody = "node" needs wallet'),
    (("final_depth = 6", "final_depth = 2"), "final_depth is smaller than confirmations"),
    (("max_reorg = 5", "max_reorg = 6"), "max_reorg must be smaller than final_depth"),
    (("p2pkh = 0x00", "p2pkh = 256"), "coins.BTC.p2pkh: must be less than or equal to 255"),
    (("p2sh = [0x05]", "p2sh = []"), "coins.BTC.p2sh"),
    (('hrp = "bc"', 'hrp = "BC"'), "coins.BTC.hrp"),
    (("fallback = 10", "fallback = 1000"), "min, fallback and max must rise in this order"),
    (("max = 500 }", "max = 500, mox = 1 }"), 'coins.BTC.fee_rate.mox: unknown key (did you mean "max"?)'),
    (("[node]", '[node]\npassword = "canary"'), "set CASHIER__COINS__BTC__NODE__PASSWORD_FILE"),
    (("[node]", '[node]\nuser = "u"'), "user and password belong together"),
    (("peers_min = 1", "peers_min = -1"), "coins.BTC.node.peers_min: must be greater than or equal to 0"),
    (
        ("[node]", '[witness]\nurl = "http://b:1"\npassword = "canary"\n\n[node]'),
        "set CASHIER__COINS__BTC__WITNESS__PASSWORD_FILE",
    ),
    (("[node]", "[witness]\nrest = true\n\n[node]"), "coins.BTC.witness.url: missing"),
    (
        ("[node]", '[witness]\nurl = "http://127.0.0.1:8332/"\n\n[node]'),
        "node and witness have the same url",
    ),
    (('custody = "seed"', "witness_required = true"), "witness_required needs a second node"),
    (("[node]", '[[nodes]]\nurl = "http://b:1"\n\n[node]'), "stands beside [node] or [witness]"),
    (("[node]", "[[nodes]]\nurll = 1"), 'coins.BTC.node.urll: unknown key (did you mean "url"?)'),
    (
        ('url = "http://127.0.0.1:8332"', 'url = "http://u:canary@127.0.0.1"'),
        "must not hold a user or password",
    ),
    (('url = "http://127.0.0.1:8332"', 'url = "127.0.0.1:8332"'), "is not an http or https URL"),
    (('hrp = "bcrt"', 'hrpp = "bcrt"'), 'coins.BTC.hrpp: unknown key (did you mean "hrp"?)'),
    (('hrp = "bcrt"', "hrp = 4"), "coins.BTC.hrp: expected a string, not an integer"),
    (('signer_tx_cap = "2"', 'signer_tx_cap = "0.5"'), "signer_tx_cap is smaller than maximum_withdrawal"),
    (('name = "Bitcoin"', 'name = "Bitcoin"\ncurrency = "X"'), "the file's name is the currency"),
]


@pytest.mark.parametrize("nodes", ["[[nodes]]\n[[nodes]]\n[[nodes]]", "[nodes]"])
def test_nodes_are_one_or_two(nodes: str, errors_of: Failer, folder: Path) -> None:
    file = folder / "coins" / "BTC.toml"
    file.write_text(file.read_text().replace("[node]", nodes, 1))
    assert any(
        line.startswith("coins/BTC.toml:46: coins.BTC.nodes: expected a list of one") for line in errors_of()
    )


@pytest.mark.parametrize(("edit", "expected"), BAD_COIN, ids=range(len(BAD_COIN)))
def test_bad_coin_file_is_one_line(edit: Edit, expected: str, errors_of: Failer, folder: Path) -> None:
    file = folder / "coins" / "BTC.toml"
    text = file.read_text()
    assert edit[0] in text
    file.write_text(text.replace(edit[0], edit[1], 1))
    lines = errors_of()
    assert len(lines) == 1, lines
    assert lines[0].startswith("coins/BTC.toml:")
    assert expected in lines[0]
    assert "canary" not in lines[0]


def test_error_in_a_network_table_names_its_own_line(errors_of: Failer, folder: Path) -> None:
    file = folder / "coins" / "BTC.toml"
    file.write_text(file.read_text().replace('hrp = "bcrt"', "hrp = 4"))
    line = file.read_text().splitlines().index("hrp = 4") + 1
    assert errors_of() == [f"coins/BTC.toml:{line}: coins.BTC.hrp: expected a string, not an integer"]


@pytest.mark.parametrize("currency", ["DOGE", "BCH"])
def test_unsupported_currency_cannot_be_enabled(currency: str) -> None:
    variable = f"CASHIER__COINS__{currency}__ENABLED"
    with pytest.raises(ConfigError) as caught:
        load(None, {variable: "true"})
    assert str(caught.value).startswith(f"{variable}: coins.{currency}.enabled: cannot be enabled: ")
    assert "not been proven on a real node" in str(caught.value)


def test_all_errors_at_once_from_all_files_and_the_environment(errors_of: Failer, folder: Path) -> None:
    (folder / "cashier.toml").write_text("[gateway]\nport = 'a'\nhots = 'b'\n[ledger]\nbatch_max = 0\n")
    file = folder / "coins" / "BTC.toml"
    file.write_text(file.read_text().replace("confirmations = 3", "confirmations = '3'"))
    (folder / "coins" / "LTC.toml").write_text("family = \n")
    (folder / "coins" / "XRP.toml").write_text("")
    environ = {
        "CASHIER__NOTHING": "1",
        "CASHIER__COINS__LTC__ENABLED": "true",
        "CASHIER__SIGNER__TIMEOUT_S": "no",
    }
    lines = errors_of(environ)
    assert [line.split(": ")[0] for line in lines] == [
        "coins/LTC.toml:1",
        "coins/XRP.toml:1",
        "CASHIER__NOTHING",
        "cashier.toml:2",
        "cashier.toml:3",
        "cashier.toml:5",
        "CASHIER__SIGNER__TIMEOUT_S",
        "coins/BTC.toml:12",
    ]


def test_missing_file_named_by_the_operator_is_an_error(tmp_path: Path) -> None:
    absent = tmp_path / "absent.toml"
    with pytest.raises(ConfigError) as caught:
        load(absent, {"CASHIER__COINS__BTC__ENABLED": "true"})
    assert str(caught.value) == f"{absent}: cannot be read: No such file or directory"


@pytest.mark.parametrize("raw", [b"\xff\xfe[\x00", b"[gateway]\nhost = '\xff'\n"])
def test_file_that_is_no_utf8_text_is_an_error(raw: bytes, errors_of: Failer, folder: Path) -> None:
    (folder / "cashier.toml").write_bytes(raw)
    (line,) = errors_of()
    assert "is not UTF-8 text" in line


def test_huge_or_deep_file_is_refused_without_a_traceback(errors_of: Failer, folder: Path) -> None:
    (folder / "cashier.toml").write_text("#" * 300_000)
    assert "is larger than 262144 bytes" in errors_of()[0]
    (folder / "cashier.toml").write_text("a = " + "[" * 100_000)
    assert "not valid TOML" in errors_of()[0]


def test_file_with_a_byte_order_mark_and_windows_line_ends_is_read(settings_of: Loader, folder: Path) -> None:
    (folder / "cashier.toml").write_bytes(b"\xef\xbb\xbf" + MAIN.replace("\n", "\r\n").encode())
    assert settings_of().gateway.port == 8081


@pytest.mark.parametrize("name", ["btc", "B", "USDT_ETH", "TOOLONGCURRENCYNAME"])
def test_coin_file_with_a_wrong_name_is_refused(name: str, errors_of: Failer, folder: Path) -> None:
    (folder / "coins" / f"{name}.toml").write_text((COINS / "BTC.toml").read_text())
    (line,) = errors_of()
    assert "the name of the file is not a currency" in line


def test_settings_cannot_be_changed(settings_of: Loader) -> None:
    settings = settings_of()
    with pytest.raises(ValueError, match="frozen"):
        settings.gateway.port = 1


def test_hidden_files_of_editors_are_left_out(settings_of: Loader, folder: Path) -> None:
    (folder / "coins" / ".#BTC.toml").symlink_to("nobody@nowhere")
    (folder / "coins" / "BTC.toml~").write_text("x")
    assert set(settings_of().coins) == {"BTC", "ETH"}


def test_coins_folder_that_cannot_be_listed_is_an_error(errors_of: Failer, folder: Path) -> None:
    (folder / "coins").rename(folder / "elsewhere")
    (folder / "coins").write_text("")
    assert errors_of() == ["coins: cannot be read: Not a directory"]


def test_coin_file_that_is_gone_or_a_folder_is_an_error(errors_of: Failer, folder: Path) -> None:
    (folder / "coins" / "LTC.toml").symlink_to("nowhere")
    (folder / "coins" / "XRP.toml").mkdir()
    assert errors_of() == [
        "coins/LTC.toml: cannot be read: No such file or directory",
        "coins/XRP.toml: cannot be read: Is a directory",
    ]
