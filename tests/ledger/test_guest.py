"""Keys from the command line: with and without a server on the same database."""

from __future__ import annotations

from pathlib import Path

import pytest

from coins.types import Holdings
from ledger.access import CreateKey, RevokeKey
from ledger.commands import RecordReconciliation
from ledger.connection import connect
from ledger.errors import AlreadyExistsError, NotFoundError, StoreOpenError, StoreUnavailableError
from ledger.guest import administer
from ledger.queries import GetKey
from ledger.reader import LedgerReader
from ledger.store import SqliteStore
from ledger.verify import verify_file
from tests.ledger.books import ANCHOR, make_books

NOW = 1_800_000_000
KEY = CreateKey("key_1", "shop", "ab" * 32, ("read",), "cli")


async def scopes_of(path: Path, key_hash: str) -> tuple[str, ...] | None:
    """What a request with this key may do; None for a key that is unknown or revoked."""
    reader = await LedgerReader(path, now_s=lambda: NOW).open()
    try:
        view = await reader.answer(GetKey(key_hash))
        return None if view is None or view.revoked_at is not None else view.scopes
    finally:
        await reader.close()


async def test_a_key_is_made_in_a_new_database(tmp_path: Path) -> None:
    path = tmp_path / "books.sqlite"
    assert administer(path, KEY, NOW).value.website == "shop"
    assert await scopes_of(path, KEY.key_hash) == ("read",)


async def test_keys_change_beside_a_running_server(tmp_path: Path) -> None:
    path = tmp_path / "books.sqlite"
    store = SqliteStore(path, now_s=NOW)
    store.open()
    try:
        administer(path, KEY, NOW)
        assert await scopes_of(path, KEY.key_hash) == ("read",)
        revoked = administer(path, RevokeKey(KEY.id, "cli"), NOW + 5)
        assert revoked.revoked_at == NOW + 5
        assert await scopes_of(path, KEY.key_hash) is None
        # The server goes on writing where it was.
        (result,) = store.apply_batch([CreateKey("key_2", "shop", "cd" * 32, ("read",), "cli")], NOW + 6)
        assert result.error is None
    finally:
        store.close()
    assert verify_file(path) == []


@pytest.mark.parametrize("is_served", [True, False])
def test_a_refusal_changes_nothing(tmp_path: Path, is_served: bool) -> None:
    path = tmp_path / "books.sqlite"
    administer(path, KEY, NOW)
    store = SqliteStore(path, now_s=NOW)
    if is_served:
        store.open()
    try:
        with pytest.raises(AlreadyExistsError):
            administer(path, KEY, NOW)
        with pytest.raises(NotFoundError):
            administer(path, RevokeKey("key_9", "cli"), NOW)
    finally:
        store.close()


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "books.sqlite"
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 50)
    with pytest.raises(StoreOpenError, match=r"books\.sqlite"):
        administer(path, KEY, NOW)


def test_only_a_comparison_made_for_a_month_is_harmless(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    held = Holdings(ANCHOR, {"BTC": {}})
    for cause in ("schedule", "demand", "height"):
        with pytest.raises(TypeError, match="for the server alone"):
            administer(store.path, RecordReconciliation("rec_1", "BTC", held, cause), NOW)
    (view,) = administer(store.path, RecordReconciliation("rec_1", "BTC", held, "period"), NOW) or ()
    assert (view.cause, view.number) == ("period", 1)
    store.close()


def test_l03_a_server_that_writes_for_long_is_unavailable_and_nothing_was_done(tmp_path: Path) -> None:
    path = tmp_path / "books.sqlite"
    store = SqliteStore(path, now_s=NOW)
    store.open()
    writer = connect(path)
    try:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="locked"):
            administer(path, KEY, NOW, busy_timeout_ms=1)
        writer.execute("ROLLBACK")
        assert administer(path, KEY, NOW, busy_timeout_ms=1).value.id == KEY.id
    finally:
        writer.close()
        store.close()
