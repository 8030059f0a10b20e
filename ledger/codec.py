"""Views as JSON and back: stored replies of idempotent commands, and the data of events. Pure.

Amounts stay integers (JSON has no limit on them; Python reads and writes them exactly).
"""

from __future__ import annotations

import json
import types
import typing
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from ledger import views

_SCALARS = frozenset({str, int, bool, type(None)})

to_json = json.JSONEncoder(separators=(",", ":")).encode
"""Plain values as JSON without spaces."""


def to_dict(view: Any) -> dict[str, Any]:
    """A view as a dict of plain JSON values; nested views become dicts, tuples lists."""
    data = {}
    for name in _names(view.__class__):
        value = getattr(view, name)
        data[name] = value if type(value) in _SCALARS else _plain(value)
    return data


def encode(view: Any) -> tuple[str, str]:
    """``(type name, JSON text)`` of a view."""
    return type(view).__name__, to_json(to_dict(view))


def decode(type_name: str, text: str) -> Any:
    """Inverse of :func:`encode`. Raises KeyError for a type that is no view."""
    cls = getattr(views, type_name, None)
    if cls is None or not is_dataclass(cls):
        raise KeyError(f"{type_name} is not a view")
    return _build(cls, json.loads(text))


@cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(f.name for f in fields(cls))


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return to_dict(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    raise TypeError(f"a view holds no {type(value).__name__}")


def _build(hint: Any, value: Any) -> Any:
    """Give a JSON value the type that a view's field asks for."""
    if value is None:
        return None
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        (inner,) = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        return _build(inner, value)
    if origin is tuple:
        return tuple(_build(typing.get_args(hint)[0], item) for item in value)
    if isinstance(hint, type) and is_dataclass(hint):
        hints = _hints(hint)
        return hint(**{name: _build(hints[name], value[name]) for name in _names(hint) if name in value})
    return value
