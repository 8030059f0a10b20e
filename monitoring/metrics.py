"""The metrics of one process, in a registry of its own.

`Metrics` makes every metric of the catalogue. The rooms use the small bound groups (`currency`, `node`,
`actor`, …): they name no label twice and cost one dictionary look-up less in the hot paths.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from monitoring.catalogue import CATALOGUE, Spec

__all__ = ["ActorMetrics", "CurrencyMetrics", "Metrics", "NodeMetrics"]

Clock = Callable[[], float]
Group = TypeVar("Group")

DEPOSIT_STATES = ("seen", "confirming", "credited", "final", "orphaned", "reversed", "conflicted", "parked")
WITHDRAWAL_STATES = (
    "held", "approved", "signed", "broadcast", "confirmed", "final", "rejected", "cancelled", "failed",
)  # fmt: skip
CURRENCY_STATES = ("open", "paused", "draining", "behind", "stalled", "disagree", "down", "halted")
"""The states a series is made for from the start, so that a rate sees the first event."""


class Metrics:
    """Every metric of the catalogue, by name without `cashier_`."""

    def __init__(self, clock: Clock = time.time) -> None:
        """Make the metrics; `clock` gives unix seconds for the ages."""
        self.registry = CollectorRegistry()
        self._clock = clock
        self._all: dict[str, Any] = {}
        self._bound: dict[tuple[type, str], object] = {}
        self._children: dict[tuple[str, ...], Any] = {}
        self.counted_sequence: int | None = None
        """Sequence of the last event of the books that the counters have; None before the books are open."""
        for spec in CATALOGUE:
            self._all[spec.name.removeprefix("cashier_")] = _make(spec, self.registry)
        ProcessCollector(registry=self.registry)
        for name in ("webhook_outbox_age_seconds", "config_reload_age_seconds"):
            self.since(name, None)
        self["config_reload_ok"].set(1)

    def __getitem__(self, name: str) -> Any:
        """Give the prometheus metric by its name without `cashier_`; raises KeyError for an unknown one."""
        return self._all[name]

    def since(self, name: str, started_at: float | None, **labels: str) -> None:
        """Let an age count from `started_at` (unix seconds); None sets it to 0 for good."""
        child = self._all[name].labels(**labels) if labels else self._all[name]
        if started_at is None:
            child.set_function(lambda: 0.0)
        else:
            child.set_function(lambda: max(0.0, self._clock() - started_at))

    def currency(self, currency: str, decimals: int) -> "CurrencyMetrics":
        """Give the metrics of one currency; its series exist from now on."""
        return self._once(CurrencyMetrics, currency, lambda: CurrencyMetrics(self, currency, decimals))

    def node(self, node: str) -> "NodeMetrics":
        """Give the metrics of calls to one node, named like its currency."""
        return self._once(NodeMetrics, node, lambda: NodeMetrics(self, node))

    def actor(self, actor: str) -> "ActorMetrics":
        """Give the metrics of one actor, named like its address."""
        return self._once(ActorMetrics, actor, lambda: ActorMetrics(self, actor))

    def _once(self, kind: type[Group], name: str, make: Callable[[], Group]) -> Group:
        """Make a bound group the first time only."""
        group = self._bound.get((kind, name))
        if not isinstance(group, kind):
            group = self._bound[kind, name] = make()
        return group

    def _labelled(self, name: str, **labels: str) -> Any:
        """A metric with these labels; looked up once, since that costs more than counting."""
        key = (name, *labels.values())
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._all[name].labels(**labels)
        return child

    def http_request(self, route: str, status: int, seconds: float) -> None:
        """Count a request. `route` is the template (`/v1/deposits/{id}`), never the path."""
        self._labelled("http_requests_total", route=route, result=f"{status // 100}xx").inc()
        self._labelled("http_request_seconds", route=route).observe(seconds)

    def ledger_batch(self, messages: int, seconds: float, *, is_committed: bool) -> None:
        """Count one database transaction of the ledger."""
        result = "committed" if is_committed else "failed"
        self._all["ledger_transactions_total"].labels(result=result).inc()
        self._all["ledger_commit_seconds"].observe(seconds)
        self._all["ledger_batch_messages"].observe(messages)

    def ledger_command(self, message: str, result: str) -> None:
        """Count one command by its kind and result (`done`, `replayed`, `refused`)."""
        self._labelled("ledger_commands_total", message=message, result=result).inc()

    def webhook_delivery(self, result: str) -> None:
        """Count one attempt to deliver an event (`accepted`, `refused`, `unreachable`)."""
        self._all["webhook_deliveries_total"].labels(result=result).inc()

    def webhook_outbox(self, waiting: int, oldest_at: float | None, dead: int) -> None:
        """Note how many events wait, since when (unix seconds) the oldest, and how many were given up."""
        self._all["webhook_outbox_events"].set(waiting)
        self.since("webhook_outbox_age_seconds", oldest_at)
        self._all["webhook_dead_events"].set(dead)

    def config_read(self, *, is_ok: bool) -> None:
        """Note that the configuration was read, and whether it is in force."""
        self._all["config_reload_ok"].set(1 if is_ok else 0)
        self.since("config_reload_age_seconds", self._clock())

    def forget(self, currency: str) -> None:
        """Take away every series of a currency and of its node that is no longer run."""
        for spec in CATALOGUE:
            for label in ("currency", "node"):
                if label in spec.labels:
                    self._all[spec.name.removeprefix("cashier_")].remove_by_labels({label: currency})
        for kind in (CurrencyMetrics, NodeMetrics):
            self._bound.pop((kind, currency), None)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Write all metrics in the form the scraper accepts; gives the body and its content type."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self.registry), content_type


def _make(spec: Spec, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    """Make one prometheus metric."""
    if spec.kind == "counter":
        return Counter(spec.name, spec.text, spec.labels, registry=registry)
    if spec.kind == "histogram":
        return Histogram(spec.name, spec.text, spec.labels, registry=registry, buckets=spec.buckets)
    return Gauge(spec.name, spec.text, spec.labels, registry=registry)


class CurrencyMetrics:
    """What is told about one currency. Amounts come in base units."""

    def __init__(self, metrics: Metrics, currency: str, decimals: int) -> None:
        """Make all series of the currency."""
        self._metrics = metrics
        self._currency = currency
        self._scale: int = 10**decimals
        bind = self._bind
        self._height = bind("node_height_blocks")
        self._lag = bind("node_lag_blocks")
        self._processed = bind("blocks_processed_total")
        self._disconnected = bind("blocks_disconnected_total")
        self._credit = bind("deposit_credit_seconds")
        self._deposits = self._states("deposits", DEPOSIT_STATES)
        self._withdrawals = self._states("withdrawals", WITHDRAWAL_STATES)
        self._state = {state: bind("currency_state", state=state) for state in CURRENCY_STATES}
        self._fees = bind("network_fees_units_total")
        self.oldest_withdrawals(None, None)

    def _bind(self, name: str, **labels: str) -> Any:
        return self._metrics[name].labels(currency=self._currency, **labels)

    def _states(self, noun: str, states: Iterable[str]) -> dict[str, tuple[Any, Any]]:
        """Make the pairs of count and amount for each state."""
        return {
            state: (
                self._bind(f"{noun}_total", state=state),
                self._bind(f"{noun}_amount_units_total", state=state),
            )
            for state in states
        }

    def tip(self, height: int, lag_blocks: int, block_at: float) -> None:
        """Note the node's tip, how far the books are behind, and when the block was made (unix seconds)."""
        self._height.set(height)
        self._lag.set(lag_blocks)
        self._metrics.since("node_tip_age_seconds", block_at, currency=self._currency)

    def state(self, state: str) -> None:
        """Note the one state the currency is in; raises KeyError for an unknown one."""
        known = self._state[state]
        for gauge in self._state.values():
            gauge.set(1 if gauge is known else 0)

    def node_up(self, node: str, *, is_up: bool) -> None:
        """Note whether one of the currency's nodes answers: `node`, or `witness` for the second one."""
        self._bind("node_up", node=node).set(1 if is_up else 0)

    def blocks(self, processed: int, disconnected: int) -> None:
        """Count blocks taken into and out of the books."""
        self._processed.inc(processed)
        self._disconnected.inc(disconnected)

    def deposit(self, state: str, amount: int) -> None:
        """Count a deposit that entered a state; raises KeyError for an unknown one."""
        count, units = self._deposits[state]
        count.inc()
        units.inc(amount / self._scale)

    def credited_after(self, seconds: float) -> None:
        """Note the time from the node's N-th block to a credit."""
        self._credit.observe(seconds)

    def withdrawal(self, state: str, amount: int) -> None:
        """Count a withdrawal that entered a state; raises KeyError for an unknown one."""
        count, units = self._withdrawals[state]
        count.inc()
        units.inc(amount / self._scale)

    def oldest_withdrawals(self, unsigned_at: float | None, unconfirmed_at: float | None) -> None:
        """Note since when (unix seconds) the oldest withdrawals wait; None: there is none."""
        since = self._metrics.since
        since("withdrawal_oldest_unsigned_seconds", unsigned_at, currency=self._currency)
        since("withdrawal_oldest_unconfirmed_seconds", unconfirmed_at, currency=self._currency)

    def open_work(self, attention: int, cases: int) -> None:
        """Note how many withdrawals and cases wait for an operator.

        Nothing is told before: a 0 after each start would make what is open look like new.
        """
        self._bind("withdrawals_attention").set(attention)
        self._bind("cases_open").set(cases)

    def hot(self, amount: int, float_s: float) -> None:
        """Note the spendable money of the hot wallet and how long it lasts (infinity: nothing leaves)."""
        self._bind("hot_balance_units").set(amount / self._scale)
        self._bind("hot_float_seconds").set(float_s)

    def hot_bounds(self, missing: int, excess: int) -> None:
        """Note what the hot wallet lacks below its floor, and what it has too much above its ceiling."""
        self._bind("hot_missing_units").set(missing / self._scale)
        self._bind("hot_excess_units").set(excess / self._scale)

    def network_fee(self, amount: int) -> None:
        """Add a fee paid to the network."""
        self._fees.inc(amount / self._scale)

    def signature(self, result: str) -> None:
        """Count an answer of the signer (`signed`, `refused`, `failed`)."""
        self._bind("signatures_total", result=result).inc()

    def rate(self, quoted_at: float | None, *, is_usable: bool) -> None:
        """Note the time of the last good rate (unix seconds), and whether it still gives values."""
        self._metrics.since("rate_age_seconds", quoted_at, currency=self._currency)
        self._bind("rate_usable").set(1 if is_usable else 0)

    def reconciled(self, difference: int, finished_at: float, *, is_ok: bool) -> None:
        """Note a finished reconciliation: chain less books, when (unix seconds), and its verdict.

        Books that do not add up differ from no chain, and are not ok.
        """
        self._bind("reconciliation_difference_units").set(difference / self._scale)
        self._bind("reconciliation_ok").set(1 if is_ok else 0)
        self._metrics.since("reconciliation_age_seconds", finished_at, currency=self._currency)


class NodeMetrics:
    """What is told about the calls to one node."""

    def __init__(self, metrics: Metrics, node: str) -> None:
        """Bind the node's name."""
        self._metrics = metrics
        self._node = node
        self._seconds: dict[str, Any] = {}

    def called(self, method: str, seconds: float) -> None:
        """Note a call's duration; `method` is one of ours, never text of the node."""
        child = self._seconds.get(method)
        if child is None:
            child = self._metrics["node_rpc_seconds"].labels(node=self._node, message=method)
            self._seconds[method] = child
        child.observe(seconds)

    def failed(self, result: str) -> None:
        """Count a failed call by kind (`unreachable`, `timeout`, `refused`, `invalid`, …)."""
        self._metrics["node_rpc_errors_total"].labels(node=self._node, result=result).inc()


class ActorMetrics:
    """What is told about one actor."""

    def __init__(self, metrics: Metrics, actor: str) -> None:
        """Make the actor's series."""
        self._metrics = metrics
        self._actor = actor
        self._inbox = metrics["actor_inbox_messages"].labels(actor=actor)
        self._restarts = metrics["actor_restarts_total"].labels(actor=actor)
        self._up = metrics["actor_up"].labels(actor=actor)
        self._seconds: dict[str, Any] = {}

    def inbox(self, depth: int) -> None:
        """Note how many messages wait."""
        self._inbox.set(depth)

    def inbox_from(self, depth: Callable[[], int]) -> None:
        """Let the depth be asked at each scrape instead of being noted."""
        self._inbox.set_function(lambda: float(depth()))

    def handled(self, message: str, seconds: float) -> None:
        """Note how long the actor worked on a message of this class."""
        child = self._seconds.get(message)
        if child is None:
            child = self._metrics["actor_handling_seconds"].labels(actor=self._actor, message=message)
            self._seconds[message] = child
        child.observe(seconds)

    def up(self, *, is_up: bool) -> None:
        """Note whether the actor takes messages."""
        self._up.set(1 if is_up else 0)

    def restarted(self) -> None:
        """Count a restart."""
        self._restarts.inc()
