"""The running cashier: checks its surroundings, starts the tree, takes over new settings, drains.

What faces the web is handed in (``Front``): this room does not know HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import shutil
import socket
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pykka import ActorRef
from pykka.messages import _ActorStop

from actors.childspec import AddChild, ChildView, GetTree, RemoveChild, RestartChild
from actors.clock import SystemClock
from actors.directory import Directory
from actors.errors import ActorError
from actors.front import MakeFront
from actors.gateway import Server
from actors.heartbeat import Heartbeat
from actors.identity import Ids
from actors.messages import GetWatcherStatus
from actors.observer import MetricsObserver
from actors.reconcile_now import compare_now
from actors.tree import Parts, Tree, cause_of, reason_of
from coins import registry
from coins.family import Coin
from coins.signer.client import SignerClient
from coins.signer.errors import SignerChildError
from coins.signer.process import SignerProcess
from coins.turns import Turns
from config.schema import Settings, diff, take_over
from ledger.commands import SetCurrencyState
from ledger.errors import DomainError, StoreError
from ledger.queries import GetStop, ListCurrencies
from ledger.reader import LedgerReader
from ledger.store import SqliteStore
from ledger.views import CurrencyView
from monitoring.exporter import Exporter, build_app
from monitoring.health import READY_STATES, CurrencyHealth, Liveness, Readiness
from monitoring.metrics import Metrics

logger = logging.getLogger(__name__)

UNREACHABLE = 3
USAGE = 2


class StartError(Exception):
    """The cashier cannot start; one line for people and the exit code."""

    def __init__(self, message: str, code: int = UNREACHABLE) -> None:
        """Say why."""
        super().__init__(message)
        self.code = code


LoadSettings = Callable[[], Settings]


class Service:
    """One cashier process. ``start``, then ``reload`` as often as wanted, then ``stop``."""

    def __init__(
        self, settings: Settings, config: Path | None, make_front: MakeFront, rng: random.Random
    ) -> None:
        """Nothing is opened yet; ``config`` is handed to the signer process, ``rng`` spreads pauses."""
        self.settings = settings
        self._config = config
        self._rng = rng
        self._clock = SystemClock()
        self.metrics = Metrics()
        self.directory = Directory(MetricsObserver(self.metrics), max_parked=settings.actors.parked_max)
        self._turns = Turns()
        self._front = make_front(settings, self.directory, self.metrics, self._clock, self._turns.first)
        self._listener: socket.socket | None = None
        self._exporter: Exporter | None = None
        self._heartbeat: Heartbeat | None = None
        self._root: ActorRef[Any] | None = None
        self._tree: Tree | None = None
        self.given_up: asyncio.Future[BaseException] | None = None

    # -- start ------------------------------------------------------------------------------------

    async def start(self) -> tuple[int, int]:
        """Start everything; gives the ports of gateway and monitoring. Raises StartError."""
        loop = asyncio.get_running_loop()
        self.given_up = loop.create_future()
        self._listener = listen(self.settings.gateway.host, self.settings.gateway.port, "gateway")
        self._check_ledger()
        self._check_seed()
        monitoring_port = await self._start_exporter()
        self._heartbeat = Heartbeat(
            loop,
            dump_after_s=self.settings.monitoring.heartbeat_dump_s,
            end_after_s=self.settings.monitoring.heartbeat_exit_s,
        )
        self._heartbeat.start()
        self._tree = Tree(self._parts())
        self._root = self._tree.start_root(self._on_give_up)
        await self._until_started()
        await self._retire()
        return self._listener.getsockname()[1], monitoring_port

    def _parts(self) -> Parts:
        signer = SignerClient(self.settings.signer)

        async def open_coin(settings: Any) -> Coin:
            return await registry.open_coin(
                settings, signer, self.settings.actors.process_workers, self._turns
            )

        return Parts(
            settings=self.settings,
            directory=self.directory,
            clock=self._clock,
            rng=self._rng,
            metrics=self.metrics,
            ids=Ids(),
            open_store=self._open_store,
            open_reader=self._open_reader,
            open_coin=open_coin,
            make_signer=self._make_signer if self._needs_seed() else None,
            serve=self._serve,
            render_event=self._front.render_event,
        )

    def _needs_seed(self) -> bool:
        return any(coin.has_seed for coin in self.settings.enabled_coins.values())

    def _make_signer(self) -> SignerProcess:
        return SignerProcess(
            self._config,
            start_timeout_s=self.settings.signer.start_timeout_s,
            on_line=lambda line: logger.info("signer: %s", line),
        )

    def _open_store(self) -> SqliteStore:
        settings = self.settings
        store = SqliteStore(
            settings.ledger.path,
            now_s=self._clock.now_s(),
            webhook_url=settings.webhooks.url,
            idempotency_keep_s=settings.gateway.idempotency_keep_days * 86_400,
            wal_limit_bytes=settings.ledger.wal_limit_mb * 2**20,
        )
        store.open()
        return store

    async def _open_reader(self) -> LedgerReader:
        ledger = self.settings.ledger
        return await LedgerReader(
            ledger.path,
            now_s=self._clock.now_s,
            connections=ledger.readers,
            busy_timeout_ms=ledger.busy_timeout_ms,
        ).open()

    async def _serve(self) -> Server:
        if self._listener is None:
            raise AssertionError("the port is opened first")
        return await self._front.serve(self._listener)

    def _check_ledger(self) -> None:
        """Open the database once before anything runs: its troubles are one line, not a crash."""
        try:
            self.settings.ledger.path.parent.mkdir(parents=True, exist_ok=True)
            free_mb = shutil.disk_usage(self.settings.ledger.path.parent).free // 2**20
            if free_mb < self.settings.ledger.min_free_mb:
                raise StartError(
                    f"only {free_mb} MB are free in {self.settings.ledger.path.parent},"
                    f" ledger.min_free_mb is {self.settings.ledger.min_free_mb}"
                )
            store = self._open_store()
            self._front.remember(store.decimals())
            store.close()
        except OSError as error:
            raise StartError(f"cannot use {self.settings.ledger.path.parent}: {error.strerror}") from None
        except StoreError as error:
            raise StartError(str(error)) from None

    def _check_seed(self) -> None:
        """A currency whose hot wallet is the seed's needs the seed file and its passphrase."""
        if not self._needs_seed():
            return
        signer = self.settings.signer
        if signer.passphrase is None:
            raise StartError(
                "signer.passphrase is not set: set CASHIER__SIGNER__PASSPHRASE_FILE "
                "(or CASHIER__SIGNER__PASSPHRASE)",
                USAGE,
            )
        if not signer.seed_file.exists():
            raise StartError(
                f"there is no seed file {signer.seed_file}: make one with `python run.py keys new-seed`",
                USAGE,
            )

    async def _start_exporter(self) -> int:
        settings = self.settings.monitoring
        app = build_app(self.metrics.render, lambda: Liveness(True), self._readiness, self._tree_json,
                        partial(compare_now, self.directory), self._front.command_token)  # fmt: skip
        self._exporter = Exporter(app, settings.host, settings.port)
        try:
            return await self._exporter.start()
        except OSError as error:
            raise StartError(
                f"monitoring cannot listen on {settings.host}:{settings.port}: {_words_of(error)}"
            ) from None

    async def _until_started(self) -> None:
        """Wait for the root's first answer, or for its end. Raises StartError."""
        if self.given_up is None:
            raise AssertionError("start() makes the future first")
        bound_s = self.settings.actors.start_timeout_s * 3
        try:
            await self.directory.ask("root", GetTree(), timeout_s=bound_s)
        except ActorError as error:
            root_cause = cause_of(self.given_up.result()) if self.given_up.done() else error
            # The signer says itself whether its seed or passphrase is wrong.
            code = root_cause.exit_code if isinstance(root_cause, SignerChildError) else UNREACHABLE
            raise StartError(f"the cashier could not start: {reason_of(root_cause)}", code) from None

    async def _retire(self) -> None:
        """Currencies of the books that the configuration no longer enables are shown as disabled."""
        try:
            views = await self.directory.ask(
                "ledger_reader", ListCurrencies(), timeout_s=self.settings.actors.ask_timeout_s
            )
        except (ActorError, DomainError) as error:
            raise StartError(f"the books do not answer: {error}") from None
        for view in views:
            if view.currency not in self.settings.currencies:
                await self._ask(
                    "ledger", SetCurrencyState(view.currency, "disabled", "not in the configuration")
                )

    def _on_give_up(self, error: BaseException) -> None:
        self.directory.gone("root")
        if self.given_up is not None and not self.given_up.done():
            self.given_up.set_result(error)

    # -- while it runs --------------------------------------------------------------------------------

    async def tree(self) -> ChildView:
        """The supervision tree now."""
        return await self.directory.ask("root", GetTree(), timeout_s=self.settings.actors.ask_timeout_s)

    async def _tree_json(self) -> dict[str, Any]:
        found = await self._readiness()
        told = {f"coin:{coin.currency}": f"{coin.state} {coin.reason}".strip() for coin in found.currencies}
        if found.stopped is not None:
            told["root"] = f"payouts are stopped: {found.stopped}"
        return tree_as_dict(await self.tree(), told)

    async def _readiness(self) -> Readiness:
        """The books answer, and each currency on its own."""
        timeout_s = self.settings.actors.ask_timeout_s
        try:
            views = await self.directory.ask("ledger_reader", ListCurrencies(), timeout_s=timeout_s)
            stop = await self.directory.ask("ledger_reader", GetStop(), timeout_s=timeout_s)
        except (ActorError, DomainError) as error:
            return Readiness(False, (), f"the books do not answer: {type(error).__name__}")
        health = tuple([await self._health(view) for view in views])
        return Readiness(True, health, stopped=stop.reason if stop.is_stopped else None)

    async def _health(self, view: CurrencyView) -> CurrencyHealth:
        """What the books say of a currency, and how far its watcher is behind its node."""
        try:
            status = await self.directory.ask(
                f"watcher:{view.chain}", GetWatcherStatus(), timeout_s=1.0, wait_up=False
            )
        except ActorError as error:
            # What the books say is older than this: nobody looks at the node now.
            state = "down" if view.state in READY_STATES else view.state
            return CurrencyHealth(view.currency, state, view.height, None, view.state_detail or str(error))
        lag: int | None = None
        if status.height is not None and status.node_height is not None:
            lag = status.node_height - status.height
        return CurrencyHealth(view.currency, view.state, view.height, lag, view.state_detail)

    async def reload(self, load: LoadSettings) -> None:
        """Start, drain, change and stop exactly the currencies whose settings differ.

        Raises ConfigError of ``load``: the old settings stay in force. A currency whose identity
        changed keeps its old settings, and so does a chain with its tokens when one of those changed.
        """
        new = await asyncio.to_thread(load)
        changes = diff(self.settings, new)
        for name in changes.identity_changed:
            logger.error(
                "%s: what a currency is may not change while it runs: keeping the old settings", name
            )
        for section in changes.restart_needed:
            logger.warning("[%s] changed: it takes effect at the next start", section)
        self.settings = take_over(self.settings, new)
        if self._tree is None:
            raise AssertionError("reload comes after start")
        self._tree.parts.settings = self.settings
        self._front.update(self.settings)
        for name in changes.removed:
            await self._remove(name)
        if changes.added or changes.changed:
            await self._renew_signer(self._tree)
        for name in (*changes.drained, *changes.changed):
            self._tree.slot(self.settings.enabled_coins[name])
            await self._ask("coins", RestartChild(f"coin:{name}"))
        for name in changes.added:
            slot = self._tree.slot(self.settings.enabled_coins[name])
            await self._ask("coins", AddChild(self._tree.coin(slot)))
        self.metrics.config_read(is_ok=True)
        logger.info("configuration taken over: %s", changes)

    async def _renew_signer(self, tree: Tree) -> None:
        """The signer reads the coin files by itself, at its start."""
        if tree.parts.make_signer is not None:
            await self._ask("root", RestartChild("signer"))
        elif self._needs_seed():
            try:
                self._check_seed()
            except StartError as error:
                logger.error("no signer: %s", error)
                return
            tree.parts.make_signer = self._make_signer
            await self._ask("root", AddChild(tree.signer(self._make_signer)))

    async def _remove(self, currency: str) -> None:
        """Stop a currency; its books stay, its addresses are watched again when it comes back."""
        await self._ask("coins", RemoveChild(f"coin:{currency}"))
        slot = None if self._tree is None else self._tree.parts.slots.pop(currency, None)
        await self._ask("ledger", SetCurrencyState(currency, "disabled", "not in the configuration"))
        for name in slot.currencies if slot is not None else (currency,):
            self.metrics.forget(name)

    async def _ask(self, name: str, message: Any) -> None:
        """Ask within the time an actor may take to start; a refusal is logged, the rest goes on."""
        try:
            await self.directory.ask(name, message, timeout_s=self.settings.actors.start_timeout_s)
        except (DomainError, ActorError) as error:
            logger.error("%s: %s", name, error)

    # -- end ----------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Drain: stop in reverse order of the start, within the configured time."""
        root, self._root = self._root, None
        if root is not None and root.is_alive():
            try:
                async with asyncio.timeout(self.settings.actors.drain_timeout_s):
                    await root.ask(_ActorStop(), block=False)
            except TimeoutError:
                logger.error("the actors did not stop within %s s", self.settings.actors.drain_timeout_s)
        if self._exporter is not None:
            await self._exporter.stop()
        if self._listener is not None:
            self._listener.close()
        if self._heartbeat is not None:
            self._heartbeat.stop()


def listen(host: str, port: int, section: str) -> socket.socket:
    """A listening TCP socket. Raises StartError with one line."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise StartError(f"{section} cannot listen on {host}:{port}: {error.strerror}") from None
    return listener


def _words_of(error: OSError) -> str:
    """The system's own words for an error; those of the event loop repeat the address."""
    return os.strerror(error.errno) if error.errno else str(error)


def tree_as_dict(view: ChildView, currencies: Mapping[str, str]) -> dict[str, Any]:
    """A node of the tree and all below it, ready for JSON; ``currencies`` says how those of a node are."""
    return {
        "name": view.name,
        "state": view.state,
        "restarts": view.restarts,
        "inbox_depth": view.inbox_depth,
        "last_error": view.last_error,
        "currency": currencies.get(view.name, ""),
        "children": [tree_as_dict(child, currencies) for child in view.children],
    }
