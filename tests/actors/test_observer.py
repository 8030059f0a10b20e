"""What the runtime measures arrives in the metrics, by actor name."""

from __future__ import annotations

from actors.observer import MetricsObserver
from monitoring.metrics import Metrics


def test_each_measurement_is_a_series_of_its_actor() -> None:
    metrics = Metrics()
    meter = MetricsObserver(metrics).meter("watcher:BTC")
    meter.handled(0.002)
    meter.handled(0.002)
    meter.waiting(3)
    meter.restarted()
    meter.dead_letter()
    value = metrics.registry.get_sample_value
    labels = {"actor": "watcher:BTC"}
    assert value("cashier_actor_handling_seconds_count", {**labels, "message": "any"}) == 2
    assert value("cashier_actor_inbox_messages", labels) == 3
    assert value("cashier_actor_restarts_total", labels) == 1
    assert value("cashier_actor_dead_letters_total", labels) == 1
