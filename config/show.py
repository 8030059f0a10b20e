"""Show the configuration in force, secrets masked."""

import json
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from config.currency import CurrencySettings
from config.fields import Section
from config.schema import Settings
from config.secrets import MASK
from config.walk import is_amount, settings_of

__all__ = ["amount_text", "as_dict", "print_config", "toml_value"]


def amount_text(amount: int, decimals: int) -> str:
    """Write base units as a decimal string of whole units, exact, without an exponent."""
    if decimals == 0:
        return str(amount)
    digits = str(amount).rjust(decimals + 1, "0")
    fraction = digits[-decimals:].rstrip("0")
    return f"{digits[:-decimals]}.{fraction}" if fraction else digits[:-decimals]


def as_dict(settings: Settings) -> dict[str, Any]:
    """Give the whole configuration ready for JSON: secrets masked, amounts as decimal strings."""
    shown = {name: _plain(getattr(settings, name)) for name in settings_of(type(settings))}
    return shown | {"coins": _plain(settings.configured)}


def _table(section: Section, decimals: int = 0) -> dict[str, Any]:
    """Give one table; the decimals of a currency hold for the tables inside it."""
    if isinstance(section, CurrencySettings):
        decimals = section.decimals
    shown: dict[str, Any] = {}
    for name, field in settings_of(type(section)).items():
        value = getattr(section, name)
        if is_amount(field) and isinstance(value, int):
            value = amount_text(value, decimals)
        shown[name] = _plain(value, decimals)
    return shown


def _plain(value: Any, decimals: int = 0) -> Any:
    """Give one value ready for JSON; ``decimals`` are those of the currency around it."""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, Section):
        return _table(value, decimals)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item, decimals) for item in value]
    return str(value) if isinstance(value, Path) else value


def print_config(settings: Settings) -> str:
    """Write the configuration in force as TOML-like text, secrets masked; unset values as comments."""
    lines: list[str] = []
    for name, table in as_dict(settings).items():
        if name == "coins":
            for currency, coin in table.items():
                _write(lines, f"coins.{currency}", coin)
        else:
            _write(lines, name, table)
    return "\n".join(lines).strip() + "\n"


def _write(lines: list[str], header: str, table: dict[str, Any]) -> None:
    """Append one table and the tables inside it."""
    lines += ["", f"[{header}]"]
    nested = {name: value for name, value in table.items() if isinstance(value, dict)}
    for name, value in table.items():
        if name not in nested:
            lines.append(f"# {name} is not set" if value is None else f"{name} = {toml_value(value)}")
    for name, value in nested.items():
        _write(lines, f"{header}.{name}", value)


def toml_value(value: Any) -> str:
    """Write one plain value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
