"""The gateway's secret: made once, kept private, and what follows from it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.secret import (
    GatewaySecretError,
    command_token,
    load_or_create,
    session_code,
    signing_secret,
)


def made(size: int) -> bytes:
    return bytes(range(size))


def test_it_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "gateway.secret"
    first = load_or_create(path, made)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create(path, lambda size: b"\xff" * size) == first == bytes(range(32))
    assert [entry.name for entry in path.parent.iterdir()] == ["gateway.secret"]


def test_a_process_that_comes_second_takes_the_first_ones(tmp_path: Path) -> None:
    path = tmp_path / "gateway.secret"

    def slow(size: int) -> bytes:
        load_or_create(path, lambda _: b"\x01" * size)  # another process is quicker
        return b"\x02" * size

    assert load_or_create(path, slow) == b"\x01" * 32


@pytest.mark.parametrize("text", ["", "abc", "zz" * 32, "ab" * 31, "ab" * 33])
def test_a_file_with_something_else_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gateway.secret"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(GatewaySecretError) as caught:
        load_or_create(path, made)
    assert str(path) in str(caught.value)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "gateway.secret"
    load_or_create(path, made)
    path.chmod(mode)
    with pytest.raises(GatewaySecretError, match="chmod 600"):
        load_or_create(path, made)


def test_a_path_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GatewaySecretError, match="cannot use"):
        load_or_create(tmp_path / "file" / "gateway.secret", made)
    os.mkdir(tmp_path / "folder")
    with pytest.raises(GatewaySecretError, match="cannot use"):
        load_or_create(tmp_path / "folder", made)


def test_what_is_derived_differs_by_purpose_name_and_secret() -> None:
    derived = {
        signing_secret(made(32), "a"),
        signing_secret(made(32), "b"),
        signing_secret(b"\x01" * 32, "a"),
        session_code(made(32), "a"),
        session_code(made(32), "b"),
    }
    assert len(derived) == 5
    assert {len(text) for text in derived} == {64}


def test_the_token_of_the_command_line_is_one_of_its_own() -> None:
    one, other = bytes(32), b"\x01" * 32
    assert len(bytes.fromhex(command_token(one))) == 32
    assert command_token(one) == command_token(bytes(32)) != command_token(other)
    assert command_token(one) not in (one.hex(), signing_secret(one, "reconcile"))
