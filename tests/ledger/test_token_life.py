"""A till with a token in random weather: after every step the books are the chain's, in both currencies."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fakes.chain import FAUCET_ACCOUNT, FakeTx, InvalidTxError
from tests.ledger.till import ETH, Till

CLIENTS = ("alice", "bob", "carol")
STEPS = (
    ["deposit"] * 6
    + ["withdraw"] * 5
    + ["mine"] * 8
    + ["pay"] * 6
    + ["reorg"] * 3
    + ["look", "crash", "wait"]
    + ["tax", "silence", "pause", "honest", "honest"]
)
FINAL = 6


class TokenLife:
    """Random steps over one till; the money of clients is in the token, gas is the house's."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.till = Till(folder, ETH)
        self.token = self.till.list_token()
        self.till.chain.pay((self.till.hot.script, 10**9))
        for client in CLIENTS:
            self.till.deposit(client, 100_000, token=self.token)
        self.till.mine(FINAL)

    def deposit(self) -> None:
        script = self.till.address(self.rng.choice(CLIENTS))
        token = self.rng.choice([self.token, self.token, ""])
        self.till.chain.pay((script, self.rng.choice([1, 999, 5_000, 60_000])), token=token)

    def withdraw(self) -> None:
        amount = self.rng.choice([1_000, 20_000, 70_000])
        number = self.till.number()
        command = self.till.opening(self.rng.choice(CLIENTS), amount, number, currency=self.token)
        (result,) = self.till.store.apply_batch([command], self.till.now_s)
        assert result.error is None or result.error.code == "insufficient_funds"

    def mine(self) -> None:
        self.till.mine(self.rng.choice([1, 1, 2, 5]))

    def pay(self) -> None:
        self.till.pay_all()

    def reorg(self) -> None:
        chain = self.till.chain
        depth = min(self.rng.randrange(1, FINAL), chain.tip.ref.height - chain.anchor.ref.height - 1)
        undone = [tx for ref in chain.refs()[:depth] for tx in chain.blocks[ref.block_hash].txs[::-1]][::-1]
        first: list[FakeTx] = undone if self.rng.random() < 0.5 else []
        outside = [tx for tx in undone if tx.sender == FAUCET_ACCOUNT]
        if not first and outside and self.rng.random() < 0.5:
            first = [chain.pay((b"a" * 20, 1), conflicts=self.rng.choice(outside))]
        try:
            chain.reorg(depth, [first])
        except InvalidTxError:
            chain.reorg(depth)
        self.till.follow()

    def look(self) -> None:
        self.till.look()

    def crash(self) -> None:
        self.till.reopen()

    def wait(self) -> None:
        self.till.now_s += self.rng.choice([3_600, 90_000])

    def tax(self) -> None:
        self.till.chain.taxed[self.token] = 10

    def silence(self) -> None:
        self.till.chain.silent.add(self.token)

    def pause(self) -> None:
        self.till.chain.paused.add(self.token)

    def honest(self) -> None:
        chain = self.till.chain
        chain.taxed.clear()
        chain.silent.clear()
        chain.paused.clear()

    def settle(self) -> None:
        """All that is under way comes to its end, under a token that works."""
        self.honest()
        for _ in range(5):
            self.till.now_s += 8 * 86_400
            self.till.pay_all()
            self.till.mine(FINAL + 1)


@pytest.mark.parametrize("seed", range(4))
def test_e18_books_and_chain_agree_through_everything(tmp_path: Path, seed: int) -> None:
    life = TokenLife(tmp_path, seed)
    for number in range(60):
        step = life.rng.choice(STEPS)
        getattr(life, step)()
        try:
            life.till.check()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, step {number}: {step}") from error
    life.settle()
    life.till.check()
    till, token = life.till, life.token
    open_ones = till.rows("SELECT id, status FROM withdrawal WHERE status NOT IN ('final', 'failed')")
    assert open_ones == []
    owed = sum(sum(till.client(client, token)[:3]) - till.client(client, token)[3] for client in CLIENTS)
    suspense, gone = till.balance(f"suspense:{token}"), till.balance(f"unexplained:{token}")
    lost = till.balance(f"token_fee:{token}")
    assert sum(till.onchain(token).values()) + gone + lost == owed + suspense
    till.close()
