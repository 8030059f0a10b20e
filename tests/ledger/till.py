"""A till to test with: a store, a chain in memory, and what the actors do between them, step by step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from coins.errors import PlanError
from coins.types import (
    Block,
    BlockRef,
    Branch,
    BroadcastOutcome,
    BroadcastResult,
    ChainDelta,
    Location,
    OwnScript,
    PayoutWork,
    location_of,
)
from ledger.commands import (
    ApplyChainDelta,
    ApplyMempool,
    Command,
    DecideWithdrawal,
    GetPayoutWork,
    GetSweepWork,
    GetUnsettledAttempts,
    Idempotency,
    OpenTopUp,
    OpenWithdrawal,
    RecordBroadcast,
    RecordScript,
    RecordSigned,
    RegisterCoin,
    ReserveAttempt,
    ReserveScript,
    SetAnchor,
    SetCurrencyState,
)
from ledger.connection import connect
from ledger.errors import InputsTakenError, PayoutsHeldError
from ledger.operator_access import CreateOperator
from ledger.store import SqliteStore
from ledger.views import AttemptWork, DeltaApplied, WithdrawalView
from ledger.withdrawal_row import WithdrawalRow, payment_digest, read_withdrawals
from tests.fakes.chain import FakeChain, FakeIndex, FakeTx, InvalidTxError
from tests.fakes.coin import chain_holdings, foreign, mempool_view, own_script, plan_payment, signed
from tests.fakes.oracle import check_books
from tests.ledger.books import BTC, NOW, balance, open_store, rows

ETH = replace(
    BTC,
    currency="ETH",
    chain="ETH",
    name="Ether",
    family="evm",
    decimals=18,
    fingerprint="regtest/xpub-2",
    maximum_withdrawal=2**255,
    sweep_threshold=50_000,
)


TOKEN = replace(
    ETH,
    currency="USDT-ETH",
    name="Tether",
    decimals=6,
    fingerprint="regtest/contract",
    withdrawal_fee=0,
    sweep_threshold=500,
)


class Till:
    """Everything of one currency; ``check`` after any step says whether the books are right."""

    def __init__(self, folder: Path, coin: RegisterCoin = BTC, **changes: Any) -> None:
        self.coin = replace(coin, **changes)
        self.currency = self.coin.currency
        self.folder = folder
        self.chain = FakeChain(self.currency, "account" if coin.family == "evm" else "utxo")
        self.index = FakeIndex()
        self.store: SqliteStore = open_store(folder)
        self.scripts: dict[str, OwnScript] = {}
        self.tokens: list[str] = []
        self.address_seq = 0
        self.now_s = NOW
        self.batch_max = 1
        self.is_watch_only = False
        self._numbers = 0
        self.do(self.coin)
        self.do(SetCurrencyState(self.currency, "open", ""))
        self.do(SetAnchor(self.currency, self.chain.anchor.ref))
        self.hot = self.issue("hot", Branch.HOT)

    def list_token(self, token: RegisterCoin = TOKEN) -> str:
        """Make a token of this chain known."""
        self.do(token)
        self.tokens.append(token.currency)
        return token.currency

    # -- plumbing -----------------------------------------------------------------------------------

    def do(self, command: Command[Any]) -> Any:
        """Carry out one command; raises its refusal."""
        self.now_s += 1
        return self.store.apply_batch([command], self.now_s)[0].unwrap()

    def number(self) -> int:
        self._numbers += 1
        return self._numbers

    def reopen(self) -> None:
        """Close the database as a crash would leave it (nothing is kept in memory) and open it again."""
        self.store.close()
        self.store = open_store(self.folder)

    def close(self) -> None:
        self.store.close()

    def rows(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        return rows(self.store.path, sql, *arguments)

    def balance(self, name: str) -> int:
        return balance(self.store.path, name)

    # -- scripts --------------------------------------------------------------------------------------

    def issue(self, purpose: str, branch: Branch, client_id: str | None = None) -> OwnScript:
        """Get or make the script of a purpose."""
        index = self.do(ReserveScript(self.currency, branch, purpose))
        own = own_script(self.currency, branch, index)
        view = self.do(RecordScript(self.currency, purpose, own, self.location(own), client_id)).value
        self.address_seq = max(self.address_seq, view.sequence)
        self.index.add_script(own.script)
        self.scripts[purpose] = own
        return own

    def address(self, client_id: str, number: int = 0) -> bytes:
        """The deposit script of a client."""
        return self.issue(f"client:{client_id}:{number}", Branch.DEPOSIT, client_id).script

    # -- chain ----------------------------------------------------------------------------------------

    def known(self) -> list[BlockRef]:
        """The ledger's blocks, newest first."""
        sql = "SELECT height, block_hash, parent_hash, time FROM block WHERE chain = ? ORDER BY height DESC"
        return [BlockRef(*row) for row in self.rows(sql, self.currency)]

    def delta(self) -> ChainDelta:
        return self.chain.delta(self.known(), self.index, self.address_seq)

    def follow(self) -> DeltaApplied:
        """Apply what the chain did since the last time."""
        applied: DeltaApplied = self.do(ApplyChainDelta(self.delta()))
        return applied

    def mine(self, count: int = 1, txs: Iterable[FakeTx] | None = None, **options: Any) -> None:
        """Mine and follow, one block at a time."""
        for number in range(count):
            chosen = None if txs is None else list(txs) if number == 0 else []
            self.chain.mine(1, chosen, **(options if number == 0 else {}))
            self.follow()

    def reorg(self, depth: int, blocks: list[list[FakeTx]] | None = None) -> DeltaApplied:
        self.chain.reorg(depth, blocks)
        return self.follow()

    def look(self) -> int:
        """Tell the ledger what the mempool holds."""
        changed: int = self.do(ApplyMempool(self.currency, mempool_view(self.chain, self.index)))
        return changed

    def raw_block(self, **parts: Any) -> ChainDelta:
        """A made-up block on the ledger's tip."""
        tip = self.known()[0]
        ref = BlockRef(tip.height + 1, f"{self.number():064x}", tip.block_hash, tip.time + 600)
        return ChainDelta(self.currency, (), (Block(ref, **parts),), self.address_seq)

    # -- money ----------------------------------------------------------------------------------------

    def deposit(self, client_id: str, amount: int, blocks: int = 0, token: str = "") -> FakeTx:
        """Pay a client's address; with ``blocks`` mine and follow that many."""
        tx = self.chain.pay((self.address(client_id), amount), token=token)
        if blocks:
            self.mine(blocks)
        return tx

    def open(self, client_id: str, amount: int, **changes: Any) -> WithdrawalView:
        """Open a withdrawal to somebody else's address."""
        number = self.number()
        view: WithdrawalView = self.do(self.opening(client_id, amount, number, **changes)).value
        return view

    def opening(self, client_id: str, amount: int, number: int, **changes: Any) -> OpenWithdrawal:
        payee = foreign(f"payee{number}", self.currency)
        command = OpenWithdrawal(
            id=f"wd_{number}",
            website="shop",
            client_id=client_id,
            currency=self.currency,
            amount=amount,
            is_fee_included=False,
            address=payee.address,
            script=payee.script,
            external_id=f"order-{number}",
            by="key:shop",
            idempotency=Idempotency("key:shop", f"key-{number}", f"hash-{number}"),
        )
        return replace(command, **changes)

    def decide(self, withdrawal_id: str, decision: str) -> WithdrawalView:
        """Decide as operator ann, who sees the payment as it is."""
        seen = [payment_digest(row) for row in self.withdrawals() if row.id == withdrawal_id]
        return self.decide_as("ann", withdrawal_id, decision, "".join(seen))

    def decide_as(self, name: str, withdrawal_id: str, decision: str, digest: str) -> WithdrawalView:
        """Decide as an operator, who is made when there is none of this name."""
        if not self.rows("SELECT 1 FROM operator WHERE name = ?", name):
            self.do(CreateOperator(f"op_{name}", name, "hash", "salt", ("payments",), "test"))
        command = DecideWithdrawal(withdrawal_id, decision, f"operator:op_{name}", digest=digest)
        view: WithdrawalView = self.do(command).value
        return view

    def withdrawals(self) -> list[WithdrawalRow]:
        db = connect(self.store.path)
        try:
            return read_withdrawals(db, "1 = 1 ORDER BY w.ordinal", ())
        finally:
            db.close()

    def work(self) -> list[PayoutWork]:
        """What the ledger gives out now, change scripts issued as the sender would; nothing while held."""
        found = []
        for currency in (self.currency, *self.tokens):
            try:
                given = self.do(GetPayoutWork(currency, self.batch_max))
            except PayoutsHeldError:
                given = ()
            for work in given:
                if work.source is None and work.change is None:
                    work = replace(work, change=self.issue(f"change:{work.intent_id}", Branch.CHANGE))
                found.append(work)
            found += self.do(GetSweepWork(currency))
        return found

    def reserve(self, work: PayoutWork) -> AttemptWork:
        attempt: AttemptWork = self.do(ReserveAttempt(f"at_{self.number()}", plan_payment(work)))
        return attempt

    def resume(self) -> None:
        """Sign, record and send every attempt that is not settled, as after a restart."""
        for attempt in [a for c in (self.currency, *self.tokens) for a in self.do(GetUnsettledAttempts(c))]:
            bytes_ = signed(attempt.plan)
            self.do(RecordSigned(attempt.attempt_id, bytes_.txid, bytes_.raw))
            self.send(attempt.attempt_id, bytes_.raw)

    def send(self, attempt_id: str, raw: str) -> None:
        """Send signed bytes and record the answer."""
        tx = FakeTx.decode(raw)
        outcome = BroadcastOutcome.ACCEPTED
        if tx.txid in self.chain.mempool or tx.txid in self.chain.tip.state.txids:
            outcome = BroadcastOutcome.KNOWN
        else:
            try:
                self.chain.send(tx)
            except InvalidTxError:
                outcome = BroadcastOutcome.UNKNOWN
        self.do(RecordBroadcast(attempt_id, BroadcastResult(outcome)))

    def pay_all(self) -> int:
        """Plan, reserve, sign and send everything there is; answers how many attempts were made."""
        made = 0
        while True:
            planned = False
            for work in self.work():
                try:
                    self.reserve(work)
                except InputsTakenError:  # several pieces of work were given out with one nonce
                    planned = True
                    continue
                except PlanError as error:
                    if error.gas_missing and work.kind == "sweep":
                        planned |= self.do(OpenTopUp(work.intent_id, error.gas_missing))
                    continue
                planned, made = True, made + 1
            if not planned:
                break
        self.resume()
        return made

    # -- what is seen -----------------------------------------------------------------------------------

    def client(self, client_id: str, currency: str = "") -> tuple[int, int, int, int]:
        """(available, reserved, pending, deficit) of a client."""
        name = currency or self.currency
        parts = [self.balance(f"client:{client_id}:{name}:{p}") for p in _PARTS]
        return parts[0], parts[1], parts[2], self.balance(f"client_deficit:{client_id}:{name}")

    def onchain(self, currency: str = "") -> dict[str, int]:
        name = currency or self.currency
        held = {loc: self.balance(f"onchain:{name}:{loc}") for loc in ("deposit", "hot", "cold")}
        return held if Location.COLD in {self.location(own) for own in self.scripts.values()} else _warm(held)

    def location(self, own: OwnScript) -> Location:
        """Where a script of ours lies."""
        return location_of(own.branch, is_watch_only=self.is_watch_only)

    def deposits(self, column: str = "status") -> list[Any]:
        return [row[0] for row in self.rows(f"SELECT {column} FROM deposit ORDER BY ordinal")]

    def status(self, withdrawal_id: str) -> str:
        status: str = self.rows("SELECT status FROM withdrawal WHERE id = ?", withdrawal_id)[0][0]
        return status

    def attempts(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT state FROM attempt ORDER BY rowid")]

    def events(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT type FROM event ORDER BY sequence")]

    def check(self, unseen: int = 0) -> None:
        """The books hold every invariant, and at the ledger's tip they are what the chain says."""
        assert check_books(self.store.path) == []
        if self.known()[0].block_hash == self.chain.tip.ref.block_hash:
            scripts = [(own.script, self.location(own)) for own in self.scripts.values()]
            held = chain_holdings(self.chain, scripts)
            books = self.onchain()
            said = {location.value: amount for location, amount in held.items()}
            assert books == {"deposit": 0, "hot": 0} | said or unseen
            assert sum(said.values()) - sum(books.values()) == unseen
            for token in self.tokens:
                held = chain_holdings(self.chain, scripts, token)
                said = {location.value: amount for location, amount in held.items()}
                assert self.onchain(token) == {"deposit": 0, "hot": 0} | said


def _warm(held: dict[str, int]) -> dict[str, int]:
    """Without the cold location, which most tills do not have."""
    return {location: amount for location, amount in held.items() if location != "cold"}


_PARTS = ("available", "reserved", "pending")
