"""A webhook as operators see it; given again by ``ledger.views``. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One event on its way to the website. ``state`` is ``pending``, ``delivered`` or ``dead`` (given up).

    ``id`` is the event's, which is its ``webhook-id``. ``attempts`` were made, the last one answered with
    ``last_status`` (None: no answer); the next one is due at ``next_at``, None when there will be none.
    """

    id: str
    sequence: int
    type: str
    state: str
    attempts: int
    next_at: int | None
    last_status: int | None
    last_detail: str
    occurred_at: int
