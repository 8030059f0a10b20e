"""The confirmation policy of a coin file: tiers, the depth of withdrawals, the tag of the node."""

import tomllib
from pathlib import Path

import pytest

from config.loader import as_dict, print_config
from config.schema import EvmCoinSettings

from .conftest import Failer, Loader

Edit = tuple[str, str]

BAD_POLICY: list[tuple[Edit, str]] = [
    (
        ("dust =", "consolidate_fee_rate_max_sat_vb = 501\ndust ="),
        "consolidate_fee_rate_max_sat_vb must be between fee_rate.min and fee_rate.max",
    ),
    (("dust =", "consolidate_fee_rate_max_sat_vb = 0\ndust ="), "consolidate_fee_rate_max_sat_vb: must be"),
    (("dust =", "consolidate_below = 1\ndust ="), "consolidate_below: an amount is written as a string"),
    (("max_reorg = 5", "max_reorg = 5\ntiers = 6"), "coins.BTC.tiers: expected a list, not an integer"),
    (("max_reorg = 5", "max_reorg = 5\ntiers = [6]"), "coins.BTC.tiers.0: expected a table, not an integer"),
    (
        ("max_reorg = 5", 'max_reorg = 5\ntiers = [{ above = "1" }]'),
        "coins.BTC.tiers.0.confirmations: missing",
    ),
    (("max_reorg = 5", "max_reorg = 5\ntiers = [{ confirmations = 6 }]"), "coins.BTC.tiers.0.above: missing"),
    (
        ("max_reorg = 5", 'max_reorg = 5\ntiers = [{ above = "1", confirmations = 6, depth = 1 }]'),
        "coins.BTC.tiers.0.depth: unknown key",
    ),
    (
        ("max_reorg = 5", "max_reorg = 5\ntiers = [{ above = 0.5, confirmations = 6 }]"),
        'coins.BTC.tiers.0.above: an amount is written as a string, like "0.001", not as a float',
    ),
    (
        ("max_reorg = 5", "max_reorg = 5\ntiers = [{ above = 50000000, confirmations = 6 }]"),
        'coins.BTC.tiers.0.above: an amount is written as a string, like "0.001", not as an integer',
    ),
    (
        ("max_reorg = 5", 'max_reorg = 5\ntiers = [{ above = "0.000000001", confirmations = 6 }]'),
        "coins.BTC.tiers.0.above: has 9 decimals, the currency has 8",
    ),
    (
        ("max_reorg = 5", 'max_reorg = 5\ntiers = [{ above = "1", confirmations = 0 }]'),
        "coins.BTC.tiers.0.confirmations: must be",
    ),
    (
        (
            "max_reorg = 5",
            'max_reorg = 5\ntiers = [{ above = "1", confirmations = 5 }, { above = "1", confirmations = 6 }]',
        ),
        "coins.BTC.tiers: above and confirmations must rise from tier to tier",
    ),
    (
        (
            "max_reorg = 5",
            'max_reorg = 5\ntiers = [{ above = "1", confirmations = 5 }, { above = "2", confirmations = 5 }]',
        ),
        "coins.BTC.tiers: above and confirmations must rise from tier to tier",
    ),
    (
        ("max_reorg = 5", 'max_reorg = 5\ntiers = [{ above = "1", confirmations = 3 }]'),
        "the first of tiers needs more than confirmations",
    ),
    (
        ("max_reorg = 5", 'max_reorg = 5\ntiers = [{ above = "1", confirmations = 7 }]'),
        "the last of tiers needs more than final_depth",
    ),
    (
        ("max_reorg = 5", "max_reorg = 5\nwithdrawable_depth = 2"),
        "withdrawable_depth must be between confirmations and final_depth",
    ),
    (
        ("max_reorg = 5", "max_reorg = 5\nwithdrawable_depth = 7"),
        "withdrawable_depth must be between confirmations and final_depth",
    ),
    (
        ('custody = "seed"', 'custody = "node"\ncold_address = "bc1q"\nhot_ceiling = "1"'),
        'cold_address needs a seed, not custody "node"',
    ),
    (("max_reorg = 5", 'max_reorg = 5\nfinality = "safe"'), "coins.BTC.finality: unknown key"),
]

BAD_LIMITS = [
    ('client_day_limit = "0.0000001"', "client_day_limit is smaller than minimum_withdrawal"),
    ('hot_floor = "2"\nhot_ceiling = "1"', "hot_floor, hot_target and hot_ceiling must not fall"),
    ('cold_address = "bc1q"', "cold_address needs hot_ceiling"),
    ('cold_address = "bc1q"\nhot_ceiling = "0"', "hot_ceiling leaves less than a plain chain tx may cost"),
    (
        'cold_address = "bc1q"\nhot_target = "0.00001"\nhot_ceiling = "1"',
        "hot_target leaves less than a plain chain tx may cost, 113000 base units",
    ),
    ('second_approval_above = "0.1"', "second_approval_above must be more than approval_above"),
    ('client_month_limit = "0.0000001"', "client_month_limit is smaller than minimum_withdrawal"),
    (
        'client_day_limit = "2"\nclient_month_limit = "1"',
        "client_month_limit is smaller than client_day_limit",
    ),
    ('day_limit = "0.01"', "day_limit is smaller than maximum_withdrawal"),
    ("day_limit = 5", "an amount is written as a string"),
]


@pytest.mark.parametrize(("edit", "expected"), BAD_POLICY, ids=range(len(BAD_POLICY)))
def test_d46_a_bad_policy_is_one_line(edit: Edit, expected: str, errors_of: Failer, folder: Path) -> None:
    file = folder / "coins" / "BTC.toml"
    text = file.read_text()
    assert edit[0] in text
    file.write_text(text.replace(edit[0], edit[1], 1))
    (line,) = errors_of()
    assert line.startswith("coins/BTC.toml:")
    assert expected in line


@pytest.mark.parametrize(("lines", "expected"), BAD_LIMITS, ids=range(len(BAD_LIMITS)))
def test_w42_a_bad_limit_is_one_line(lines: str, expected: str, errors_of: Failer, folder: Path) -> None:
    file = folder / "coins" / "BTC.toml"
    file.write_text(file.read_text().replace("max_reorg = 5", f"max_reorg = 5\n{lines}", 1))
    (line,) = errors_of()
    assert line.startswith("coins/BTC.toml:")
    assert expected in line


def test_w42_limits_are_read_in_base_units_and_none_by_default(settings_of: Loader, folder: Path) -> None:
    assert settings_of().coins["BTC"].client_day_limit is None
    file = folder / "coins" / "BTC.toml"
    lines = 'client_day_limit = "2"\nclient_month_limit = "5"\nday_limit = "20"'
    file.write_text(file.read_text().replace("max_reorg = 5", f"max_reorg = 5\n{lines}", 1))
    coin = settings_of().coins["BTC"]
    limits = (coin.client_day_limit, coin.client_month_limit, coin.day_limit)
    assert limits == (200_000_000, 500_000_000, 2_000_000_000)


BOUNDS = {"hot_floor": 100, "hot_target": 300, "hot_ceiling": 500}


@pytest.mark.parametrize(
    ("left_out", "hot", "missing", "excess"),
    [
        ((), 99, 201, 0),
        ((), 100, 0, 0),
        ((), 500, 0, 0),
        ((), 501, 0, 201),
        (("hot_target",), 99, 1, 0),
        (("hot_target",), 501, 0, 1),
        (("hot_floor", "hot_target", "hot_ceiling"), 0, 0, 0),
        (("hot_floor",), 0, 0, 0),
    ],
)
def test_what_a_hot_wallet_lacks_and_has_too_much(
    left_out: tuple[str, ...], hot: int, missing: int, excess: int, settings_of: Loader
) -> None:
    bounds = {name: None if name in left_out else amount for name, amount in BOUNDS.items()}
    coin = settings_of().coins["BTC"].model_copy(update=bounds)
    assert (coin.hot_missing(hot), coin.hot_excess(hot)) == (missing, excess)


@pytest.mark.parametrize(
    "page",
    [
        "http://explorer.example/tx/{txid}",
        "https://explorer.example/tx/",
        "https://explorer.example/{txid}/{txid}",
        "https://user@explorer.example/{txid}",
        "javascript:alert(1)//{txid}",
        "https://explorer.example/{txid}<b>",
        "https://{txid}",
    ],
)
def test_an_explorer_is_an_https_page_of_a_chain_tx(page: str, errors_of: Failer, folder: Path) -> None:
    file = folder / "coins" / "BTC.toml"
    file.write_text(file.read_text().replace("max_reorg = 5", f'max_reorg = 5\nexplorer_tx = "{page}"', 1))
    (line,) = errors_of()
    assert "coins.BTC.explorer_tx" in line


def test_an_explorer_is_none_unless_it_is_named(settings_of: Loader, folder: Path) -> None:
    assert settings_of().coins["BTC"].explorer_tx is None
    file, page = folder / "coins" / "BTC.toml", "https://explorer.example:8443/tx/{txid}"
    file.write_text(file.read_text().replace("max_reorg = 5", f'max_reorg = 5\nexplorer_tx = "{page}"', 1))
    assert settings_of().coins["BTC"].explorer_tx == page


TIERS = 'tiers = [{ above = "0.5", confirmations = 4 }, { above = "2", confirmations = 6 }]'


def test_d46_tiers_are_read_in_base_units_and_shown_in_whole_ones(settings_of: Loader, folder: Path) -> None:
    file = folder / "coins" / "BTC.toml"
    text = file.read_text().replace("max_reorg = 5", f"max_reorg = 5\nwithdrawable_depth = 5\n{TIERS}", 1)
    file.write_text(text)
    settings = settings_of()
    coin = settings.coins["BTC"]
    assert [(tier.above, tier.confirmations) for tier in coin.tiers] == [(50_000_000, 4), (200_000_000, 6)]
    assert coin.withdrawable_after == 5
    shown = print_config(settings)
    assert TIERS in shown
    assert tomllib.loads(shown)["coins"]["BTC"]["tiers"][0] == {"above": "0.5", "confirmations": 4}
    assert as_dict(settings)["coins"]["BTC"]["tiers"][1] == {"above": "2", "confirmations": 6}


def test_without_a_policy_every_credit_is_alike(settings_of: Loader) -> None:
    settings = settings_of()
    assert [(coin.tiers, coin.withdrawable_after) for coin in settings.coins.values()] == [((), 3), ((), 12)]
    ether = settings.coins["ETH"]
    assert isinstance(ether, EvmCoinSettings)
    assert ether.finality == "confirmations"


def test_d46_every_error_of_the_policy_at_once(errors_of: Failer, folder: Path) -> None:
    file = folder / "coins" / "BTC.toml"
    tiers = '[{ above = "-1", confirmations = 0 }, { above = 2, confirmations = "x" }]'
    file.write_text(
        file.read_text().replace(
            "max_reorg = 5", f"max_reorg = 5\nwithdrawable_depth = '5'\ntiers = {tiers}", 1
        )
    )
    keys = [line.split(": ")[1].removeprefix("coins.BTC.") for line in errors_of()]
    assert keys == [
        "tiers.0.above",
        "tiers.0.confirmations",
        "tiers.1.above",
        "tiers.1.confirmations",
        "withdrawable_depth",
    ]


def test_e20_an_unknown_tag_is_refused(errors_of: Failer, folder: Path) -> None:
    file = folder / "coins" / "ETH.toml"
    file.write_text(file.read_text().replace("max_reorg = 95", 'max_reorg = 95\nfinality = "latest"', 1))
    (line,) = errors_of()
    assert "coins.ETH.finality: must be 'confirmations', 'safe' or 'finalized'" in line


def test_tiers_have_no_variable(errors_of: Failer) -> None:
    (line,) = errors_of({"CASHIER__COINS__BTC__TIERS": "0.5:6"})
    assert "CASHIER__COINS__BTC__TIERS: unknown setting" in line


TWO_NODES = """\
[[nodes]]
url = "http://a:1"

[[nodes]]
url = "http://b:2"
timeout_s = 4
"""


def test_two_nodes_are_the_followed_one_and_its_witness(folder: Path, settings_of: Loader) -> None:
    path = folder / "coins" / "BTC.toml"
    text = path.read_text()
    assert settings_of().coins["BTC"].witness is None
    path.write_text(text.partition("[node]")[0] + TWO_NODES)
    secret = folder / "secret"
    secret.touch(mode=0o600)
    secret.write_text("canary")
    coin = settings_of(
        {
            "CASHIER__COINS__BTC__WITNESS__USER": "u",
            "CASHIER__COINS__BTC__WITNESS__PASSWORD_FILE": "secret",
            "CASHIER__COINS__BTC__WITNESS_REQUIRED": "true",
        }
    ).coins["BTC"]
    assert coin.witness is not None
    assert (coin.node.url, coin.witness.url, coin.witness.timeout_s) == ("http://a:1", "http://b:2", 4)
    assert coin.witness.password is not None
    assert (coin.node.user, coin.witness.password.get_secret_value()) == (None, "canary")
    assert coin.witness_required


def test_a_network_may_have_its_own_two_nodes(folder: Path, settings_of: Loader) -> None:
    path = folder / "coins" / "BTC.toml"
    rest = 'nodes = [{ url = "http://a:1" }, { url = "http://b:2" }]\n'
    path.write_text(path.read_text().partition('node = { url = "http://127.0.0.1:18443"')[0] + rest)
    coin = settings_of({"CASHIER__COINS__BTC__NETWORK": "regtest"}).coins["BTC"]
    assert coin.witness is not None
    assert (coin.node.url, coin.witness.url) == ("http://a:1", "http://b:2")
    assert settings_of().coins["BTC"].witness is None


KEYSTORE = 'hot_keystore = "hot.json"'
HOT = f'hot_address = "0x{"5a" * 20}"'
PASSPHRASE = "CASHIER__COINS__ETH__HOT_KEYSTORE_PASSPHRASE"
BAD_KEYSTORES = [
    (KEYSTORE, {}, "hot_keystore, hot_keystore_passphrase and hot_address belong together"),
    (HOT, {}, "hot_keystore, hot_keystore_passphrase and hot_address belong together"),
    ("", {PASSPHRASE: "canary"}, "hot_keystore, hot_keystore_passphrase and hot_address belong together"),
    (f"{KEYSTORE}\n{HOT}", {}, "hot_keystore, hot_keystore_passphrase and hot_address belong together"),
    (f"{KEYSTORE}\n{HOT}\nhot_keystore_passphrase = 'canary'", {}, f"set {PASSPHRASE}_FILE"),
    (f"{KEYSTORE}\nhot_address = '0x5a'", {PASSPHRASE: "canary"}, "coins.ETH.hot_address"),
    (
        f"{KEYSTORE}\n{HOT}\nhot_xpub = 'xpub{'a' * 107}'",
        {PASSPHRASE: "canary"},
        "hot_keystore and hot_xpub exclude each other",
    ),
]


@pytest.mark.parametrize(("lines", "environ", "expected"), BAD_KEYSTORES, ids=range(len(BAD_KEYSTORES)))
def test_a_keystore_comes_with_passphrase_and_address(
    lines: str, environ: dict[str, str], expected: str, errors_of: Failer, folder: Path
) -> None:
    file = folder / "coins" / "ETH.toml"
    file.write_text(file.read_text().replace("max_reorg", f"{lines}\nmax_reorg", 1))
    (line,) = errors_of(environ)
    assert expected in line
    assert "canary" not in line


def test_the_passphrase_of_a_keystore_comes_from_a_file_and_is_not_shown(
    settings_of: Loader, folder: Path
) -> None:
    file = folder / "coins" / "ETH.toml"
    file.write_text(file.read_text().replace("max_reorg", f"{KEYSTORE}\n{HOT}\nmax_reorg", 1))
    secret = folder / "secret"
    secret.write_text("canary\n")
    secret.chmod(0o600)
    settings = settings_of({f"{PASSPHRASE}_FILE": str(secret)})
    coin = settings.coins["ETH"]
    assert isinstance(coin, EvmCoinSettings)
    assert coin.hot_keystore == folder / "hot.json"
    assert coin.hot_keystore_passphrase is not None
    assert coin.hot_keystore_passphrase.get_secret_value() == "canary"
    assert coin.has_hot_apart
    shown = print_config(settings) + str(as_dict(settings)) + repr(settings)
    assert "canary" not in shown
