"""A tree of blocks, a till that is told of its branches in any way, and the winner's story from its start.

What decides is handed in as ``pick``, so that hypothesis finds the shortest story that breaks the books.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from coins.types import BlockRef, ChainDelta, Outpoint
from ledger.commands import ApplyChainDelta, ApplyMempool, GetPayoutWork
from ledger.errors import DomainError, StaleAddressesError
from ledger.queries import GetBalances
from ledger.reader_client import get_balances
from ledger.snapshot import Snapshot
from ledger.store import SqliteStore
from tests.fakes.chain import FAUCET, FAUCET_ACCOUNT, FakeTx, InvalidTxError
from tests.fakes.coin import mempool_view
from tests.fakes.oracle import check_books
from tests.ledger.books import BTC, open_store
from tests.ledger.life import Pick
from tests.ledger.till import ETH, Till

FINAL = 6
GUARD = 5
"""The deepest reorganisation, counted from the highest block the till ever stood at."""
AMOUNTS = (1, 999, 1_000, 20_001, 60_000)
OWNERS = ("alice", "alice", "bob", "carol")
COMPARED = {
    "account": "SELECT name, balance FROM account WHERE balance <> '0' ORDER BY name",
    "deposit": "SELECT id, script_sequence, client_id, txid, position, amount, status, reason, block_height,"
    " block_hash, confirmations_required, due_height, credited_amount, withdrawable_height, finality"
    " FROM deposit WHERE status IN ('confirming', 'credited', 'final', 'parked') ORDER BY id",
    "utxo": "SELECT * FROM utxo ORDER BY txid, output_index",
    "movement": "SELECT height, block_hash, txid, position, currency, script_sequence, location, delta, nonce"
    " FROM chain_movement WHERE is_disconnected = 0 ORDER BY height, txid, position",
    "script_balance": "SELECT * FROM script_balance WHERE amount <> '0' ORDER BY script_sequence",
    "block": "SELECT * FROM block ORDER BY height",
}
"""What must be the same, byte for byte; times, numbers of entries and what is undone are history."""


@dataclass(frozen=True, slots=True)
class Copy:
    """The database as it was after a commit, and how many scripts it knew."""

    path: Path
    address_seq: int


class Tree:
    """A till on a chain with many branches."""

    def __init__(self, folder: Path, currency: str) -> None:
        self.folder = folder
        self.currency = currency
        self.met: Counter[str] = Counter()
        self.till = self._new_till(folder / "till")
        self.owners: list[tuple[str, int]] = []
        self.scripts: list[bytes] = []
        for number, owner in enumerate(OWNERS):
            self._issue(owner, number)
        self.deltas: list[ChainDelta] = []
        self.copies: list[Copy] = []
        self.highest = self.till.chain.tip.ref.height
        self._copy()

    def _new_till(self, folder: Path) -> Till:
        folder.mkdir(parents=True)
        coin = ETH if self.currency == "ETH" else BTC
        return Till(folder, coin, final_depth=FINAL, max_reorg=GUARD, withdrawable_depth=5)

    def _issue(self, owner: str, number: int) -> None:
        self.owners.append((owner, number))
        self.scripts.append(self.till.address(owner, number))

    def close(self) -> None:
        self.till.close()

    # -- the tree --------------------------------------------------------------------------------

    def grow(self, pick: Pick) -> None:
        """A block on any recent block, with payments that may stand in other branches as well."""
        self._grow_on(pick(self._hashes()), pick)

    def overtake(self, pick: Pick) -> None:
        """A branch from below where the till stands becomes longer, as in a reorganisation."""
        known = self.till.known()
        room = min(len(known) - 1, GUARD - (self.highest - known[0].height))
        if room > 0:
            depth = pick(range(1, room + 1))
            block_hash = known[depth].block_hash
            for _ in range(depth + 1):
                block_hash = self._grow_on(block_hash, pick)
            self._apply(self.till.delta())

    def _grow_on(self, parent: str, pick: Pick) -> str:
        """Mine on a block; the hash of the new one."""
        chain = self.till.chain
        chain.switch(parent)
        # A branch of its own, mined on a mempool that holds nothing of the others.
        chain.mempool = {}
        state = chain.tip.state
        txs: list[FakeTx] = []
        for _ in range(pick([0, 1, 1, 2, 3])):
            tx = self._payment(pick, len(txs))
            try:
                state = state.apply(tx)
            except InvalidTxError:
                continue
            txs.append(tx)
        coinbase = self.scripts[0] if self.currency == "BTC" and pick([False] * 5 + [True]) else None
        chain.mine(1, txs, coinbase)
        return chain.tip.ref.block_hash

    def _payment(self, pick: Pick, earlier: int) -> FakeTx:
        """One of few payments: the same ones come up in many branches, and many exclude each other."""
        outputs = [(pick(self.scripts), pick(AMOUNTS)) for _ in range(pick([1, 1, 2]))]
        if self.currency == "ETH":
            nonce = self.till.chain.tip.state.nonces.get(FAUCET_ACCOUNT, 0) + earlier
            return FakeTx((outputs[0],), sender=FAUCET_ACCOUNT, nonce=nonce)
        return FakeTx(tuple(outputs), (Outpoint(FAUCET, pick(range(5))),))

    def _reachable(self) -> list[BlockRef]:
        """Blocks whose fork from where the till stood at its highest is within the guard."""
        chain = self.till.chain
        floor = max(chain.anchor.ref.height, self.highest - GUARD)
        held = {ref.height: ref.block_hash for ref in self.till.known()}
        found = []
        for block in chain.blocks.values():
            ref = block.ref
            while ref.height > floor and held.get(ref.height) != ref.block_hash:
                ref = chain.blocks[ref.parent_hash].ref
            if held.get(ref.height) == ref.block_hash and block.ref.height >= floor:
                found.append(block.ref)
        return sorted(found, key=lambda ref: (ref.height, ref.block_hash))

    def _hashes(self) -> list[str]:
        """The same by hash, the highest more often: a tree of bushes alone makes nothing final."""
        found = [ref.block_hash for ref in self._reachable()]
        return found + found[-2:] * len(found)

    # -- what the till is told -------------------------------------------------------------------

    def tell(self, pick: Pick) -> None:
        """Any branch, whole or only its first blocks."""
        self.till.chain.switch(pick(self._hashes()))
        delta = self.till.delta()
        delta = replace(delta, connected=delta.connected[: pick([1, 2, 99])])
        self._apply(delta)

    def again(self, pick: Pick) -> None:
        """Any delta of before, in any order, however often."""
        if self.deltas:
            for _ in range(pick([1, 2])):
                self._apply(pick(self.deltas), is_old=True)

    def skip(self, pick: Pick) -> None:
        """A delta that leaves out its first block, or comes in the wrong order: refused whole."""
        self.till.chain.switch(pick(self._hashes()))
        delta = self.till.delta()
        if len(delta.connected) > 1:
            wrong = pick([delta.connected[1:], delta.connected[::-1]])
            assert self._refused(replace(delta, connected=wrong))
            self.met["refused"] += 1

    def late_address(self, pick: Pick) -> None:
        """An address is given out between the scan of a block and its coming here: scanned again."""
        self.till.chain.switch(pick(self._hashes()))
        delta = self.till.delta()
        self._issue(pick(OWNERS), len(self.scripts))
        if delta.connected:
            error = self._refused(delta)
            assert error is None or isinstance(error, StaleAddressesError), error
            self.met["stale"] += error is not None
        self._copy()

    def look(self, pick: Pick) -> None:
        """The mempool shows payments of any branch."""
        chain = self.till.chain
        chain.switch(pick(self._hashes()))
        self.till.do(ApplyMempool(self.currency, mempool_view(chain, self.till.index)))

    def crash(self, pick: Pick) -> None:
        """The process ends between two commits, or the last commits were not on the disk yet."""
        self.till.store.close()
        durable = [copy for copy in self.copies[-3:] if copy.address_seq == self.till.address_seq]
        if durable and pick([True, True, False]):
            copy = pick(durable)
            for file in self.till.store.path.parent.glob(f"{self.till.store.path.name}*"):
                file.unlink()
            self.till.store.path.write_bytes(copy.path.read_bytes())
            self.met["lost commits"] += 1
        self.till.store = self._open()
        self.met["crash"] += 1

    def poison(self, pick: Pick) -> None:
        """A batch breaks after the delta was applied in it: nothing of it stays."""
        self.till.chain.switch(pick(self._hashes()))
        before = self.dump(self.till)
        wrong = GetPayoutWork("none")
        applied, refused = self.till.store.apply_batch(
            [ApplyChainDelta(replace(self.till.delta(), chain="none")), wrong], self.till.now_s
        )
        assert applied.error is not None
        assert refused.error is not None
        assert self.dump(self.till) == before

    def _open(self) -> SqliteStore:
        return open_store(self.till.folder)

    def _apply(self, delta: ChainDelta, *, is_old: bool = False) -> None:
        before = self.till.known()[0]
        error = self._refused(delta)
        if is_old:
            self.met["old refused" if error else "old taken"] += 1
        elif error is not None:
            raise error
        elif delta not in self.deltas:
            self.deltas.append(delta)
        if delta.disconnected and self.till.known()[0] != before:
            self.met["undone"] += len(delta.disconnected)
        self.highest = max(self.highest, self.till.known()[0].height)
        self._copy()

    def _refused(self, delta: ChainDelta) -> DomainError | None:
        """Apply a delta; the refusal, after which everything is as it was."""
        before = self.dump(self.till)
        try:
            self.till.do(ApplyChainDelta(delta))
        except DomainError as error:
            assert self.dump(self.till) == before
            return error
        return None

    def _copy(self) -> None:
        """Keep the database as it is now."""
        path = self.folder / f"copy{len(self.copies)}.sqlite"
        with sqlite3.connect(self.till.store.path) as db:
            db.execute("VACUUM INTO ?", (str(path),))
        db.close()
        self.copies.append(Copy(path, self.till.address_seq))

    # -- what must hold --------------------------------------------------------------------------

    def check(self) -> None:
        assert check_books(self.till.store.path) == []

    def finish(self, pick: Pick) -> None:
        """A branch wins, higher than anything before; the books are as if it had been the only one."""
        chain = self.till.chain
        chain.switch(pick(self._hashes()))
        chain.mempool = {}
        while chain.tip.ref.height <= self.highest:
            chain.mine(1, [])
        self._apply(self.till.delta())
        self.till.do(ApplyMempool(self.currency, mempool_view(chain, self.till.index)))
        self.check()
        self.till.check()
        fresh = self._retold(pick)
        try:
            assert self.dump(self.till) == self.dump(fresh)
            assert self._clients(self.till) == self._clients(fresh)
            gone = self.till.rows("SELECT DISTINCT status FROM deposit WHERE block_height IS NULL")
            assert {row[0] for row in gone} <= {"seen", "conflicted", "orphaned", "reversed"}
        finally:
            fresh.close()

    def _retold(self, pick: Pick) -> Till:
        """Another till that hears of the winning branch alone, from its first block on."""
        fresh = self._new_till(self.folder / "fresh")
        for owner, number in self.owners:
            fresh.address(owner, number)
        chain = self.till.chain
        branch = list(reversed(chain.refs()))[1:]
        fresh.chain = chain
        step = pick([1, 3, 99])
        for first in range(0, len(branch), step):
            chain.switch(branch[min(first + step, len(branch)) - 1].block_hash)
            fresh.follow()
        return fresh

    def dump(self, till: Till) -> dict[str, list[tuple[Any, ...]]]:
        """All that is compared."""
        return {name: till.rows(sql) for name, sql in COMPARED.items()}

    def _clients(self, till: Till) -> list[Any]:
        """What each client is told of the balances; nothing and zeros are the same."""
        db = sqlite3.connect(till.store.path, isolation_level=None)
        try:
            shot = Snapshot(db, till.now_s)
            told = [view for owner in sorted(set(OWNERS)) for view in get_balances(shot, GetBalances(owner))]
            return [view for view in told if view.available or view.pending]
        finally:
            db.close()
