"""The life of a till: what may happen to it, and what the winning chain alone says of it.

Every step takes ``pick``, which chooses one of a sequence, so that a property test or a seeded run can
decide what happens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from coins.errors import PlanError
from coins.types import Outpoint
from ledger.commands import AnnounceHouseFunding, ApplyChainDelta
from ledger.errors import ActionNotAllowedError, InputsTakenError, InvalidClientError, NotConfirmedError
from tests.fakes.chain import FAUCET, FAUCET_ACCOUNT, FakeTx, InvalidTxError
from tests.fakes.coin import foreign
from tests.ledger import desk
from tests.ledger.till import ETH, Till

Pick = Callable[[Sequence[Any]], Any]

CLIENTS = ("alice", "bob", "carol")
N, FINAL = 3, 6
STEPS = (
    ["deposit"] * 6
    + ["withdraw"] * 5
    + ["mine"] * 8
    + ["pay"] * 4
    + ["reorg"] * 4
    + ["look", "replace"] * 3
    + ["fund", "cancel", "prepare_and_crash", "resume", "crash", "repeat", "steal"]
    + ["assign"] * 3
    + ["refund", "keep", "block", "unblock", "unblock"]
)
"""What happens how often in a seeded run."""


class Life:
    """A till with three clients, a funded hot wallet, and everything that may happen to it."""

    def __init__(self, folder: Path, currency: str) -> None:
        self.currency = currency
        self.till = Till(folder, ETH) if currency == "ETH" else Till(folder)
        for client in CLIENTS:
            self.till.address(client)
            self.till.deposit(client, 150_000)
        self.fund(lambda amounts: amounts[-1])
        self.till.mine(FINAL)

    def close(self) -> None:
        self.till.close()

    # -- what happens -------------------------------------------------------------------------------

    def deposit(self, pick: Pick) -> None:
        amount = pick([1, 999, 1_000, 50_000, 120_000, 400_000])
        self.till.chain.pay((self.till.address(pick(CLIENTS)), amount))

    def fund(self, pick: Pick) -> None:
        tx = self.till.chain.pay((self.till.hot.script, pick([5_000, 200_000, 900_000])))
        self.till.do(AnnounceHouseFunding(self.currency, tx.txid, "op", "float"))

    def mine(self, pick: Pick) -> None:
        count = pick([1, 1, 2, 3, 5])
        if pick([True, False]):
            self.till.chain.mine(count)
            self.till.follow()
        else:
            self.till.mine(count)

    def reorg(self, pick: Pick) -> None:
        """Another branch wins: what was undone is mined again, or double-spent, or waits."""
        chain = self.till.chain
        depth = min(pick(range(1, FINAL)), chain.tip.ref.height - chain.anchor.ref.height - 1)
        undone = [tx for ref in chain.refs()[:depth] for tx in chain.blocks[ref.block_hash].txs[::-1]][::-1]
        outside = [tx for tx in undone if _is_from_outside(tx)]
        first: list[FakeTx] = []
        how = pick(["wait", "again", "double spend", "double spend"])
        if how == "double spend" and outside:
            first = [chain.pay((b"attacker", 1), conflicts=pick(outside))]
        elif how == "again":
            first = undone
        try:
            chain.reorg(depth, [first])
        except InvalidTxError:
            chain.reorg(depth)
        self.till.follow()

    def look(self, pick: Pick) -> None:
        self.till.look()

    def replace(self, pick: Pick) -> None:
        """A payer takes a payment back while it is unconfirmed."""
        chain = self.till.chain
        waiting = [tx for tx in chain.mempool.values() if _is_from_outside(tx)]
        if waiting:
            self.till.look()
            victim = waiting[-1]
            chain.replace(victim, chain.pay((b"attacker", 1), conflicts=victim))
            self.till.look()

    def withdraw(self, pick: Pick) -> None:
        amount = pick([1_000, 40_000, 90_000, 140_000, 300_000])
        command = self.till.opening(pick(CLIENTS), amount, self.till.number())
        (result,) = self.till.store.apply_batch([command], self.till.now_s)
        assert result.error is None or result.error.code == "insufficient_funds"

    def cancel(self, pick: Pick) -> None:
        ids = [row[0] for row in self.till.rows("SELECT id FROM withdrawal WHERE status = 'approved'")]
        if ids:
            self.till.decide(pick(ids), "cancel")

    def pay(self, pick: Pick) -> None:
        self.till.batch_max = pick([1, 2, 50])
        self.till.pay_all()

    def prepare_and_crash(self, pick: Pick) -> None:
        for work in self.till.work():
            try:
                self.till.reserve(work)
            except (PlanError, InputsTakenError):  # the second: two pieces of work came with one nonce
                break
        self.till.reopen()

    def resume(self, pick: Pick) -> None:
        self.till.resume()

    def crash(self, pick: Pick) -> None:
        self.till.reopen()

    def repeat(self, pick: Pick) -> None:
        """A delta that is held already comes again."""
        known = self.till.known()
        delta = self.till.chain.delta(known[1:], self.till.index, self.till.address_seq)
        assert self.till.do(ApplyChainDelta(delta)).is_replay

    def steal(self, pick: Pick) -> None:
        """Somebody has our key: money of ours is spent without us."""
        chain, thief = self.till.chain, foreign("thief").script
        if self.currency == "ETH":
            hot = self.till.hot.script
            amount = min(chain.tip.state.balances.get(hot, 0) - 100, 50_000)
            nonce = chain.tip.state.nonces.get(hot, 0)
            theft = FakeTx(((thief, amount),), sender=hot, nonce=nonce, gas_fee=100)
        else:
            own = {script.script for script in self.till.scripts.values()}
            held = [(o, a) for o, (script, a) in chain.tip.state.outputs.items() if script in own]
            # Rather what a payout in flight spends: afterwards nothing is paid until it is explained.
            flying = {
                Outpoint(*key)
                for key in self.till.rows(
                    "SELECT txid, output_index FROM utxo WHERE reserved_by IS NOT NULL AND spent_by IS NULL"
                )
            }
            held = [entry for entry in held if entry[0] in flying] or held
            outpoint, amount = pick(held) if held else (Outpoint("", 0), 0)
            theft = FakeTx(((thief, amount),), (outpoint,))
        if amount > 0:
            chain.mine(1, [theft])
            self.till.follow()

    # -- what an operator decides -------------------------------------------------------------------

    def assign(self, pick: Pick) -> None:
        self._decide(pick, lambda case, client: desk.assign(self.till, case, client))

    def refund(self, pick: Pick) -> None:
        self._decide(pick, lambda case, _: desk.refund(self.till, case))

    def keep(self, pick: Pick) -> None:
        self._decide(pick, lambda case, _: desk.write_off(self.till, case))

    def _decide(self, pick: Pick, decide: Callable[[str, str], object]) -> None:
        """Decide about an open case, if its payment is deep enough by then."""
        cases = self.till.rows("SELECT id, client_id FROM unclaimed_case WHERE status = 'open'")
        if cases:
            try:
                decide(*pick(cases))
            except (ActionNotAllowedError, InvalidClientError, NotConfirmedError):
                self.till.check()

    def block(self, pick: Pick) -> None:
        desk.block(self.till, pick(CLIENTS))

    def unblock(self, pick: Pick) -> None:
        for client in CLIENTS:
            desk.unblock(self.till, client)

    # -- what must hold -------------------------------------------------------------------------------

    def check(self) -> None:
        """Every invariant, and the same story as the winning chain told from its first block."""
        self.till.check()
        assert self.books() == self.replay()

    def books(self) -> dict[str, int]:
        """What the ledger says of the clients and of the house."""
        told = {name: self.till.balance(f"{name}:{self.currency}") for name in ("house", "suspense")}
        for client in CLIENTS:
            available, reserved, pending, deficit = self.till.client(client)
            told[f"{client} pending"] = pending
            told[f"{client} credited"] = available + reserved - deficit
        return told

    def replay(self) -> dict[str, int]:
        """The same from the winning chain alone: who was paid, whom we paid, how deep it is."""
        chain, till = self.till.chain, self.till
        clients = {till.scripts[f"client:{client}:0"].script: client for client in CLIENTS}
        own = {script.script for script in till.scripts.values()}
        rows = till.rows("SELECT script, client_id, amount, fee FROM withdrawal WHERE case_id IS NULL")
        sql = "SELECT txid, position, status, reason FROM unclaimed_case WHERE kind = 'parked'"
        cases = {row[:2]: row[2:] for row in till.rows(sql)}
        payees = {script: (client, int(amount) + int(fee)) for script, client, amount, fee in rows}
        told = dict.fromkeys(["house", "suspense", "elsewhere"], 0)
        told |= {f"{client} {part}": 0 for client in CLIENTS for part in ("pending", "credited")}
        for ref in chain.refs():
            part = "credited" if chain.tip.ref.height - ref.height + 1 >= N else "pending"
            for tx in chain.blocks[ref.block_hash].txs:
                for index, (script, amount) in enumerate(tx.outputs if tx.is_success else ()):
                    place = "native" if self.currency == "ETH" else str(index)
                    if script in clients:
                        is_parked = amount < till.coin.minimum_deposit
                        told[_place(cases.get((tx.txid, place)), is_parked, clients[script], part)] += amount
                    elif script in own and _is_from_outside(tx):
                        told["house"] += amount
                    elif script in payees:
                        client, total = payees[script]
                        told[f"{client} credited"] -= total
        del told["elsewhere"]
        return told


def _place(case: tuple[str, str] | None, is_parked: bool, client: str, part: str) -> str:
    """Where a payment to a client is: credited, waiting for a decision, or sent back or kept by one."""
    status, reason = case or ("closed", "")
    if status in ("refunding", "refunded", "written_off"):
        return "elsewhere"
    if status == "open" and reason == "client_blocked":
        is_parked = True
    return f"{client} {part}" if status == "assigned" or not is_parked else "suspense"


def _is_from_outside(tx: FakeTx) -> bool:
    return tx.sender == FAUCET_ACCOUNT or (bool(tx.inputs) and tx.inputs[0].txid == FAUCET)
