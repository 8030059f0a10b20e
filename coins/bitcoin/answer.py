"""The node's JSON answers, taken field by field. Pure.

A node is somebody else's program: no field is believed before its type and range are checked, and
no number passes through binary floating point. Every refusal is a NodeDataError that names the
field and shows at most a few letters of what stood there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from coins.errors import NodeDataError, writable

COIN_DECIMALS = 8
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)
_HASHES = re.compile(rb'(?:"[0-9a-f]{64}",)*"[0-9a-f]{64}"', re.ASCII)
_HASH_STEP = 1_000
_HASH_BYTES = 67  # a hash with its quotes and its comma
_WORK = re.compile(r"[0-9a-f]{1,64}", re.ASCII)
_HEIGHT_MAX = 2**31 - 1


def parse_json(body: bytes) -> Any:
    """JSON with exact numbers: whole ones as ``int``, all others as ``Decimal``.

    Raises NodeDataError for anything else, also for NaN and Infinity, which are no JSON.
    """
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise NodeDataError(f"answer is no JSON: {str(error)[:100]}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _refuse(name: str, wanted: str, value: object) -> NoReturn:
    raise NodeDataError(f"{name}: {wanted} expected, the node says {repr(value)[:40]}")


def as_object(value: Any, name: str) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        _refuse(name, "an object", value)
    return value


def as_list(value: Any, name: str) -> list[Any]:
    """A JSON array."""
    if not isinstance(value, list):
        _refuse(name, "a list", value)
    return value


def as_text(value: Any, name: str) -> str:
    """A JSON string, as it can be written down (:func:`coins.errors.writable`)."""
    if not isinstance(value, str):
        _refuse(name, "a text", value)
    return writable(value)


def as_hash(value: Any, name: str) -> str:
    """A block hash or txid: 64 lower-case hex digits."""
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        _refuse(name, "a hash", value)
    return value


def hashes_in_steps(text: bytes, name: str) -> Iterator[list[str]]:
    """The JSON list of hashes in ``text``, a thousand at a time: none of the steps takes a millisecond.

    That holds for the spelling nodes use, without a space; any other one is parsed as a whole first.
    """
    count, rest = divmod(len(text) - 1, _HASH_BYTES)
    if text[:1] == b"[" and text[-1:] == b"]" and count > 0 and rest == 0:
        size = _HASH_STEP * _HASH_BYTES
        steps = [text[start : start + size][:-1] for start in range(1, len(text), size)]
        if all(_HASHES.fullmatch(step) for step in (steps[0], steps[-1])):
            for step in steps:
                if not _HASHES.fullmatch(step):
                    _refuse(name, "hashes", step[:_HASH_BYTES].decode("latin-1"))
                yield step[1:-1].decode("ascii").split('","')
            return
    listed = as_list(parse_json(text), name)
    for start in range(0, len(listed), _HASH_STEP):
        yield [as_hash(each, name) for each in listed[start : start + _HASH_STEP]]


def as_bytes(value: Any, name: str) -> bytes:
    """Bytes as lower-case hex."""
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        _refuse(name, "hex", value)
    return bytes.fromhex(value)


def as_work(value: Any, name: str) -> int:
    """Cumulative chain work: up to 64 hex digits."""
    if not isinstance(value, str) or not _WORK.fullmatch(value):
        _refuse(name, "chain work", value)
    return int(value, 16)


def as_int(value: Any, name: str, low: int = 0, high: int = _HEIGHT_MAX) -> int:
    """A whole number in ``low … high``; true and false are none."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        _refuse(name, f"a whole number from {low} to {high}", value)
    return value


def as_bool(value: Any, name: str) -> bool:
    """True or false, nothing that merely counts as such."""
    if not isinstance(value, bool):
        _refuse(name, "true or false", value)
    return value


def as_amount(value: Any, name: str, max_money: int) -> int:
    """Base units of a JSON number of whole coins; no sign, at most 8 decimals, at most ``max_money``."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        _refuse(name, "an amount", value)
    # Compared before it is scaled: 1e999999 must not become an integer first.
    if not 0 <= value <= max_money:
        _refuse(name, "an amount in range", value)
    exponent = Decimal(value).as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -COIN_DECIMALS:
        _refuse(name, "an amount with at most 8 decimals", value)
    amount = int(Decimal(value).scaleb(COIN_DECIMALS))
    if amount > max_money:
        _refuse(name, "an amount in range", value)
    return amount
