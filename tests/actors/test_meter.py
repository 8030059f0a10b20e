"""Measuring is optional."""

from __future__ import annotations

from actors.meter import NoObserver


def test_without_an_observer_nothing_is_measured_and_nothing_fails() -> None:
    observer = NoObserver()
    meter = observer.meter("ledger")
    assert meter is observer.meter("gateway")
    meter.handled(0.1)
    meter.waiting(3)
    meter.restarted()
    meter.dead_letter()
