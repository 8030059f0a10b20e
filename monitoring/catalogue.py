"""Every metric there is: name, kind, labels, meaning. The README's table and the dashboards are checked
against this list.

Labels are few and of bounded values: never a client, an address or a txid. Amounts are in whole units
of the currency and, being floating point, only good for graphs: the books are exact, this is not.
"""

from dataclasses import dataclass
from typing import Literal

__all__ = ["ALLOWED_LABELS", "CATALOGUE", "Kind", "Spec"]

Kind = Literal["counter", "gauge", "histogram", "age"]
"""`age` is a gauge in seconds that grows by itself between two settings."""

ALLOWED_LABELS = frozenset({"currency", "state", "actor", "message", "route", "node", "result"})

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


@dataclass(frozen=True, slots=True)
class Spec:
    """One metric. `name` is what Prometheus shows; a counter's ends in `_total`."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    text: str
    buckets: tuple[float, ...] = ()


def _c(name: str, labels: str, text: str) -> Spec:
    return Spec(f"cashier_{name}_total", "counter", tuple(labels.split()), text)


def _g(name: str, labels: str, text: str) -> Spec:
    return Spec(f"cashier_{name}", "gauge", tuple(labels.split()), text)


def _age(name: str, labels: str, text: str) -> Spec:
    return Spec(f"cashier_{name}_seconds", "age", tuple(labels.split()), text)


def _h(name: str, labels: str, text: str, buckets: tuple[float, ...]) -> Spec:
    return Spec(f"cashier_{name}", "histogram", tuple(labels.split()), text, buckets)


CATALOGUE: tuple[Spec, ...] = (
    # The nodes and the chain.
    _g("node_height_blocks", "currency", "Height of the node's tip."),
    _age("node_tip_age", "currency", "Time since the node's newest block was made."),
    _g("node_lag_blocks", "currency", "Blocks between the node's tip and the last block in the books."),
    _h("node_rpc_seconds", "node message", "Duration of a call to a node, by method.", _FAST),
    _c("node_rpc_errors", "node result", "Failed calls to a node, by kind of failure."),
    _g("node_up", "currency node", "1 while the node (node) or the second node (witness) answers, else 0."),
    _g("currency_state", "currency state", "1 for the state a currency is in, 0 for the others."),
    _c("blocks_processed", "currency", "Blocks taken into the books."),
    _c("blocks_disconnected", "currency", "Blocks taken out of the books by a reorganisation."),
    # Money.
    _c("deposits", "currency state", "Deposits that entered a state."),
    _c("deposits_amount_units", "currency state", "Amount of the deposits that entered a state."),
    _h("deposit_credit_seconds", "currency", "Time from the node's N-th block to the credit.", _SLOW),
    _c("withdrawals", "currency state", "Withdrawals that entered a state."),
    _c("withdrawals_amount_units", "currency state", "Amount of the withdrawals that entered a state."),
    _age(
        "withdrawal_oldest_unsigned", "currency", "Age of the oldest withdrawal without a signature; 0: none."
    ),
    _age(
        "withdrawal_oldest_unconfirmed",
        "currency",
        "Age of the oldest sent withdrawal not yet deep; 0: none.",
    ),
    _g("payouts_stopped", "", "1 while an operator has stopped all payouts, else 0."),
    _g("withdrawals_attention", "currency", "Withdrawals that need an operator's eye."),
    _g("cases_open", "currency", "Open cases: money nobody was credited for."),
    _g("hot_balance_units", "currency", "Spendable money of the hot wallet."),
    _g("hot_float_seconds", "currency", "How long the hot wallet lasts at the pace of the last week."),
    _g("hot_missing_units", "currency", "What a hot wallet below its floor lacks; 0: it is not."),
    _g("hot_excess_units", "currency", "What a hot wallet above its ceiling has too much; 0: it is not."),
    _c("network_fees_units", "currency", "Fees paid to the network."),
    _c("signatures", "currency result", "Answers of the signer: signed, refused or failed."),
    # Reconciliation.
    _g("reconciliation_difference_units", "currency", "Chain less books at the last reconciliation."),
    _g("reconciliation_ok", "currency", "1 when the last reconciliation agreed to the last unit, else 0."),
    _age("reconciliation_age", "currency", "Time since the last finished reconciliation."),
    _age("rate_age", "currency", "Age of the last good rate; 0: there was none."),
    _g("rate_usable", "currency", "1 while what is booked has a value by the last good rate, else 0."),
    # The ledger.
    _c("ledger_transactions", "result", "Database transactions: committed or failed."),
    _c("ledger_commands", "message result", "Commands by kind: done, replayed or refused."),
    _h("ledger_commit_seconds", "", "Duration of a database transaction, commit included.", _FAST),
    _h("ledger_batch_messages", "", "Commands committed together.", _SIZES),
    _g("ledger_wal_bytes", "", "Size of the write-ahead log."),
    # The actors.
    _g("actor_inbox_messages", "actor", "Messages that wait for an actor."),
    _h("actor_handling_seconds", "actor message", "Time an actor worked on a message.", _FAST),
    _c("actor_restarts", "actor", "Restarts of an actor."),
    _c("actor_dead_letters", "actor", "Hints to an actor that were lost; found again from the books."),
    _g("actor_up", "actor", "1 while an actor takes messages, else 0."),
    _g("event_loop_lag_seconds", "", "How late the event loop was at its last sign of life."),
    # Webhooks.
    _g("webhook_outbox_events", "", "Events not yet delivered to the website."),
    _age("webhook_outbox_age", "", "Age of the oldest event not yet delivered; 0: none."),
    _c("webhook_deliveries", "result", "Attempts to deliver an event: accepted, refused or unreachable."),
    _g("webhook_dead_events", "", "Events given up after the last attempt."),
    # The gateway.
    _c("http_requests", "route result", "Requests by route and class of status, like 2xx."),
    _h("http_request_seconds", "route", "Duration of a request.", _FAST),
    _g("http_streams_open", "", "Event streams open."),
    # The process.
    _g("config_reload_ok", "", "1 when the last configuration that was read is in force, else 0."),
    _age("config_reload_age", "", "Time since the configuration was last read."),
)
