"""The supervision tree of the cashier: who lives under whom, and what a change of coins does to it.

root (one_for_one)
├─ signer                     the signer process, where a currency needs it
├─ core (rest_for_one)
│  ├─ ledger                  the single writer
│  ├─ ledger_reader           read-only connections
│  └─ coins (one_for_one)
│     └─ coin:<currency>      rest_for_one; gives up alone, is retried with growing pauses
│        ├─ address:<currency>
│        ├─ watcher:<currency>
│        ├─ withdrawal:<currency>
│        └─ sweep:<currency>  account chains only
├─ services (one_for_one)
│  ├─ notifier
│  ├─ reconciler
│  ├─ rates                   what currencies are worth, from a file or an address
│  └─ gauges                  metrics of the books and the actors
└─ gateway                    answers 503 while the core restarts
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from pykka import ActorRef

from actors.address import AddressActor
from actors.childspec import ChildSpec
from actors.clock import Clock
from actors.directory import Directory
from actors.errors import ActorError, ColdAddressError
from actors.gateway import GatewayActor, Server
from actors.gauges import GaugesActor
from actors.identity import Ids
from actors.ledger import LedgerActor, private_thread
from actors.ledger_reader import LedgerReaderActor
from actors.notifier import NotifierActor, RenderEvent
from actors.policy import RestartLimits
from actors.rates import RatesActor
from actors.reconciler import ReconcilerActor
from actors.signer import Process, SignerActor
from actors.slot import AnyCoinSettings, CoinSlot, OpenCoin
from actors.supervisor import Strategy, Supervisor
from actors.sweep import SweepActor
from actors.watcher import WatcherActor
from actors.withdrawal import WithdrawalActor
from config.schema import Settings
from ledger.commands import SetCurrencyState
from ledger.errors import (
    IdentityChangedError,
    LedgerCorruptError,
    MigrationError,
    StoreLockedError,
    StoreOpenError,
)
from ledger.reader import LedgerReader
from ledger.store import SqliteStore
from monitoring.metrics import Metrics

NEVER_RESTART_ON = (LedgerCorruptError, MigrationError, StoreLockedError, StoreOpenError)


@dataclass(slots=True)
class Parts:
    """Every door to the outside and everything the actors share, handed in by whoever starts them."""

    settings: Settings
    directory: Directory
    clock: Clock
    rng: random.Random
    metrics: Metrics
    ids: Ids
    open_store: Callable[[], SqliteStore]
    open_reader: Callable[[], Awaitable[LedgerReader]]
    open_coin: OpenCoin
    make_signer: Callable[[], Process] | None
    serve: Callable[[], Awaitable[Server]]
    render_event: RenderEvent
    make_ledger_thread: Callable[[], Executor] = private_thread
    slots: dict[str, CoinSlot] = field(default_factory=dict)


class Tree:
    """Builds the specs; each ``start`` reads the parts anew, so a restart sees today's coins."""

    def __init__(self, parts: Parts) -> None:
        """Make a slot for every enabled currency."""
        self.parts = parts
        for settings in parts.settings.enabled_coins.values():
            self.slot(settings)

    def slot(self, settings: AnyCoinSettings) -> CoinSlot:
        """The slot of a currency with these settings from its next start on."""
        slot = self.parts.slots.get(settings.currency)
        if slot is None:
            slot = self.parts.slots[settings.currency] = CoinSlot(settings, self.parts.open_coin)
        slot.settings = settings
        return slot

    def start_root(self, on_give_up: Callable[[BaseException], None]) -> ActorRef[Any]:
        """Start everything; the root is running when its ``GetTree`` is answered."""
        parts = self.parts
        children = [
            self._supervisor("core", self._core, "rest_for_one"),
            self._supervisor("services", self._services, "one_for_one"),
            # Requests in progress may take their time to end before it counts as hung.
            self._actor(
                "gateway",
                lambda: GatewayActor.start(parts.serve),
                more_stop_s=parts.settings.gateway.shutdown_timeout_s,
            ),
        ]
        if parts.make_signer is not None:
            children.insert(0, self.signer(parts.make_signer))
        ref = self._start_supervisor(children, "one_for_one", on_give_up)
        parts.directory.adopt("root", ref)
        parts.directory.up("root", ref)
        return ref

    def signer(self, make_process: Callable[[], Process]) -> ChildSpec:
        """The keeper of the signer process."""
        return self._actor("signer", lambda: SignerActor.start(make_process))

    def _core(self) -> list[ChildSpec]:
        parts = self.parts
        settings = parts.settings
        return [
            self._actor(
                "ledger",
                lambda: LedgerActor.start(
                    parts.open_store,
                    parts.directory,
                    parts.clock,
                    settings.ledger,
                    parts.metrics,
                    parts.make_ledger_thread,
                ),
                never_restart_on=NEVER_RESTART_ON,
            ),
            self._actor("ledger_reader", lambda: LedgerReaderActor.start(parts.open_reader)),
            self._supervisor("coins", self._coins, "one_for_one"),
        ]

    def _coins(self) -> list[ChildSpec]:
        return [self.coin(slot) for slot in self.parts.slots.values()]

    def coin(self, slot: CoinSlot) -> ChildSpec:
        """The subtree of one currency: gives up alone, is tried again with growing pauses."""
        limits = self.parts.settings.actors
        return ChildSpec(
            name=f"coin:{slot.currency}",
            start=lambda: self._start_supervisor(
                self._coin_children(slot), "rest_for_one", lambda error: self._on_halt(slot, error)
            ),
            restart="temporary",
            halted_retry_s=(limits.halted_retry_base_s, limits.halted_retry_max_s),
        )

    def _on_halt(self, slot: CoinSlot, error: BaseException) -> None:
        """A currency gave up: the books show it, so that nobody is told it were open."""
        detail = f"gave up: {reason_of(error)}"
        self.parts.metrics.currency(slot.currency, slot.settings.decimals).state("halted")
        self.parts.directory.tell("ledger", SetCurrencyState(slot.currency, "halted", detail))

    def _coin_children(self, slot: CoinSlot) -> list[ChildSpec]:
        parts = self.parts
        bounds = parts.settings.actors
        currency = slot.currency
        paying = (slot, parts.directory, parts.clock, bounds, parts.metrics, parts.ids)
        children = [
            self._actor(
                f"address:{currency}",
                lambda: AddressActor.start(slot, parts.directory, parts.clock, bounds),
                never_restart_on=(IdentityChangedError, ColdAddressError),
            ),
            self._actor(
                f"watcher:{currency}",
                lambda: WatcherActor.start(slot, parts.directory, parts.clock, bounds, parts.metrics),
            ),
            self._actor(f"withdrawal:{currency}", lambda: WithdrawalActor.start(*paying)),
        ]
        if slot.settings.family == "evm" and not slot.settings.is_watch_only:
            children.append(self._actor(f"sweep:{currency}", lambda: SweepActor.start(*paying)))
        return children

    def _services(self) -> list[ChildSpec]:
        parts = self.parts
        settings = parts.settings
        return [
            self._actor(
                "notifier",
                lambda: NotifierActor.start(
                    parts.directory,
                    parts.clock,
                    settings.actors,
                    settings.webhooks,
                    parts.render_event,
                    parts.rng.random,
                    parts.metrics,
                ),
            ),
            self._actor(
                "reconciler",
                lambda: ReconcilerActor.start(
                    parts.slots, parts.directory, parts.clock, settings.actors, parts.metrics, parts.ids
                ),
            ),
            self._actor(
                "rates",
                lambda: RatesActor.start(
                    parts.directory, parts.clock, settings.actors, settings.rates, settings.currencies
                ),
            ),
            self._actor(
                "gauges",
                lambda: GaugesActor.start(
                    parts.directory,
                    parts.clock,
                    settings.actors,
                    parts.metrics,
                    parts.slots,
                    settings.ledger.path,
                    settings.monitoring.heartbeat_interval_s,
                    settings.rates,
                ),
            ),
        ]

    def _actor(
        self,
        name: str,
        start: Callable[[], ActorRef[Any]],
        never_restart_on: tuple[type[BaseException], ...] = (),
        more_stop_s: float = 0.0,
    ) -> ChildSpec:
        """A permanent worker with the configured bounds."""
        bounds = self.parts.settings.actors

        def bounded() -> ActorRef[Any]:
            ref = start()
            if name != "ledger":
                ref.actor_inbox.limit = bounds.inbox_max  # type: ignore[attr-defined]  # an AsyncioInbox
            return ref

        return ChildSpec(
            name=name,
            start=bounded,
            start_timeout_s=bounds.start_timeout_s,
            stop_timeout_s=bounds.stop_timeout_s + more_stop_s,
            never_restart_on=never_restart_on,
            ping_timeout_s=bounds.watchdog_timeout_s,
        )

    def _supervisor(
        self, name: str, children: Callable[[], list[ChildSpec]], strategy: Strategy
    ) -> ChildSpec:
        """A supervisor as a child; its own children are made at each of its starts."""
        return ChildSpec(name=name, start=lambda: self._start_supervisor(children(), strategy))

    def _start_supervisor(
        self,
        children: list[ChildSpec],
        strategy: Strategy,
        on_give_up: Callable[[BaseException], None] | None = None,
    ) -> ActorRef[Any]:
        """Start a supervisor with the configured limits."""
        bounds = self.parts.settings.actors
        return Supervisor.start(
            children,
            directory=self.parts.directory,
            clock=self.parts.clock,
            rng=self.parts.rng,
            strategy=strategy,
            limits=RestartLimits(
                intensity=bounds.intensity,
                window_s=bounds.period_s,
                failures_in_a_row=bounds.failures_in_row_max,
                backoff_base_s=bounds.backoff_base_s,
                backoff_max_s=bounds.backoff_max_s,
                jitter=bounds.backoff_jitter,
                reset_after_s=bounds.backoff_reset_s,
            ),
            ping_interval_s=bounds.watchdog_interval_s,
            on_give_up=on_give_up,
        )


def cause_of(error: BaseException) -> BaseException:
    """What made a supervisor give up: the first cause that is not a supervisor's own."""
    while isinstance(error, ActorError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def reason_of(error: BaseException) -> str:
    """What made a supervisor give up, in one line."""
    cause = cause_of(error)
    return f"{cause}" or type(cause).__name__
