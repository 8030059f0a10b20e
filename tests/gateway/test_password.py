"""Passwords: what is kept, what is checked, and that the loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway import password
from gateway.password import WAITING_MAX, Passwords
from gateway.problem import ProblemError
from tests.fakes.clock import settle
from tests.gateway.house import PASSWORD, QUICK_HASH


def test_a_hash_is_argon2id_and_fits_its_password_alone() -> None:
    kept = password.HASHER.hash(PASSWORD)
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert password.is_right(kept, PASSWORD)
    for wrong in ("", PASSWORD + " ", PASSWORD.upper()):
        assert not password.is_right(kept, wrong)


def test_nobodys_hash_costs_the_same_and_fits_nothing() -> None:
    made, nobodys = password.HASHER.hash(PASSWORD).split("$"), password.NOBODY.split("$")
    assert made[:4] == nobodys[:4]
    assert [len(part) for part in made] == [len(part) for part in nobodys]
    assert not password.is_right(password.NOBODY, PASSWORD)


def test_what_is_no_hash_fits_nothing() -> None:
    assert not password.is_right("", PASSWORD)
    assert not password.is_right("$argon2id$v=19$m=8,t=1,p=1$x", PASSWORD)


async def test_the_loop_goes_on_and_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def slow(_: str, __: str) -> bool:
        assert go_on.wait(30)
        return True

    monkeypatch.setattr(password, "is_right", slow)
    passwords = Passwords()
    try:
        tasks = [asyncio.create_task(passwords.is_right(QUICK_HASH, PASSWORD)) for _ in range(WAITING_MAX)]
        await settle()
        with pytest.raises(ProblemError, match="rate_limited"):
            passwords.require_room()
        with pytest.raises(ProblemError, match="rate_limited"):
            await passwords.hash(PASSWORD)
        go_on.set()
        assert await asyncio.gather(*tasks) == [True] * WAITING_MAX
        passwords.require_room()
    finally:
        passwords.close()
