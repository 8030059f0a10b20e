"""Keys, tokens and ids."""

from __future__ import annotations

import re
import secrets

from hypothesis import given
from hypothesis import strategies as st

from gateway.token import (
    is_code,
    is_session_token,
    is_website_key,
    new_id,
    new_key,
    new_ordered_id,
    new_session_token,
    token_hash,
)


def made(size: int) -> bytes:
    return b"\xab" * size


def test_a_key_shows_its_id_and_keeps_only_a_hash() -> None:
    key = new_key(made)
    assert key.id == "key_" + "ab" * 8
    assert key.token == f"ck_{'ab' * 8}_{'ab' * 32}"
    assert key.key_hash == token_hash(key.token)
    assert is_website_key(key.token)
    assert not is_session_token(key.token)


def test_a_session_token_and_an_id_have_their_form() -> None:
    assert is_session_token(new_session_token(made))
    assert not is_website_key(new_session_token(made))
    assert new_id("wd", made) == "wd_" + "ab" * 16


def test_an_ordered_id_sorts_by_its_time_and_cannot_be_guessed() -> None:
    first = new_ordered_id("wd", 1_700_000_000_000_999_999, secrets.token_bytes)
    later = new_ordered_id("wd", 1_700_000_000_001_000_000, secrets.token_bytes)
    assert first < later
    assert re.fullmatch(r"wd_018bcfe56800[0-9a-f]{20}", first, re.ASCII)
    assert first != new_ordered_id("wd", 1_700_000_000_000_999_999, secrets.token_bytes)


@given(st.text(max_size=120))
def test_nothing_else_is_taken_for_one(text: str) -> None:
    assert not is_website_key(text)
    assert not is_session_token(text)
    assert not is_code(text)
