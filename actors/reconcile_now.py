"""A comparison asked for from the command line: of the running cashier, or beside none."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from actors.comparer import Comparer
from actors.contradiction import R
from actors.directory import Directory
from actors.errors import DeliveryError
from actors.explainer import Explained, Explainer, record_found
from actors.identity import Ids
from actors.messages import Explain, Reconcile
from actors.slot import AnyCoinSettings
from coins import registry
from config.schema import Settings
from ledger.commands import Command
from ledger.errors import DomainError, StoreLockedError, StoreOpenError
from ledger.queries import GetStanding, Query
from ledger.reader import LedgerReader
from ledger.request import Request
from ledger.store import SqliteStore
from ledger.views import ReconciliationView, Standing

NOW_TIMEOUT_S = 3_600.0
"""How long a comparison and its explanation may take: the node may walk through its whole state."""


async def compare_now(directory: Directory, chain: str, height: int | None) -> dict[str, Any]:
    """Have the running cashier compare a chain and explain what differs; a refusal is told as ``refused``."""
    try:
        views = await directory.ask("reconciler", Reconcile(chain, height), timeout_s=NOW_TIMEOUT_S)
        explained = [
            await directory.ask("reconciler", Explain(chain, view), timeout_s=NOW_TIMEOUT_S)
            for view in views
            if view.status != "ok"
        ]
        standing = [
            await directory.ask("ledger_reader", GetStanding(view.currency), timeout_s=NOW_TIMEOUT_S)
            for view in views
        ]
    except DomainError as error:
        return {"refused": error.detail or error.code}
    except DeliveryError as error:
        return {"refused": str(error)}
    return as_plain(views, explained, standing)


async def compare_offline(settings: Settings, chain: str, height: int | None, now_s: int) -> dict[str, Any]:
    """Compare while no server has the database open; the result is kept as any other.

    Raises StoreError, CoinError; a refusal is told as ``refused``.
    """
    path = settings.ledger.path
    if not path.exists():
        raise StoreOpenError(f"there is no database {path} yet")
    store = SqliteStore(path, now_s=now_s)
    try:
        store.open()
    except StoreLockedError:
        raise StoreLockedError("a server has the database open, and does not answer at its port") from None
    try:
        books = await LedgerReader(path, now_s=lambda: now_s, connections=1).open()
        try:
            return await _compare_alone(settings.enabled_coins[chain], Offline(store, books, now_s), height)
        except DomainError as error:
            return {"refused": error.detail or error.code}
        finally:
            await books.close()
    finally:
        store.close()


@dataclass(frozen=True, slots=True)
class Offline:
    """Answers as the two actors of the ledger do, from an open database."""

    store: SqliteStore
    books: LedgerReader
    now_s: int

    async def ask(self, name: str, message: Request[R]) -> R:
        """The answer of the writer or the read side, whichever the message is for."""
        if isinstance(message, Query):
            return await self.books.answer(message)
        if not isinstance(message, Command):
            raise TypeError(f"{name} is not asked {message!r}")
        answer: R = self.store.apply_batch([message], self.now_s)[0].unwrap()
        return answer


async def _compare_alone(coin: AnyCoinSettings, ledger: Offline, height: int | None) -> dict[str, Any]:
    """Compare, explain what differs, and write down its cases; those of the past are over at once."""
    chain, ids = coin.currency, Ids(secrets.token_bytes)
    reader = registry.open_reader(coin)
    try:
        await reader.identify()
        comparer = Comparer(ledger.ask, chain, reader, lambda: ids.new("rec"), asyncio.sleep)
        views = await comparer.compare("demand", height)
        explainer = Explainer(ledger.ask, chain, reader, registry.empty_index)
        explained = [await explainer.explain(view) for view in views if view.status != "ok"]
    finally:
        await reader.close()
    bad = [view for view in views if view.status != "ok"]
    for view, each in zip(bad, explained, strict=True):
        await record_found(ledger.ask, view, each)
    standing = [await ledger.ask("ledger_reader", GetStanding(view.currency)) for view in views]
    return as_plain(views, explained, standing)


def as_plain(
    views: Sequence[ReconciliationView],
    explained: Sequence[Explained],
    standing: Sequence[Sequence[Standing]],
) -> dict[str, Any]:
    """Comparisons, what explains them and what waits besides, as plain values; amounts are base units."""
    blocks = [
        {
            "currency": each.currency,
            "compared": each.compared,
            "note": each.note,
            "blocks": [
                {
                    "height": block.ref.height,
                    "block_hash": block.ref.block_hash,
                    "found": [asdict(found) | {"script": found.script.hex()} for found in block.found],
                }
                for block in each.blocks
            ],
        }
        for each in explained
    ]
    waiting = [asdict(each) for found in standing for each in found]
    return {"comparisons": [asdict(view) for view in views], "explained": blocks, "standing": waiting}
