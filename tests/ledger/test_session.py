"""Client sessions: a code works once and in time, an ended session is dead."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger.commands import CreateSession, EndSession, ExchangeCode, Idempotency
from ledger.errors import AlreadyExistsError, InvalidClientError, NotFoundError, SessionInvalidError
from tests.ledger.books import NOW, do, make_books, open_store

SESSION = CreateSession(
    id="ses_1",
    website="shop",
    client_id="alice",
    actions=("deposit", "withdraw"),
    currencies=("BTC",),
    ttl_s=900,
    code_ttl_s=60,
    code_hash="code",
    locale="de",
    return_url="https://shop.example/back",
    withdrawal_limit="0.5",
    idempotency=Idempotency("key:shop", "k", "h"),
)


def test_a_session_is_opened_once_by_its_code(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    made = do(store, SESSION)
    assert do(store, SESSION).is_replayed
    view = do(store, ExchangeCode("code", "token"), NOW + 59)
    assert view == made.value
    assert (view.actions, view.currencies, view.state) == (("deposit", "withdraw"), ("BTC",), "open")
    with pytest.raises(SessionInvalidError):
        do(store, ExchangeCode("code", "token-2"), NOW + 59)
    store.close()


def test_a_code_is_dead_after_its_time_and_a_restart_does_not_revive_it(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    do(store, SESSION)
    with pytest.raises(SessionInvalidError):
        do(store, ExchangeCode("code", "token"), NOW + 60)
    with pytest.raises(SessionInvalidError):
        do(store, ExchangeCode("unknown", "token"))
    do(store, ExchangeCode("code", "token"))
    store.close()
    store = open_store(tmp_path)
    with pytest.raises(SessionInvalidError):
        do(store, ExchangeCode("code", "token"))
    store.close()


def test_an_ended_session_gives_no_token(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    do(store, SESSION)
    with pytest.raises(NotFoundError):
        do(store, EndSession("ses_1", "another shop"))
    with pytest.raises(NotFoundError):
        do(store, EndSession("ses_2", "shop"))
    for _ in range(2):
        do(store, EndSession("ses_1", "shop"))
    with pytest.raises(SessionInvalidError):
        do(store, ExchangeCode("code", "token"))
    store.close()


@pytest.mark.parametrize("name", ["house", "", "a:b", "x" * 65])
def test_nobody_is_the_house_or_has_a_name_of_other_signs(tmp_path: Path, name: str) -> None:
    store = make_books(tmp_path)
    with pytest.raises(InvalidClientError):
        do(store, replace(SESSION, client_id=name))
    store.close()


def test_ids_codes_and_tokens_are_never_shared(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    do(store, SESSION)
    key = Idempotency("key:shop", "k2", "h")
    for other in (replace(SESSION, code_hash="code-2"), replace(SESSION, id="ses_2")):
        with pytest.raises(AlreadyExistsError):
            do(store, replace(other, idempotency=key))
    do(store, replace(SESSION, id="ses_2", code_hash="code-2", idempotency=key))
    do(store, ExchangeCode("code", "token"))
    with pytest.raises(SessionInvalidError):
        do(store, ExchangeCode("code-2", "token"))
    do(store, ExchangeCode("code-2", "token-2"))
    store.close()
