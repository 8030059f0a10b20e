"""Operators log in, out and are locked out, on the real ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ledger.operator_access import CreateOperator, SetOperator
from tests.fakes.clock import FakeClock
from tests.gateway.fake import Answer
from tests.gateway.house import PASSWORD, QUICK_HASH, House, fill, open_house, serve
from tests.ledger.books import NOW, rows

WRONG = "wrong horse battery"
OTHER = "000000"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def me(house: House, token: str) -> Answer:
    return await house.send("GET", "/v1/admin/me", token)


async def logout(house: House, token: str) -> Answer:
    return await house.send("POST", "/v1/admin/logout", token, headers=house.idempotency())


async def make(house: House, name: str, *roles: str) -> None:
    """One more operator; his id is his name's."""
    command = CreateOperator(f"op_{name}", name, QUICK_HASH, "salt", roles, "test")
    await house.ask(command)


def audit(path: Path) -> list[tuple[Any, ...]]:
    """What the audit says of logins, oldest first."""
    return rows(path, "SELECT by, action, object_id FROM audit WHERE action LIKE 'log%' ORDER BY id")


def contents(folder: Path) -> bytes:
    """Every byte of the files in a folder."""
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


async def test_a_login_opens_a_session_and_a_logout_ends_it(house: House, tmp_path: Path) -> None:
    answer = await house.login()
    assert answer.status == 200
    assert answer.headers.getall("Set-Cookie", []) == []
    token = answer.data["token"]
    assert token.startswith("os_")
    shown = (await me(house, token)).data
    assert (shown["name"], shown["roles"], shown["operator_id"]) == ("ann", ["admin"], "op_ann")
    assert "own" in shown["permissions"]
    assert shown["expires_at"] == answer.data["expires_at"]
    assert (await logout(house, token)).status == 204
    assert (await me(house, token)).status == 401
    session_id = shown["id"]
    assert audit(tmp_path / "books.sqlite") == [
        ("operator:op_ann", "login", session_id),
        ("operator:op_ann", "logout", session_id),
    ]


async def test_the_token_is_taken_from_its_header_alone(house: House) -> None:
    """A cookie or a query string would let another site send it (cross-site request forgery)."""
    token = await house.operator()
    for headers in ({"Cookie": f"token={token}; Authorization={token}"}, {"Authorization": f"Basic {token}"}):
        assert (await house.send("GET", "/v1/admin/me", headers=headers)).status == 401
    assert (await house.send("GET", f"/v1/admin/me?token={token}")).status == 401


async def test_every_failure_looks_the_same(house: House, tmp_path: Path) -> None:
    await make(house, "bob", "viewer")
    await house.ask(SetOperator("op_bob", "test", is_disabled=True))
    failures = [
        await house.login(name="nobody"),
        await house.login(password=WRONG),
        await house.login(code=OTHER),
        await house.login(password=WRONG, code=OTHER),
        await house.login(name="bob", code=house.code(operator_id="op_bob")),
    ]
    for failure in failures:
        failure.data.pop("request_id")
        assert (failure.status, failure.code) == (401, "login_failed")
        assert failure.data == failures[0].data
        assert set(failure.headers) == set(failures[0].headers)
    # A name that nobody has is not kept: it may be a password typed into the wrong field.
    assert [row[2] for row in audit(tmp_path / "books.sqlite")] == [
        "",
        "op_ann",
        "op_ann",
        "op_ann",
        "op_bob",
    ]


async def test_a_code_is_good_once_also_for_two_at_once(house: House) -> None:
    answers = await asyncio.gather(*(house.login() for _ in range(3)))
    assert sorted(answer.status for answer in answers) == [200, 401, 401]
    assert (await house.login()).code == "login_failed"
    assert (await house.login(code=house.code(-30))).code == "login_failed"
    await house.clock.advance(30)  # type: ignore[attr-defined]
    assert (await house.login()).status == 200


@pytest.mark.parametrize(("drift_s", "status"), [(-60, 401), (-30, 200), (30, 200), (60, 401)])
async def test_a_code_is_good_one_step_before_and_after(house: House, drift_s: int, status: int) -> None:
    assert (await house.login(code=house.code(drift_s))).status == status


async def test_a_code_used_before_a_restart_stays_used(tmp_path: Path) -> None:
    made, clock = fill(tmp_path), FakeClock(NOW)
    async with serve(tmp_path, made, clock) as house:
        assert (await house.login()).status == 200
    async with serve(tmp_path, made, clock) as house:
        assert (await house.login()).code == "login_failed"


async def test_a_name_is_locked_out_with_growing_pauses_and_across_a_restart(tmp_path: Path) -> None:
    made, clock = fill(tmp_path), FakeClock(NOW)
    limits = {"login_tries": 3, "login_pause_s": 30, "login_pause_max_s": 100}
    async with serve(tmp_path, made, clock, **limits) as house:
        for _ in range(3):
            assert (await house.login(password=WRONG)).code == "login_failed"
        locked = await house.login()
        assert (locked.status, locked.code, locked.headers["Retry-After"]) == (429, "login_locked", "30")
    async with serve(tmp_path, made, clock, **limits) as house:
        for pause_s in (60, 100, 100):
            assert (await house.login()).code == "login_locked"
            await clock.advance(int((await house.login()).headers["Retry-After"]))
            assert (await house.login(password=WRONG)).code == "login_failed"
            assert (await house.login()).headers["Retry-After"] == str(pause_s)
        await clock.advance(100)
        assert (await house.login()).status == 200
        await clock.advance(30)
        assert (await house.login(password=WRONG)).code == "login_failed"
        assert (await house.login()).status == 200  # earlier failures are forgotten


async def test_a_name_nobody_has_is_locked_out_alike(tmp_path: Path) -> None:
    async with open_house(tmp_path, login_tries=2) as house:
        for _ in range(2):
            assert (await house.login(name="nobody")).code == "login_failed"
        known, unknown = await house.login(name="ann"), await house.login(name="nobody")
        assert (known.status, unknown.code) == (200, "login_locked")


async def test_many_guesses_at_once_are_no_more_than_one_by_one(tmp_path: Path) -> None:
    async with open_house(tmp_path, login_tries=4) as house:
        answers = await asyncio.gather(*(house.login(password=f"guess {n:06}") for n in range(12)))
        assert [answer.code for answer in answers].count("login_failed") == 4
        assert [answer.code for answer in answers].count("login_locked") == 8


async def test_an_address_is_locked_out_whatever_names_it_tries(tmp_path: Path) -> None:
    limits: dict[str, Any] = {"login_tries_per_address": 3, "trusted_proxies": ("127.0.0.1/32",)}
    async with open_house(tmp_path, **limits) as house:
        for number in range(3):
            assert (await house.login(name=f"guess{number}", address="192.0.2.7")).code == "login_failed"
        assert (await house.login(address="192.0.2.7")).code == "login_locked"
        assert (await house.login(address="192.0.2.8")).status == 200


async def test_a_session_ends_when_it_is_too_old_or_idle(tmp_path: Path) -> None:
    async with open_house(tmp_path, operator_session_ttl_s=1_000, operator_idle_s=100) as house:
        used, idle = await house.operator(), await house.operator(code=house.code(30))
        for _ in range(9):
            await house.clock.advance(95)  # type: ignore[attr-defined]
            assert (await me(house, used)).status == 200
        assert (await me(house, idle)).status == 401
        await house.clock.advance(95)  # type: ignore[attr-defined]
        assert (await me(house, used)).status == 200
        await house.clock.advance(50)  # type: ignore[attr-defined]
        assert (await me(house, used)).status == 401


@pytest.mark.parametrize("change", ["disable", "enable"])
async def test_a_disabled_operator_is_out_at_once(house: House, change: str) -> None:
    token = await house.operator()
    is_disabled = change == "disable"
    await house.ask(SetOperator("op_ann", "test", is_disabled=is_disabled, may_leave_no_admin=True))
    assert (await me(house, token)).status == (401 if is_disabled else 200)


async def test_a_role_taken_away_is_gone_at_once(house: House) -> None:
    token = await house.operator()
    await house.ask(SetOperator("op_ann", "test", roles=("marketing",), may_leave_no_admin=True))
    assert (await me(house, token)).data["permissions"] == ["own"]


async def test_neither_password_nor_code_nor_token_is_in_the_database(house: House, tmp_path: Path) -> None:
    token = await house.operator()
    raw = contents(tmp_path)
    for text in (token, token.removeprefix("os_"), PASSWORD):
        assert text.encode() not in raw


async def test_a_password_is_changed_by_who_knows_the_old_one_and_has_the_app(house: House) -> None:
    token, other = await house.operator(code=house.code(-30)), await house.operator()

    async def change(password: str, new: str, drift_s: int = 30) -> Answer:
        body = {"password": password, "code": house.code(drift_s), "new_password": new}
        return await house.send("PATCH", "/v1/admin/me", token, json=body)

    new = "another horse battery"
    assert (await change(WRONG, new)).code == "login_failed"
    assert (await change(PASSWORD, new, 0)).code == "login_failed"  # this code opened a session
    assert (await change(PASSWORD, "short")).code == "validation_failed"
    assert (await change(PASSWORD, new)).status == 200
    assert [(await me(house, each)).status for each in (token, other)] == [200, 401]
    await house.clock.advance(60)  # type: ignore[attr-defined]
    assert (await house.login()).code == "login_failed"
    assert (await house.login(password=new)).status == 200


async def test_a_stolen_session_cannot_guess_the_password_for_ever(tmp_path: Path) -> None:
    async with open_house(tmp_path, login_tries=2) as house:
        token = await house.operator()
        body = {"password": WRONG, "code": OTHER, "new_password": "another horse battery"}
        codes = [(await house.send("PATCH", "/v1/admin/me", token, json=body)).code for _ in range(3)]
        assert codes == ["login_failed", "login_failed", "login_locked"]
