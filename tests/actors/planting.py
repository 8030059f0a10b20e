"""How the tests of differences plant them, on a desk of any currency; no test by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from actors.explainer import Explained
from actors.messages import Explain, ListCases, Reconcile, ReconciliationView
from ledger import accounts
from ledger.connection import connect
from ledger.context import Tx
from ledger.difference import Found
from ledger.journal import JournalEntry, Posting
from ledger.queries import Filter
from tests.actors.desk import START_S, Desk, chain_of
from tests.fakes.chain import FakeIndex


def onchain(currency: str, location: str = "deposit") -> str:
    """The account of a location."""
    return f"onchain:{currency}:{location}"


def available(client: str, currency: str) -> str:
    """The account of a client."""
    return accounts.client(client, currency, accounts.Part.AVAILABLE)


def plant(
    desk: Desk, chain: str, height: int, kind: str, txid: str, *postings: Posting, block_hash: str = ""
) -> int:
    """Somebody writes an entry into the books beside the running cashier; its number."""
    db = connect(desk.path)
    try:
        db.execute("BEGIN IMMEDIATE")
        (found,) = db.execute(
            "SELECT block_hash FROM block WHERE chain = ? AND height = ?", (chain, height)
        ).fetchone()
        entry = JournalEntry(
            kind, "chain_tx", txid, postings, "somebody", chain, height, block_hash or found, txid
        )
        journal_id = Tx(db, START_S).post(entry)
        db.execute("COMMIT")
        return journal_id
    finally:
        db.close()


def plant_receipt(
    desk: Desk, currency: str, height: int, txid: str, script: bytes, amount: int, block_hash: str
) -> None:
    """A credit of alice's with its receipt, as they were booked at a block that is not in the chain."""
    chain = chain_of(currency)
    position = "out:0" if chain == "BTC" else "native" if chain == currency else "log:0"
    posting = Posting(onchain(currency), available("alice", currency), amount)
    journal_id = plant(desk, chain, height, "deposit_received", txid, posting, block_hash=block_hash)
    db = connect(desk.path)
    db.execute(
        "INSERT INTO chain_movement (chain, currency, height, block_hash, txid, position, script_sequence,"
        " location, delta, journal_id) SELECT ?, ?, ?, ?, ?, ?, sequence, location, ?, ? FROM own_script"
        " WHERE chain = ? AND script = ?",
        (chain, currency, height, block_hash, txid, position, str(amount), journal_id, chain, script),
    )
    db.close()


class Blind:
    """What the watcher does not see: scripts and outpoints taken out of its index for some blocks."""

    def __init__(self, desk: Desk, chain: str) -> None:
        index = desk.coins[chain].index
        assert isinstance(index, FakeIndex)
        self.index = index
        self.kept = (set(index.scripts), set(index.outpoints))

    def __enter__(self) -> None:
        self.index.scripts.clear()
        self.index.outpoints.clear()

    def __exit__(self, *_: object) -> None:
        self.index.scripts.update(self.kept[0])
        self.index.outpoints.update(self.kept[1])


class Slipped:
    """The watcher reads other amounts than the block has: so many times them, and so much more."""

    def __init__(self, desk: Desk, chain: str, factor: int, more: int = 0) -> None:
        self.reader = desk.readers[chain]
        self.index = desk.coins[chain].index
        self.honest = self.reader.read_block
        self.factor, self.more = factor, more

    async def read(self, height: int, block_hash: str, index: Any) -> Any:
        """Wrong for the watcher, right for whoever looks again."""
        block = await self.honest(height, block_hash, index)
        if index is not self.index:
            return block
        receipts = (replace(each, amount=each.amount * self.factor + self.more) for each in block.receipts)
        return replace(block, receipts=tuple(receipts))

    def __enter__(self) -> None:
        self.reader.read_block = self.read  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        self.reader.read_block = self.honest  # type: ignore[method-assign]


async def compared(desk: Desk, currency: str = "BTC") -> ReconciliationView:
    """A comparison now, with all that follows from it."""
    views = await desk.ask("reconciler", Reconcile(chain_of(currency)))
    await desk.rest()
    (view,) = [each for each in views if each.currency == currency]
    assert isinstance(view, ReconciliationView)
    return view


async def explained(desk: Desk, view: ReconciliationView) -> Explained:
    """What makes its difference."""
    found = await desk.ask("reconciler", Explain(chain_of(view.currency), view))
    assert isinstance(found, Explained)
    return found


async def only(desk: Desk, height: int, currency: str = "BTC", amount: int = 100_000) -> Found:
    """The one thing that is wrong, at the height where it is; payouts are held if money is missing."""
    view = await compared(desk, currency)
    assert view.status == "mismatch"
    answer = await explained(desk, view)
    (block,) = answer.blocks
    assert (block.ref.height, answer.compared < 20) == (height, True)
    assert sum(each.amount for each in block.found) == sum(int(line["difference"]) for line in view.lines)
    cases = await desk.ask("ledger_reader", ListCases(Filter(), 50))
    kind = "short" if block.found[0].amount < 0 else "surplus"
    opened = [case for case in cases.data if case.kind == kind and case.status == "open"]
    assert [(case.currency, case.amount, case.block_height) for case in opened] == [
        (currency, abs(each.amount), height) for each in block.found
    ]
    assert all(case.reason.startswith(each.kind) for case, each in zip(opened, block.found, strict=True))
    held = await desk.withdraw("carol", amount, currency)
    await desk.pass_time(3)
    waiting = (await desk.withdrawal(held.id)).waiting_for
    assert (waiting == "funds") is any(int(line["difference"]) < 0 for line in view.lines)
    (found,) = block.found
    return found
