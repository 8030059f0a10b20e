"""A folder with a small valid configuration that a test can spoil."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from config.loader import ConfigError, load
from config.schema import Settings

COINS = Path(__file__).parents[2] / "config" / "coins"

MAIN = """\
[gateway]
port = 8081

[ledger]
path = "books.sqlite"
"""

Loader = Callable[..., Settings]
Failer = Callable[..., list[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with cashier.toml and the shipped BTC and ETH files."""
    (tmp_path / "coins").mkdir()
    (tmp_path / "cashier.toml").write_text(MAIN)
    for name in ("BTC", "ETH"):
        (tmp_path / "coins" / f"{name}.toml").write_text((COINS / f"{name}.toml").read_text())
    return tmp_path


@pytest.fixture
def settings_of(folder: Path) -> Loader:
    """Load the folder's configuration."""

    def run(environ: Mapping[str, str] | None = None) -> Settings:
        return load(folder / "cashier.toml", environ or {})

    return run


@pytest.fixture
def errors_of(folder: Path) -> Failer:
    """Load a configuration that must fail; give its error lines without the folder's name."""

    def run(environ: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(folder / "cashier.toml", environ or {})
        return str(caught.value).replace(f"{folder}/", "").splitlines()

    return run
