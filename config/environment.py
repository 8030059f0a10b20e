"""Settings from the environment: `CASHIER__SECTION__KEY`, and `…_FILE` for a value kept in a file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from config.currency import CurrencySettings
from config.draft import Draft, Keys, nearest
from config.secrets import SecretFileError, read_value_file
from config.walk import base_type, is_amount, is_secret, item_class, leaves

__all__ = ["PREFIX", "Override", "env_name", "known_names", "read_environment"]

PREFIX = "CASHIER__"
_FILE = "_FILE"
_NOT_SETTABLE = ("currency", "family", "parent", "unsupported")
_INT = re.compile(r"[+-]?[0-9]{1,30}|0x[0-9a-fA-F]{1,16}", re.ASCII)
_FLOAT = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)
_BOOL = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Override:
    """One setting taken from the environment."""

    path: Keys
    value: Any
    variable: str


def env_name(path: Keys) -> str:
    """Give the variable that overrides a setting; a dash in a currency is written `_`."""
    return PREFIX + "__".join(part.replace("-", "_").upper() for part in path)


def known_names(
    sections: Mapping[str, Any], coins: Mapping[str, type[CurrencySettings]]
) -> dict[str, tuple[Keys, FieldInfo]]:
    """Map every valid variable to its setting; `coins` holds the class of each currency's settings.

    A list of tables has no variable: it is written in the file.
    """
    known: dict[str, tuple[Keys, FieldInfo]] = {}
    for section, model in sections.items():
        known |= {env_name(path): (path, field) for path, field in leaves(model, (section,))}
    for currency, model in coins.items():
        for path, field in leaves(model, ("coins", currency)):
            if path[2] not in _NOT_SETTABLE and item_class(field) is None:
                known[env_name(path)] = (path, field)
    return known


def read_environment(
    draft: Draft, environ: Mapping[str, str], known: Mapping[str, tuple[Keys, FieldInfo]], folder: Path
) -> list[Override]:
    """Turn the variables into overrides; unknown, doubled and unreadable ones become problems."""
    overrides: list[Override] = []
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        text = environ[variable]
        is_file = variable not in known and variable.endswith(_FILE)
        target = known.get(variable.removesuffix(_FILE) if is_file else variable)
        if target is None:
            draft.add(variable, "", "unknown setting", nearest(variable, list(known)))
            continue
        path, field = target
        key = ".".join(path)
        if is_file:
            if variable.removesuffix(_FILE) in environ:
                draft.add(variable, key, f"{variable.removesuffix(_FILE)} is set as well: keep one of them")
                continue
            try:
                text = read_value_file(folder / text, is_secret=is_secret(field))
            except (SecretFileError, ValueError) as error:
                draft.add(variable, key, str(error))
                continue
        overrides.append(Override(path, _typed(field, text), variable))
    return overrides


def _typed(field: FieldInfo, text: str) -> Any:
    """Read a text as the type of its field; what does not fit stays text and fails the check."""
    if is_amount(field):
        return text
    kind = base_type(field.annotation)
    if kind is tuple:
        return [_number(part.strip()) for part in text.split(",")] if text.strip() else []
    if kind is bool:
        return _BOOL.get(text.lower(), text)
    if kind in (int, float):
        return _number(text)
    return text


def _number(text: str) -> int | float | str:
    """Read a number, hexadecimal with 0x; anything else stays text."""
    if _INT.fullmatch(text):
        return int(text, 16) if text.startswith("0x") else int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
