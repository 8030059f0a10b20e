"""Questions about the settings classes: which fields there are, of what kind, under which names."""

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from config.coin import BitcoinCoinSettings, CoinBase, EvmCoinSettings
from config.currency import CurrencySettings
from config.fields import FromOtherFiles, Section, WholeUnits
from config.token import TokenSettings

__all__ = [
    "FAMILIES",
    "TOKENS",
    "base_type",
    "class_at",
    "currency_class",
    "is_amount",
    "is_secret",
    "item_class",
    "leaves",
    "section_class",
    "settings_of",
]

FAMILIES: dict[str, type[CoinBase]] = {"bitcoin": BitcoinCoinSettings, "evm": EvmCoinSettings}
"""The class of a chain's settings by its family."""

TOKENS: dict[str, type[TokenSettings]] = {"evm": TokenSettings}
"""The class of a token's settings by the family of its chain."""


def currency_class(family: object, is_token: bool) -> type[CurrencySettings] | None:
    """Give the class of a coin file, None for a family that does not exist."""
    models: Mapping[str, type[CurrencySettings]] = TOKENS if is_token else FAMILIES
    return models.get(family) if isinstance(family, str) else None


def settings_of(model: type[Section]) -> dict[str, FieldInfo]:
    """Give the fields of a class that are written as settings."""
    return {name: field for name, field in model.model_fields.items() if not is_from_other_files(field)}


def is_from_other_files(field: FieldInfo) -> bool:
    """Whether a field is filled by the loader, and no setting of its own."""
    return any(isinstance(mark, FromOtherFiles) for mark in field.metadata)


def base_type(annotation: Any) -> Any:
    """Strip `Annotated` and `| None` off an annotation."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return base_type(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return base_type(next(arg for arg in get_args(annotation) if arg is not type(None)))
    if origin is Literal:
        return str
    return origin or annotation


def section_class(field: FieldInfo) -> type[Section] | None:
    """Give the class of a nested table, or None for a plain value."""
    kind = base_type(field.annotation)
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def item_class(field: FieldInfo) -> type[Section] | None:
    """Give the class of the tables in a list, or None for a list of plain values and for no list."""
    if section_class(field) is not None:
        return None
    for part in get_args(field.annotation):
        if isinstance(part, type) and issubclass(part, Section):
            return part
    return None


def is_secret(field: FieldInfo) -> bool:
    """Whether a field must come from the environment or a file."""
    return base_type(field.annotation) is SecretStr


def is_amount(field: FieldInfo) -> bool:
    """Whether a field is an amount, written as a decimal string of whole units."""
    return any(isinstance(mark, WholeUnits) for mark in field.metadata)


def leaves(model: type[Section], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Give every plain field below a class with its path."""
    for name, field in settings_of(model).items():
        nested = section_class(field)
        if nested is None:
            yield (*path, name), field
        else:
            yield from leaves(nested, (*path, name))


def class_at(model: type[Section], path: tuple[str, ...]) -> type[Section] | None:
    """Follow a path of table names; None when it leads to no table."""
    for name in path:
        field = model.model_fields.get(name)
        nested = section_class(field) if field else None
        if nested is None:
            return None
        model = nested
    return model
