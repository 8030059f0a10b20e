"""What a reload has to do."""

from pathlib import Path

import pytest

from config.loader import diff, load

from .conftest import Loader

ON = {"CASHIER__COINS__BTC__ENABLED": "true"}


def _group(old: dict[str, str], new: dict[str, str], settings_of: Loader) -> dict[str, tuple[str, ...]]:
    changes = diff(settings_of(old), settings_of(new))
    return {name: getattr(changes, name) for name in changes.__slots__ if getattr(changes, name)}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {}, {}),
        (ON, ON, {}),
        ({}, ON, {"added": ("BTC",)}),
        (ON, {}, {"removed": ("BTC",)}),
        (ON, ON | {"CASHIER__COINS__BTC__DRAINING": "true"}, {"drained": ("BTC",)}),
        (ON | {"CASHIER__COINS__BTC__DRAINING": "true"}, ON, {"changed": ("BTC",)}),
        (ON, ON | {"CASHIER__COINS__BTC__CONFIRMATIONS": "4"}, {"changed": ("BTC",)}),
        (ON, ON | {"CASHIER__COINS__BTC__NODE__URL": "http://b:1"}, {"changed": ("BTC",)}),
        (ON, ON | {"CASHIER__COINS__BTC__NETWORK": "regtest"}, {"identity_changed": ("BTC",)}),
        (ON, ON | {"CASHIER__COINS__ETH__CONFIRMATIONS": "4"}, {}),
        (ON, ON | {"CASHIER__LEDGER__BATCH_MAX": "4"}, {"restart_needed": ("ledger",)}),
        (
            {},
            ON | {"CASHIER__COINS__ETH__ENABLED": "true", "CASHIER__GATEWAY__PORT": "1"},
            {"added": ("BTC", "ETH"), "restart_needed": ("gateway",)},
        ),
    ],
)
def test_each_change_falls_into_its_group(
    old: dict[str, str], new: dict[str, str], expected: dict[str, tuple[str, ...]], settings_of: Loader
) -> None:
    assert _group(old, new, settings_of) == expected
    assert bool(diff(settings_of(old), settings_of(new))) == bool(expected)


def test_removed_file_of_an_enabled_currency_removes_it(settings_of: Loader, folder: Path) -> None:
    old = settings_of(ON)
    (folder / "coins" / "BTC.toml").unlink()
    new = load(folder / "cashier.toml", {})
    assert diff(old, new).removed == ("BTC",)
    assert diff(new, old).added == ("BTC",)


def test_fingerprint_follows_identity_and_not_tuning(settings_of: Loader) -> None:
    base = settings_of(ON).coins["BTC"]
    tuned = settings_of(ON | {"CASHIER__COINS__BTC__CONFIRMATIONS": "4"}).coins["BTC"]
    moved = settings_of(ON | {"CASHIER__COINS__BTC__HRP": "xx"}).coins["BTC"]
    assert base.fingerprint() == tuned.fingerprint() != moved.fingerprint()
    assert len(base.fingerprint()) == 64
    assert base.identity()["p2sh"] == [5]
    assert settings_of().coins["ETH"].identity()["chain_id"] == 1
