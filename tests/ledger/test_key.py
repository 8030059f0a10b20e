"""Website keys: only hashes, made once, revoked for good."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger.commands import CreateKey, RevokeKey
from ledger.errors import AlreadyExistsError, NotFoundError
from tests.ledger.books import NOW, do, make_books, rows

KEY = CreateKey("key_1", "shop", "hash", ("read", "withdrawals"), "op:ann")


def test_a_key_is_made_once_and_written_to_the_audit(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    view = do(store, KEY).value
    assert (view.id, view.scopes, view.created_at, view.revoked_at) == ("key_1", KEY.scopes, NOW, None)
    for other in (replace(KEY, key_hash="hash-2"), replace(KEY, id="key_2")):
        with pytest.raises(AlreadyExistsError):
            do(store, other)
    store.close()
    assert rows(store.path, "SELECT by, action, object_id FROM audit") == [("op:ann", "create_key", "key_1")]


def test_a_revoked_key_stays_revoked_since_the_first_time(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    do(store, KEY)
    assert do(store, RevokeKey("key_1", "op:ann"), NOW + 5).revoked_at == NOW + 5
    assert do(store, RevokeKey("key_1", "op:ann"), NOW + 9).revoked_at == NOW + 5
    with pytest.raises(NotFoundError):
        do(store, RevokeKey("key_2", "op:ann"))
    store.close()


def test_a_second_website_needs_a_cashier_of_its_own(tmp_path: Path) -> None:
    """It would reach the money of the first one's clients."""
    store = make_books(tmp_path)
    do(store, KEY)
    with pytest.raises(AlreadyExistsError, match="serves the website shop; bazaar needs"):
        do(store, replace(KEY, id="key_2", key_hash="hash-2", website="bazaar"))
    do(store, replace(KEY, id="key_3", key_hash="hash-3"))
    store.close()
