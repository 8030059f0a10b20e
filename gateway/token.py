"""Website keys, session tokens and object ids: how they look, and the hash that is kept of them. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

OPERATOR_NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""The form of an operator's login name."""
RandomBytes = Callable[[int], bytes]
"""Gives so many unpredictable bytes (``secrets.token_bytes``), handed in so that a test can repeat a run."""

_KEY_ID = "key_"
_KEY = re.compile(r"ck_([0-9a-f]{16})_[0-9a-f]{64}", re.ASCII)
_SESSION = re.compile(r"cs_[0-9a-f]{64}", re.ASCII)
_OPERATOR = re.compile(r"os_[0-9a-f]{64}", re.ASCII)
_CODE = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A website key just made: ``token`` is shown once to its owner, ``key_hash`` is kept."""

    id: str
    token: str
    key_hash: str


def new_key(random_bytes: RandomBytes) -> NewKey:
    """A website key ``ck_<id>_<secret>`` with 256 random bits; 64 bits of id tell keys apart in logs."""
    return key_of(new_key_id(random_bytes), random_bytes(32).hex())


def new_key_id(random_bytes: RandomBytes) -> str:
    """The id ``key_<id>`` of a website key."""
    return f"{_KEY_ID}{random_bytes(8).hex()}"


def key_of(key_id: str, secret: str) -> NewKey:
    """The website key with this id and this secret (64 hex digits)."""
    token = f"ck_{key_id.removeprefix(_KEY_ID)}_{secret}"
    return NewKey(key_id, token, token_hash(token))


def new_session_token(random_bytes: RandomBytes) -> str:
    """A token ``cs_…`` with 256 random bits for one client session."""
    return f"cs_{random_bytes(32).hex()}"


def new_operator_token(random_bytes: RandomBytes) -> str:
    """A token ``os_…`` with 256 random bits for one login of an operator."""
    return f"os_{random_bytes(32).hex()}"


def new_id(prefix: str, random_bytes: RandomBytes) -> str:
    """An object id such as ``wd_`` and 32 hex digits."""
    return f"{prefix}_{random_bytes(16).hex()}"


def new_ordered_id(prefix: str, at_ns: int, random_bytes: RandomBytes) -> str:
    """The same for objects that come in great numbers: 12 digits of time (ms), 20 random ones.

    The indexes of the database that hold them grow at their end, and not at a random page for each object.
    ``at_ns`` is unix time in nanoseconds. Two of one millisecond are equal once in 2^40 draws.
    """
    return f"{prefix}_{at_ns // 1_000_000:012x}{random_bytes(10).hex()}"


def new_salt(random_bytes: RandomBytes) -> str:
    """128 random bits in hex: what makes an operator's derived secrets new ones."""
    return random_bytes(16).hex()


def token_hash(token: str) -> str:
    """SHA-256 in hex. Fast on purpose: tokens have 256 random bits and cannot be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_website_key(token: str) -> bool:
    """Whether ``token`` has the form of a website key."""
    return _KEY.fullmatch(token) is not None


def is_session_token(token: str) -> bool:
    """Whether ``token`` has the form of a session token."""
    return _SESSION.fullmatch(token) is not None


def is_operator_token(token: str) -> bool:
    """Whether ``token`` has the form of an operator's session token."""
    return _OPERATOR.fullmatch(token) is not None


def is_code(text: str) -> bool:
    """Whether ``text`` has the form of a one-time code."""
    return _CODE.fullmatch(text) is not None
