"""Random lives of a till: whatever happens, the books are those of the winning chain."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from coins.errors import PlanError
from coins.types import Outpoint
from ledger.commands import AnnounceHouseFunding, ApplyChainDelta
from tests.fakes.chain import FakeTx, InvalidTxError
from tests.fakes.coin import foreign
from tests.ledger.till import ETH, Till

CLIENTS = ("alice", "bob", "carol")
CLIENT = st.sampled_from(CLIENTS)
AMOUNT = st.sampled_from([1, 999, 1_000, 50_000, 120_000, 400_000])
N, FINAL = 3, 6


class TillLife(RuleBasedStateMachine):
    """Deposits, payouts, reorgs, thefts and crashes in any order on one currency."""

    coin = "BTC"

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cashier-till-"))
        self.till = Till(self.folder, ETH) if self.coin == "ETH" else Till(self.folder)
        self.announced: set[str] = set()
        for client in CLIENTS:
            self.till.address(client)
        self.fund(600_000)
        self.mine(FINAL)

    def teardown(self) -> None:
        if hasattr(self, "till"):
            self.till.close()
            shutil.rmtree(self.folder)

    # -- what happens -------------------------------------------------------------------------------

    @rule(client=CLIENT, amount=AMOUNT)
    def deposit(self, client: str, amount: int) -> None:
        self.till.chain.pay((self.till.address(client), amount))

    @rule(amount=st.sampled_from([5_000, 200_000]))
    def fund(self, amount: int) -> None:
        tx = self.till.chain.pay((self.till.hot.script, amount))
        self.till.do(AnnounceHouseFunding(self.coin, tx.txid, "op", "float"))
        self.announced.add(tx.txid)

    @rule(count=st.integers(1, 4))
    def mine(self, count: int) -> None:
        self.till.chain.mine(count)
        self.till.follow()

    @rule(count=st.integers(1, 7))
    def mine_one_by_one(self, count: int) -> None:
        self.till.mine(count)

    @rule(depth=st.integers(1, FINAL - 1), keep=st.booleans(), data=st.data())
    def reorg(self, depth: int, keep: bool, data: Any) -> None:
        """Another branch wins: what was undone is mined again, or double-spent, or waits."""
        chain = self.till.chain
        depth = min(depth, chain.tip.ref.height - chain.anchor.ref.height - 1)
        if depth < 1:
            return
        undone = [tx for ref in chain.refs()[:depth] for tx in chain.blocks[ref.block_hash].txs][::-1]
        outside = [tx for tx in undone if tx.inputs and tx.inputs[0].txid == "faucet"]
        first: list[FakeTx] = []
        if outside and data.draw(st.booleans(), label="double spend"):
            victim: FakeTx = data.draw(st.sampled_from(outside))
            first = [chain.pay((b"attacker", 1), conflicts=victim)]
        elif keep:
            first = undone
        try:
            chain.reorg(depth, [first])
        except InvalidTxError:
            chain.reorg(depth)
        self.till.follow()

    @rule()
    def look_at_the_mempool(self) -> None:
        self.till.look()

    @rule(client=CLIENT, amount=st.sampled_from([1_000, 40_000, 90_000, 300_000]))
    def withdraw(self, client: str, amount: int) -> None:
        command = self.till.opening(client, amount, self.till.number())
        (result,) = self.till.store.apply_batch([command], self.till.now_s)
        assert result.error is None or result.error.code == "insufficient_funds"

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        ids = [row[0] for row in self.till.rows("SELECT id FROM withdrawal WHERE status = 'approved'")]
        if ids:
            self.till.decide(data.draw(st.sampled_from(ids)), "cancel")

    @rule()
    def pay(self) -> None:
        self.till.pay_all()

    @rule()
    def prepare_and_crash(self) -> None:
        for work in self.till.work():
            try:
                self.till.reserve(work)
            except PlanError:
                break
        self.till.reopen()

    @rule()
    def resume(self) -> None:
        self.till.resume()

    @rule()
    def crash(self) -> None:
        self.till.reopen()

    @rule()
    def repeat_what_is_held(self) -> None:
        if len(self.till.known()) > 1:
            delta = self.till.chain.delta(self.till.known()[1:], self.till.index, self.till.address_seq)
            assert self.till.do(ApplyChainDelta(delta)).is_replay

    @precondition(lambda self: self.coin == "BTC")
    @rule(data=st.data())
    def steal(self, data: st.DataObject) -> None:
        """Somebody has our key: an output of ours is spent without us."""
        held = self.till.rows(
            "SELECT txid, output_index, amount FROM utxo WHERE spent_by IS NULL ORDER BY txid"
        )
        if held and data.draw(st.integers(0, 3)) == 0:
            txid, index, amount = data.draw(st.sampled_from(held))
            theft = FakeTx(((foreign("thief").script, int(amount)),), (Outpoint(txid, index),))
            state = self.till.chain.tip.state
            if Outpoint(txid, index) in state.outputs:
                self.till.chain.mine(1, [theft])
                self.till.follow()

    # -- what must hold -------------------------------------------------------------------------------

    @invariant()
    def the_books_are_right(self) -> None:
        if hasattr(self, "till"):
            self.till.check()
            assert self.books() == self.replay()

    def books(self) -> dict[str, int]:
        """What the ledger says of clients and of the house."""
        told = {"house": self.till.balance(f"house:{self.coin}")}
        told["suspense"] = self.till.balance(f"suspense:{self.coin}")
        for client in CLIENTS:
            available, reserved, pending, deficit = self.till.client(client)
            told[f"{client} pending"] = pending
            told[f"{client} credited"] = available + reserved - deficit
        return told

    def replay(self) -> dict[str, int]:
        """The same, from nothing but the winning chain: who was paid, who paid, how deep."""
        chain, till = self.till.chain, self.till
        clients = {till.scripts[f"client:{client}:0"].script: client for client in CLIENTS}
        own = {script.script for script in till.scripts.values()}
        payees = {
            script: (client, int(amount) + int(fee))
            for script, client, amount, fee in till.rows(
                "SELECT script, client_id, amount, fee FROM withdrawal"
            )
        }
        told = dict.fromkeys(["house", "suspense"], 0)
        told |= {f"{client} {part}": 0 for client in CLIENTS for part in ("pending", "credited")}
        for ref in reversed(chain.refs()):
            part = "credited" if chain.tip.ref.height - ref.height + 1 >= N else "pending"
            for tx in chain.blocks[ref.block_hash].txs:
                is_ours = (tx.sender in own) or any(i.txid != "faucet" for i in tx.inputs)
                for script, amount in tx.outputs:
                    if script in clients and amount >= till.coin.minimum_deposit:
                        told[f"{clients[script]} {part}"] += amount
                    elif script in clients:
                        told["suspense"] += amount
                    elif script in own and not is_ours:
                        told["house"] += amount
                    elif script in payees and is_ours:
                        client, total = payees[script]
                        told[f"{client} credited"] -= total
        return told


class AccountTillLife(TillLife):
    """The same on an account chain."""

    coin = "ETH"


_SETTINGS = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestTillLife = TillLife.TestCase
TestTillLife.settings = _SETTINGS
TestAccountTillLife = AccountTillLife.TestCase
TestAccountTillLife.settings = _SETTINGS
