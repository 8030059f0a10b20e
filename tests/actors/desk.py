"""A whole cashier for the tests of its actors: real tree, real ledger on the loop's thread, fake chains.

Nothing waits for real time: the clock moves when a test says so, and the database answers on the loop.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pykka import ActorRef

from actors.childspec import ChildView, GetTree
from actors.directory import Directory
from actors.gateway import Server
from actors.identity import Ids
from actors.messages import (
    GetBalances,
    GetWatcherStatus,
    Idempotency,
    IssueAddress,
    IssuedAddress,
    ListCurrencies,
    Outcome,
    RequestWithdrawal,
    WatcherStatus,
    WithdrawalView,
)
from actors.slot import AnyCoinSettings
from actors.tree import Parts, Tree
from coins.errors import CoinError
from coins.family import Coin
from coins.types import Location
from config.loader import load
from config.schema import Settings
from ledger.queries import GetWithdrawal
from ledger.reader import LedgerReader
from ledger.store import SqliteStore
from monitoring.metrics import Metrics
from tests.actors.doors import (
    UNAVAILABLE,
    DeskDeriver,
    DeskReader,
    DeskSpender,
    FaultyStore,
    LoopReader,
    LoopThread,
    QuietServer,
)
from tests.actors.house import actor_of, ended
from tests.actors.supervised import states
from tests.fakes.chain import FakeChain, FakeTx, TwinChain
from tests.fakes.clock import FakeClock, settle
from tests.fakes.coin import FakeDeriver, chain_holdings, foreign, make_coin
from tests.fakes.oracle import check_books
from tests.ledger.books import rows

COIN_FILES = Path(__file__).parents[2] / "config" / "coins"
START_S = 1_700_000_000
PATIENCE_S = 60.0
TOKEN = "USDT-ETH"
KINDS = {"BTC": "utxo", "LTC": "utxo", "ETH": "account"}


def chain_of(currency: str) -> str:
    """The chain whose actors serve a currency."""
    return currency.rpartition("-")[2]


def desk_settings(folder: Path, coins: tuple[str, ...], environ: dict[str, str] | None = None) -> Settings:
    """Settings from the shipped coin files, on the regtest networks, with small depths."""
    (folder / "coins").mkdir(exist_ok=True)
    (folder / "cashier.toml").write_text('[ledger]\npath = "books.sqlite"\n')
    variables = dict(environ or {})
    for name in coins:
        (folder / "coins" / f"{name}.toml").write_text((COIN_FILES / f"{name}.toml").read_text())
        if name == TOKEN:
            variables.setdefault("CASHIER__COINS__USDT_ETH__ENABLED", "true")
            continue
        defaults = {
            "ENABLED": "true", "NETWORK": "regtest", "CONFIRMATIONS": "3", "FINAL_DEPTH": "6",
            "MAX_REORG": "5",
        }  # fmt: skip
        for key, value in defaults.items():
            variables.setdefault(f"CASHIER__COINS__{name}__{key}", value)
    return load(folder / "cashier.toml", variables)


class Desk:
    """The running cashier, and the hands of a test in it."""

    def __init__(
        self, folder: Path, settings: Settings, clock: FakeClock | None = None, seed: int = 7
    ) -> None:
        """``seed`` draws the ids: two desks on one database need two."""
        self.folder = folder
        self.path = settings.ledger.path
        self.clock = clock or FakeClock(START_S)
        self.metrics = Metrics(lambda: float(self.clock.now_s()))
        self.directory = Directory()
        self.server = QuietServer()
        self.faults: list[BaseException | str] = []
        self.batches: list[int] = []
        self.failed_at: list[str] = []
        self._faults_at: list[tuple[str, BaseException | str]] = []
        self.chains = {name: FakeChain(name, KINDS[name]) for name in settings.coins}
        self.readers: dict[str, DeskReader] = {}
        self.witnesses: dict[str, DeskReader] = {}
        self.spenders: dict[str, DeskSpender] = {}
        self.derivers: dict[str, DeskDeriver] = {}
        self.coins: dict[str, Coin] = {}
        self.open_errors: dict[str, CoinError] = {}
        self.given_up: list[BaseException] = []
        self.loop_reader: LoopReader | None = None
        self.stores: list[FaultyStore] = []
        self.rng = random.Random(seed)
        self.parts = Parts(
            settings=settings,
            directory=self.directory,
            clock=self.clock,
            rng=self.rng,
            metrics=self.metrics,
            ids=Ids(self.rng.randbytes),
            open_store=self._open_store,
            open_reader=self._open_reader,
            open_coin=self._open_coin,
            make_signer=None,
            serve=self._serve,
            render_event=lambda view: {"id": view.id, "type": view.type, "data": view.data},
            make_ledger_thread=LoopThread,
        )
        self.tree = Tree(self.parts)
        self.root: ActorRef[Any] | None = None
        self._count = 0

    def _open_store(self) -> SqliteStore:
        store = FaultyStore(self.path, self.faults, self.batches, self._planned, now_s=self.clock.now_s(),
                            webhook_url=self.parts.settings.webhooks.url)  # fmt: skip
        store.open()
        self.stores.append(store)
        return store

    def fail_at(self, command: str, fault: BaseException | str) -> None:
        """The next batch with a command of this class crashes, loses its answer, finds the disk full, or
        is refused with a DomainError."""
        known: dict[str, BaseException] = {"crash": RuntimeError("a fault"), "disk full": UNAVAILABLE}
        self._faults_at.append((command, known.get(fault, fault) if isinstance(fault, str) else fault))

    def _planned(self, command: str) -> BaseException | str | None:
        for position, (name, fault) in enumerate(self._faults_at):
            if name == command:
                del self._faults_at[position]
                self.failed_at.append(command)
                return fault
        return None

    async def _open_reader(self) -> LedgerReader:
        self.loop_reader = LoopReader(self.path, self.clock.now_s)
        return self.loop_reader  # type: ignore[return-value]

    async def _open_coin(self, settings: AnyCoinSettings) -> Coin:
        name = settings.currency
        if name in self.open_errors:
            raise self.open_errors[name]
        chain = self.chains.setdefault(name, FakeChain(name, KINDS[name]))
        base = make_coin(chain)
        reader = self.readers.setdefault(name, DeskReader(chain, self.clock))
        reader.tokens = tuple(t.currency for t in getattr(settings, "tokens", ()))
        spender = self.spenders.setdefault(name, DeskSpender(chain))
        deriver = self.derivers.setdefault(name, DeskDeriver(name))
        witness = None
        if settings.witness is not None:
            witness = self.witnesses.get(name) or DeskReader(TwinChain(chain), self.clock)
            self.witnesses[name] = witness
        self.coins[name] = Coin(name, base.family, reader, deriver, spender, base.index, witness,
                                base.bumper and spender, base.consolidator and spender)  # fmt: skip
        return self.coins[name]

    async def _serve(self) -> Server:
        self.server.is_closed = False
        return self.server

    # -- running ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the tree and wait until every currency stands at its head."""
        self.root = self.tree.start_root(self.given_up.append)
        await self.directory.ask("root", GetTree(), timeout_s=PATIENCE_S)

    async def stop(self) -> None:
        """Stop the tree; harmless when it has ended."""
        if self.root is not None:
            actor = actor_of(self.root)
            if actor.exit is None:
                actor.stop()
            await ended(actor)

    async def ask(self, name: str, message: Any) -> Any:
        """Ask by name."""
        return await self.directory.ask(name, message, timeout_s=PATIENCE_S)

    async def rest(self, condition: Callable[[], object] | None = None, rounds: int = 400) -> None:
        """Let everything happen that can without time passing; with a condition, until it holds."""
        for _ in range(rounds):
            if condition is not None and condition():
                return
            await settle()
            if condition is None and await self._is_idle():
                return
        raise AssertionError("it does not come to rest")

    async def _is_idle(self) -> bool:
        before = (len(self.batches), sum(reader.calls for reader in self.readers.values()))
        await settle()
        await settle()
        return before == (len(self.batches), sum(reader.calls for reader in self.readers.values()))

    async def pass_time(self, seconds: float, step_s: float = 1.0) -> None:
        """Move the clock on, and let what falls due come to rest at each step."""
        while seconds > 0:
            await self.clock.advance(min(step_s, seconds))
            seconds -= step_s
            await self.rest()

    async def mine(self, count: int = 1, currency: str = "BTC", **kwargs: Any) -> None:
        """Mine blocks one by one and let the cashier follow each."""
        for _ in range(count):
            self.chains[currency].mine(1, **kwargs)
            kwargs = {}
            await self.poke(currency)

    async def poke(self, currency: str = "BTC") -> None:
        """The node of a currency has news; let everything come to rest."""
        self.readers[currency].poke()
        await self.rest()

    # -- what people do -----------------------------------------------------------------------------

    async def address(self, client: str, currency: str = "BTC", **options: Any) -> IssuedAddress:
        """Get or create an address."""
        issued = await self.ask(f"address:{chain_of(currency)}", IssueAddress(client, currency, **options))
        assert isinstance(issued, IssuedAddress)
        return issued

    async def script_of(self, client: str, currency: str = "BTC") -> bytes:
        """The script of a client's address."""
        issued = await self.address(client, currency)
        return FakeDeriver(chain_of(currency)).parse(issued.view.address).script

    async def pay(self, client: str, amount: int, currency: str = "BTC") -> FakeTx:
        """A payment to a client, into the mempool."""
        chain = chain_of(currency)
        token = currency if chain != currency else ""
        return self.chains[chain].pay((await self.script_of(client, currency), amount), token=token)

    async def fund(self, client: str, amount: int, currency: str = "BTC") -> None:
        """A payment to a client that is final."""
        await self.pay(client, amount, currency)
        await self.mine(6, chain_of(currency))

    async def balance(self, client: str, currency: str = "BTC") -> tuple[int, int, int]:
        """Available, reserved, pending."""
        for view in await self.ask("ledger_reader", GetBalances(client)):
            if view.currency == currency:
                return (view.available, view.reserved, view.pending)
        return (0, 0, 0)

    async def withdraw(
        self, client: str, amount: int, currency: str = "BTC", to: str = "payee", **options: Any
    ) -> WithdrawalView:
        """Ask for a withdrawal to somebody else's address."""
        self._count += 1
        number = self._count
        key = Idempotency("key:shop", options.pop("key", f"w-{number}"), "hash")
        request = RequestWithdrawal(
            id=f"wd_{number}",
            website="shop",
            client_id=client,
            currency=currency,
            amount=amount,
            is_fee_included=False,
            address=options.pop("address", foreign(to, chain_of(currency)).address),
            external_id=f"order-{number}",
            by="key:shop",
            idempotency=key,
        )
        outcome: Outcome[WithdrawalView] = await self.ask(f"withdrawal:{chain_of(currency)}", request)
        return outcome.value

    async def withdrawal(self, withdrawal_id: str) -> WithdrawalView:
        """A withdrawal as it is now."""
        view = await self.ask("ledger_reader", GetWithdrawal(withdrawal_id))
        assert isinstance(view, WithdrawalView)
        return view

    # -- what can be seen ----------------------------------------------------------------------------

    async def status(self, currency: str = "BTC") -> WatcherStatus:
        """Where a watcher stands."""
        status = await self.ask(f"watcher:{currency}", GetWatcherStatus())
        assert isinstance(status, WatcherStatus)
        return status

    async def state(self, currency: str = "BTC") -> str:
        """The state of a currency in the books."""
        views = await self.ask("ledger_reader", ListCurrencies())
        return next(str(view.state) for view in views if view.currency == currency)

    async def tree_states(self) -> dict[str, str]:
        """The state of every actor by name."""
        view = await self.ask("root", GetTree())
        assert isinstance(view, ChildView)
        return states(view)

    def twin(self, currency: str = "BTC") -> TwinChain:
        """The chain of the second node."""
        chain = self.witnesses[currency].chain
        assert isinstance(chain, TwinChain)
        return chain

    def height(self, currency: str = "BTC") -> int:
        """The cursor in the books."""
        found = rows(self.path, "SELECT max(height) FROM block WHERE chain = ?", currency)
        return int(found[0][0]) if found and found[0][0] is not None else -1

    def attempts(self) -> list[tuple[str, str, str]]:
        """(intent, state, raw) of all attempts, oldest first."""
        sql = "SELECT intent_id, state, coalesce(raw, '') FROM attempt ORDER BY created_at, rowid"
        return [(str(a), str(b), str(c)) for a, b, c in rows(self.path, sql)]

    def check(self) -> None:
        """The independent judge finds nothing wrong, and every location holds what the chain says."""
        assert check_books(self.path) == []

    async def check_chain(self, currency: str = "BTC") -> None:
        """Books and chain hold the same at the tip."""
        scripts = [
            (bytes(script), Location(location))
            for script, location in rows(
                self.path, "SELECT script, location FROM own_script WHERE chain = ?", currency
            )
        ]
        for each in (currency, *self.readers[currency].tokens):
            token = each if each != currency else ""
            for location, amount in chain_holdings(self.chains[currency], scripts, token).items():
                name = f"onchain:{each}:{location}"
                booked = rows(self.path, "SELECT balance FROM account WHERE name = ?", name)
                assert (name, int(booked[0][0]) if booked else 0) == (name, amount)


@asynccontextmanager
async def open_desk(
    folder: Path,
    *coins: str,
    environ: dict[str, str] | None = None,
    is_checked: bool = True,
    is_started: bool = True,
) -> AsyncIterator[Desk]:
    """A running cashier with these currencies at their heads; its books are judged at the end.

    With ``is_started`` off the test prepares what it wants and starts by itself.
    """
    desk = Desk(folder, desk_settings(folder, coins or ("BTC",), environ))
    try:
        if is_started:
            await desk.start()
            await desk.rest()
        yield desk
        if is_checked:
            desk.check()
    finally:
        await desk.stop()
