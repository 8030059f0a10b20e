"""The kinds of values a setting can have, and the base of every settings class.

Everything here refuses what it does not know: no unknown key, no silent conversion, no binary
floating point where money is meant.
"""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError

__all__ = [
    "BasePath",
    "Delays",
    "FromOtherFiles",
    "HttpUrl",
    "Origins",
    "Port",
    "Seconds",
    "Secret",
    "Section",
    "WholeUnits",
    "Written",
    "as_tuple",
    "kind",
    "parse_amount",
    "problem",
]

MAX_AMOUNT = 2**256 - 1
"""The largest amount any chain of ours can hold (an EVM word), in base units."""

_DECIMAL = re.compile(r"[0-9]{1,78}(?:\.[0-9]{1,78})?", re.ASCII)


class Section(BaseModel):
    """A frozen group of settings: unknown keys are refused, types are never converted."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )


class Written:
    """An amount as it stands in the file, with the decimals of the currency it belongs to."""

    def __init__(self, value: object, decimals: int) -> None:
        """Keep both until the amount's own field parses them."""
        self.value = value
        self.decimals = decimals


class WholeUnits:
    """Marks an amount: written as a decimal string of whole units, kept in base units."""


class FromOtherFiles:
    """Marks what the loader fills from other files: no setting of this one."""


def problem(message: str) -> PydanticCustomError:
    """Build the error of one value; `message` is shown to the operator as it stands."""
    return PydanticCustomError("setting", "{reason}", {"reason": message})


def parse_amount(value: object, decimals: int) -> int:
    """Turn a decimal string of whole units (`"0.001"`) into exact base units.

    Refused: anything that is no string (a TOML float has lost digits already), a sign, an exponent,
    white space, more digits after the point than `decimals`, more than 2^256 - 1 base units.
    Raises PydanticCustomError with the reason.
    """
    if not isinstance(value, str):
        raise problem(f'an amount is written as a string, like "0.001", not as {kind(value)}')
    if not _DECIMAL.fullmatch(value):
        raise problem('not an amount: expected digits and at most one point, like "0.001"')
    whole, _, fraction = value.partition(".")
    if len(fraction) > decimals:
        raise problem(f"has {len(fraction)} decimals, the currency has {decimals}")
    amount = int(whole + fraction.ljust(decimals, "0"))
    if amount > MAX_AMOUNT:
        raise problem("is larger than any amount can be (2^256 - 1 base units)")
    return amount


def kind(value: object) -> str:
    """Name a value's TOML type for an error message."""
    names = {
        float: "a float",
        int: "an integer",
        bool: "a boolean",
        list: "a list",
        dict: "a table",
        str: "a string",
    }
    return names.get(type(value), f"a {type(value).__name__}")


def _as_path(value: object) -> object:
    """Accept a path written as text; an empty one is refused."""
    if isinstance(value, str):
        if not value or "\0" in value:
            raise problem("is not a path")
        return Path(value)
    return value


def _in_folder(value: Path, info: ValidationInfo) -> Path:
    """Let a relative path count from the folder the loader names in its context."""
    return Path(info.context["folder"]) / value if info.context else value


def as_tuple(value: object) -> object:
    """Freeze a TOML list; settings are immutable."""
    return tuple(value) if isinstance(value, list) else value


def _url(text: str) -> str:
    """Check an http(s) address without credentials, query or fragment; gives it without a last slash."""
    try:
        parts = urlsplit(text)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        raise problem("is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not has_port:
        raise problem('is not an http or https URL, like "http://127.0.0.1:8332"')
    if parts.username is not None or parts.password is not None:
        raise problem("must not hold a user or password: they have their own keys")
    if parts.query or parts.fragment or re.search(r"[\s\x00-\x1f]", text):
        raise problem("must not hold a query, a fragment or white space")
    return text.rstrip("/")


def _origin(text: str) -> str:
    """Check a web origin (scheme, host, port and nothing else)."""
    checked = _url(text)
    if urlsplit(checked).path:
        raise problem("is not an origin: expected scheme, host and port only")
    return checked


Seconds = Annotated[float, Field(gt=0, le=31_536_000, allow_inf_nan=False)]
"""A duration in seconds, above zero, at most a year."""

Port = Annotated[int, Field(ge=0, le=65535)]
"""A TCP port; 0 lets the system choose a free one."""

BasePath = Annotated[Path, BeforeValidator(_as_path), AfterValidator(_in_folder)]
"""A path; a relative one counts from the folder of the config file."""

HttpUrl = Annotated[str, AfterValidator(_url)]
"""An http or https URL without credentials, query or fragment."""

Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(as_tuple)]
"""A list of web origins."""

_Delay = Annotated[float, Field(ge=0, le=31_536_000, allow_inf_nan=False)]

Delays = Annotated[tuple[_Delay, ...], Field(min_length=1, max_length=32), BeforeValidator(as_tuple)]
"""A list of delays in seconds, zero allowed."""

Secret = Annotated[SecretStr, Field(min_length=1)]
"""A secret: only from the environment or a file, never shown."""
