"""Seeded stories of cold storage: proposals, its owner's spends, reorgs of both; judged by the chain."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from coins.errors import PlanError
from coins.types import Branch, Outpoint
from ledger.commands import AnnounceHouseFunding, GetStuckWork, ProposeCold, ReserveAttempt
from ledger.errors import BlockRefusedError, DomainError
from ledger.verify import verify_file
from tests.fakes.chain import FAUCET, FakeTx, InvalidTxError, State
from tests.fakes.coin import bump_payment, foreign
from tests.ledger.books import transfer
from tests.ledger.desk import assign, write_off
from tests.ledger.till import ETH, Till

SEEDS, LENGTH = 3, 60
CEILING, TARGET = 3_000_000, 2_000_000
KINDS = ("cold", "payout", "sweep", "top_up")
WEIGHTS = {
    "ask": 4, "propose": 4, "decide": 4, "pay": 4, "bump": 3, "own": 5, "mine": 7, "reorg": 3, "settle": 3,
    "fund": 1, "crash": 1,
}  # fmt: skip
STEPS = [step for step, weight in WEIGHTS.items() for _ in range(weight)]
OF_PEOPLE = {"ask", "decide", "own", "bump"}


class Story:
    """One till, its cold address, and everything that was ever signed, by whomever."""

    def __init__(self, folder: Path, currency: str, seed: int) -> None:
        self.random = random.Random(seed)
        self.till = Till(folder, ETH) if currency == "ETH" else Till(folder)
        self.cold = self.till.issue("cold:1", Branch.COLD)
        self.clients = [self.till.address(f"c{number}") for number in range(3)]
        self.known: dict[str, FakeTx] = {}
        self.met: Counter[str] = Counter()
        for script in self.clients:
            self.till.chain.pay((script, 3_000_000))
        self.fund()
        self.till.mine(7)
        self.propose()
        for (movement,) in self.till.rows("SELECT id FROM withdrawal"):
            self.till.decide(movement, "approve")
        self.pay()
        self.till.mine(7)

    def step(self, name: str) -> None:
        """Take one step; what people ask for may be refused, what the chain says may not."""
        try:
            getattr(self, name)()
        except (DomainError, InvalidTxError) as error:
            if name not in OF_PEOPLE or isinstance(error, BlockRefusedError):
                raise
        self.judge()

    def ask(self) -> None:
        self.till.open(f"client{self.random.randrange(2)}", self.random.choice((5_000, 400_000)))

    def fund(self) -> None:
        tx = self.till.chain.pay((self.till.hot.script, self.random.choice((700_000, 4_000_000))))
        if self.random.random() < 0.8:
            self.till.do(AnnounceHouseFunding(self.till.currency, tx.txid, "op", "float"))

    def propose(self) -> None:
        name = f"wd_cold{self.till.number()}"
        command = ProposeCold(name, self.till.currency, self.cold.address, self.cold.script, CEILING, TARGET)
        self.met["proposed"] += self.till.do(command) is not None

    def decide(self) -> None:
        rows = self.till.rows("SELECT id FROM withdrawal WHERE status IN ('held', 'approved')")
        if rows:
            decision = self.random.choice(("approve", "approve", "reject"))
            self.till.decide(self.random.choice(rows)[0], decision)

    def pay(self) -> None:
        self.till.pay_all()

    def bump(self) -> None:
        """What is sent, and what can be now, waits too long."""
        self.pay()
        self.till.now_s += 700
        for work in self.till.do(GetStuckWork(self.till.currency, 600, KINDS)):
            if work.is_next:
                try:
                    self.till.do(ReserveAttempt(f"at_{self.till.number()}", bump_payment(work)))
                    self.met["bumped"] += 1
                except PlanError:
                    continue
        self.till.resume()

    def own(self) -> None:
        """The owner of the cold key pays somebody, with money from elsewhere now and then."""
        tx = self._account_spend() if self.till.currency == "ETH" else self._output_spend()
        if tx is None:
            return
        is_announced = self.random.random() < 0.85
        if is_announced:
            self.till.do(AnnounceHouseFunding(self.till.currency, tx.txid, "op", "from cold"))
        self.till.chain.send(tx)
        self.met["announced" if is_announced else "unannounced"] += 1

    def _payee(self) -> bytes:
        return self.random.choice(
            (self.till.hot.script, self.cold.script, foreign("bank").script, self.clients[0])
        )

    def _account_spend(self) -> FakeTx | None:
        state, cold = self.till.chain.tip.state, self.cold.script
        held = state.balances.get(cold, 0)
        if held < 100:
            return None
        amount = self.random.randint(0, held - 50)
        return FakeTx(
            outputs=((self._payee(), amount),), sender=cold, gas_fee=50, nonce=state.nonces.get(cold, 0)
        )

    def _output_spend(self) -> FakeTx | None:
        outputs = self.till.chain.tip.state.outputs.items()
        mine = [(at, amount) for at, (script, amount) in outputs if script == self.cold.script]
        if not mine:
            return None
        inputs, total = tuple(at for at, _ in mine), sum(amount for _, amount in mine)
        if self.random.random() < 0.3:
            inputs, total = (Outpoint(FAUCET, 10**6 + self.till.number()), *inputs), total + 5_000_000
        paid = self.random.randint(1, total - 300)
        return FakeTx(outputs=((self._payee(), paid), (self._payee(), total - 300 - paid)), inputs=inputs)

    def mine(self) -> None:
        if self.random.random() < 0.5:
            self.till.mine(self.random.randint(1, 6))
        else:
            self.till.mine(1, self._some(self.till.chain.tip.state, 0.7)[0])

    def reorg(self) -> None:
        depth, block = self.random.randint(1, 5), self.till.chain.tip
        for _ in range(depth):
            block = self.till.chain.blocks[block.ref.parent_hash]
        state, blocks = block.state, []
        for _ in range(depth + 1):
            chosen, state = self._some(state, 0.5)
            blocks.append(chosen)
        self.till.reorg(depth, blocks)

    def _some(self, state: State, share: float) -> tuple[list[FakeTx], State]:
        """Some of all that could be mined on a state, and the state after it."""
        chosen = []
        for tx in self.known.values():
            if self.random.random() < share:
                try:
                    state = state.apply(tx)
                except InvalidTxError:
                    continue
                chosen.append(tx)
        return chosen, state

    def settle(self) -> None:
        """An operator ends what cases there are, as far as they are deep enough."""
        for case, kind in self.till.rows("SELECT id, kind FROM unclaimed_case WHERE status = 'open'"):
            try:
                assign(self.till, case, "house") if kind in ("funding", "unseen") else write_off(
                    self.till, case
                )
            except DomainError:
                self.met["too early"] += 1

    def crash(self) -> None:
        self.till.reopen()

    def judge(self) -> None:
        """The books are the chain's, and nobody was paid twice, or paid and given back."""
        self.known |= {tx.txid: tx for tx in self.till.chain.mempool.values()}
        self.till.check()
        state = self.till.chain.tip.state
        held: Counter[bytes] = Counter(state.balances)
        for script, amount in state.outputs.values():
            held[script] += amount
        sql = "SELECT id, script, amount, status FROM withdrawal WHERE kind = 'payout'"
        for name, script, amount, status in self.till.rows(sql):
            assert held[script] in (0, int(amount)), name
            if status in ("confirmed", "final", "failed", "rejected"):
                assert bool(held[script]) is (status in ("confirmed", "final")), name

    def end(self) -> None:
        """Everything is mined until it is final."""
        for _ in range(3):
            self.till.mine(7)
            self.settle()
            self.pay()
        self.till.mine(7)
        self.judge()
        assert verify_file(self.till.store.path) == []
        assert not {"signed", "broadcast", "confirmed"} & {row.status for row in self.till.withdrawals()}
        self.met.update(f"{row.kind} {row.status}" for row in self.till.withdrawals())


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
def test_whatever_becomes_of_cold_money_the_books_are_the_chains(tmp_path: Path, currency: str) -> None:
    met: Counter[str] = Counter()
    for seed in range(SEEDS):
        (tmp_path / str(seed)).mkdir()
        story = Story(tmp_path / str(seed), currency, seed)
        try:
            for client in range(2):
                command = transfer(story.till.number(), "c0", f"client{client}", 900_000)
                story.till.do(replace(command, currency=currency))
            for _ in range(LENGTH):
                story.step(story.random.choice(STEPS))
            story.end()
        finally:
            story.till.close()
        met += story.met
    for each in ("proposed", "announced", "unannounced", "bumped", "cold final", "payout final"):
        assert met[each], (each, met)
