"""Metrics: what is there, under which names, and what the bound groups count."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitoring.catalogue import ALLOWED_LABELS, CATALOGUE
from monitoring.metrics import CURRENCY_STATES, Metrics

README = Path(__file__).parents[2] / "monitoring" / "README.md"


class Clock:
    """Unix seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(clock: Clock) -> Metrics:
    return Metrics(clock)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_names_and_labels_follow_the_rules() -> None:
    names = [spec.name for spec in CATALOGUE]
    assert len(names) == len(set(names))
    for spec in CATALOGUE:
        assert re.fullmatch(r"cashier_[a-z]+(_[a-z]+)+", spec.name)
        assert (spec.kind == "counter") == spec.name.endswith("_total")
        assert set(spec.labels) <= ALLOWED_LABELS
        assert spec.text.endswith(".")
        assert (spec.kind == "histogram") == bool(spec.buckets)


def test_readme_lists_exactly_the_catalogue() -> None:
    rows = re.findall(
        r"^\| `(cashier_\w+)` \| (\w+) \| ([^|]*) \| (.*) \|$", README.read_text(), re.MULTILINE
    )
    assert rows == [(s.name, s.kind, ", ".join(f"`{x}`" for x in s.labels) or "–", s.text) for s in CATALOGUE]


@pytest.mark.parametrize("accept", ["", "text/plain", "application/openmetrics-text; version=1.0.0"])
def test_every_metric_is_rendered_and_parses(metrics: Metrics, accept: str) -> None:
    metrics.currency("BTC", 8).state("open")
    body, content_type = metrics.render(accept)
    assert ("openmetrics" in content_type) == ("openmetrics" in accept)
    for spec in CATALOGUE:
        assert f"# HELP {spec.name.removesuffix('_total')}".encode() in body
    if "openmetrics" not in accept:
        assert list(text_string_to_metric_families(body.decode()))


def test_series_exist_before_the_first_event(metrics: Metrics) -> None:
    metrics.currency("BTC", 8)
    assert value(metrics, "cashier_deposits_total", currency="BTC", state="reversed") == 0
    assert value(metrics, "cashier_withdrawals_total", currency="BTC", state="failed") == 0
    assert value(metrics, "cashier_withdrawal_oldest_unsigned_seconds", currency="BTC") == 0


def test_deposits_and_withdrawals_are_counted_with_their_amounts(metrics: Metrics) -> None:
    coin = metrics.currency("ETH", 18)
    coin.deposit("credited", 15 * 10**17)
    coin.deposit("credited", 5 * 10**17)
    coin.withdrawal("broadcast", 10**18)
    assert value(metrics, "cashier_deposits_total", currency="ETH", state="credited") == 2
    assert value(metrics, "cashier_deposits_amount_units_total", currency="ETH", state="credited") == 2
    assert value(metrics, "cashier_withdrawals_amount_units_total", currency="ETH", state="broadcast") == 1
    with pytest.raises(KeyError):
        coin.deposit("pending", 1)
    with pytest.raises(KeyError):
        coin.withdrawal("0x1234", 1)


def test_currency_is_in_one_state(metrics: Metrics) -> None:
    coin = metrics.currency("BTC", 8)
    coin.state("open")
    coin.state("down")
    states = {s: value(metrics, "cashier_currency_state", currency="BTC", state=s) for s in CURRENCY_STATES}
    assert states == {s: float(s == "down") for s in CURRENCY_STATES}
    with pytest.raises(KeyError):
        coin.state("odd")
    assert value(metrics, "cashier_currency_state", currency="BTC", state="down") == 1


def test_ages_grow_without_being_set_again(metrics: Metrics, clock: Clock) -> None:
    coin = metrics.currency("BTC", 8)
    coin.tip(height=800, lag_blocks=2, block_at=900.0)
    coin.oldest_withdrawals(950.0, None)
    coin.reconciled(-3, 1_000.0, is_ok=False)
    clock.now = 1_060.0
    assert value(metrics, "cashier_node_tip_age_seconds", currency="BTC") == 160
    assert value(metrics, "cashier_withdrawal_oldest_unsigned_seconds", currency="BTC") == 110
    assert value(metrics, "cashier_withdrawal_oldest_unconfirmed_seconds", currency="BTC") == 0
    assert value(metrics, "cashier_reconciliation_age_seconds", currency="BTC") == 60
    assert value(metrics, "cashier_reconciliation_ok", currency="BTC") == 0
    assert value(metrics, "cashier_reconciliation_difference_units", currency="BTC") == pytest.approx(-3e-8)
    coin.oldest_withdrawals(None, None)
    assert value(metrics, "cashier_withdrawal_oldest_unsigned_seconds", currency="BTC") == 0


def test_what_was_not_looked_at_yet_is_not_told(metrics: Metrics) -> None:
    """A 0 at each start would make an open case look like a new one, an hour later."""
    coin = metrics.currency("BTC", 8)
    looked_at = ("withdrawals_attention", "cases_open", "hot_balance_units", "hot_float_seconds",
                 "hot_missing_units", "hot_excess_units", "reconciliation_ok")  # fmt: skip
    assert {value(metrics, f"cashier_{name}", currency="BTC") for name in looked_at} == {None}
    coin.open_work(0, 2)
    assert value(metrics, "cashier_cases_open", currency="BTC") == 2


def test_block_time_ahead_of_our_clock_is_age_zero(metrics: Metrics) -> None:
    metrics.currency("BTC", 8).tip(1, 0, block_at=2_000.0)
    assert value(metrics, "cashier_node_tip_age_seconds", currency="BTC") == 0


def test_actor_node_ledger_and_http(metrics: Metrics) -> None:
    actor = metrics.actor("watcher:BTC")
    actor.handled("Tick", 0.01)
    actor.restarted()
    actor.up(is_up=True)
    actor.inbox(3)
    assert metrics.actor("watcher:BTC") is actor
    waiting = [1, 2]
    metrics.actor("ledger").inbox_from(lambda: len(waiting))
    waiting.append(3)
    node = metrics.node("BTC")
    node.called("getblock", 0.2)
    node.failed("timeout")
    metrics.ledger_batch(4, 0.001, is_committed=True)
    metrics.ledger_command("ApplyChainDelta", "done")
    metrics.http_request("/v1/deposits/{id}", 204, 0.01)
    metrics.config_read(is_ok=False)
    assert value(metrics, "cashier_actor_restarts_total", actor="watcher:BTC") == 1
    assert value(metrics, "cashier_actor_inbox_messages", actor="watcher:BTC") == 3
    assert value(metrics, "cashier_actor_inbox_messages", actor="ledger") == 3
    assert value(metrics, "cashier_actor_handling_seconds_count", actor="watcher:BTC", message="Tick") == 1
    assert value(metrics, "cashier_node_rpc_seconds_count", node="BTC", message="getblock") == 1
    assert value(metrics, "cashier_node_rpc_errors_total", node="BTC", result="timeout") == 1
    assert value(metrics, "cashier_ledger_transactions_total", result="committed") == 1
    assert value(metrics, "cashier_ledger_batch_messages_sum") == 4
    assert value(metrics, "cashier_http_requests_total", route="/v1/deposits/{id}", result="2xx") == 1
    assert value(metrics, "cashier_config_reload_ok") == 0


def test_disabled_currency_leaves_no_series(metrics: Metrics) -> None:
    for name in ("BTC", "LTC"):
        metrics.currency(name, 8).deposit("seen", 1)
        metrics.node(name).failed("timeout")
    metrics.forget("BTC")
    text = metrics.render()[0].decode()
    assert "BTC" not in text
    assert 'currency="LTC"' in text
    metrics.currency("BTC", 8).deposit("seen", 1)
    assert value(metrics, "cashier_deposits_total", currency="BTC", state="seen") == 1
