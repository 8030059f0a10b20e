"""From the ledger's hint to the streams it concerns: one reading of the new events for all of them.

Without it every hint would make every open stream read; so only those of the clients an event is about do.
"""

from __future__ import annotations

import logging

from actors.errors import DeliveryError
from actors.messages import ListEvents
from gateway.context import Gateway

_LOG = logging.getLogger("gateway")
PAGE = 500
"""Events read at once."""


async def dispatch(gateway: Gateway) -> None:
    """Run until cancelled: wait for a hint, read what is new, ring the bells it concerns."""
    hub = gateway.hub
    known: int | None = None
    while True:
        latest = await hub.hinted()
        if known is None or not len(hub):
            # Nobody listens, or it is the first hint: what came before is read by the streams themselves.
            hub.ring_all()
            known = latest
            continue
        try:
            known = await _ring_for_new(gateway, known)
        except DeliveryError:
            hub.ring_all()  # the reader does not answer: each stream finds out for itself
        except Exception:  # noqa: BLE001  one bad reading must not silence all streams
            _LOG.exception("reading events for the streams failed")
            hub.ring_all()


async def _ring_for_new(gateway: Gateway, known: int) -> int:
    """Ring for every event after ``known``; gives the last one's sequence."""
    while True:
        events = await gateway.ask("ledger_reader", ListEvents(known, PAGE), "req_dispatch")
        for client_id in {view.client_id for view in events}:
            gateway.hub.ring(client_id)
        if events:
            known = events[-1].sequence
        if len(events) < PAGE:
            return known
