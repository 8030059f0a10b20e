"""The example file and the reference tell the truth."""

import re
import tomllib
from pathlib import Path

from config.coin import BitcoinCoinSettings, EvmCoinSettings
from config.draft import Draft, read_toml
from config.loader import load
from config.reference import EXAMPLE, README, render_example, with_reference
from config.schema import Settings
from config.token import TokenSettings
from config.walk import is_secret, leaves

from .conftest import COINS


def test_example_is_made_from_the_settings() -> None:
    assert EXAMPLE.read_text() == render_example()


def test_example_lists_every_option_with_its_true_default(tmp_path: Path) -> None:
    tree = tomllib.loads(EXAMPLE.read_text())
    text = EXAMPLE.read_text()
    for path, field in leaves(Settings):
        if path[0] == "coins":
            continue
        section, key = path
        if is_secret(field):
            assert f"CASHIER__{section.upper()}__{key.upper()}_FILE" in text
        elif field.default is None:
            assert re.search(rf"^# {key} =$", text, re.MULTILINE)
        else:
            value = tree[section][key]
            assert (tuple(value) if isinstance(value, list) else value) == field.default
    file = tmp_path / "cashier.toml"
    file.write_text(text)
    empty = tmp_path / "empty.toml"
    empty.write_text("# nothing set\n")
    assert load(file, {}) == load(empty, {})


def test_reference_of_the_readme_is_made_from_the_settings() -> None:
    assert README.read_text() == with_reference(README.read_text())


def test_every_field_says_what_it_means() -> None:
    for model in (Settings, BitcoinCoinSettings, EvmCoinSettings, TokenSettings):
        for path, field in leaves(model):
            assert field.description, path
            assert field.description.strip().endswith((".", ":")), path


def test_coin_files_name_no_secret_and_are_disabled() -> None:
    files = sorted(COINS.glob("*.toml"))
    assert [file.stem for file in files] == ["BCH", "BTC", "DOGE", "ETH", "LTC", "USDC-ETH", "USDT-ETH"]
    for file in files:
        draft = Draft()
        tree = read_toml(draft, file, ())
        assert tree is not None
        assert not draft.problems
        assert tree["enabled"] is False
        assert bool(tree.get("unsupported")) == (file.stem in ("BCH", "DOGE"))
