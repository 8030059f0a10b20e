"""Keys, tokens and ids."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.token import (
    is_code,
    is_session_token,
    is_website_key,
    new_id,
    new_key,
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


@given(st.text(max_size=120))
def test_nothing_else_is_taken_for_one(text: str) -> None:
    assert not is_website_key(text)
    assert not is_session_token(text)
    assert not is_code(text)
