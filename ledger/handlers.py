"""The table of all handlers, put together from the modules that own them.

A new module is one import and one line of ``_MODULES``.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from ledger import (
    adjustment_book,
    adjustment_import,
    candidate,
    casework,
    chain_delta,
    cold,
    consolidation,
    currency,
    difference_case,
    held_credit,
    house,
    key,
    lane,
    mempool,
    node_doubt,
    operator,
    operator_session,
    outbox,
    payout,
    period,
    rate,
    reconciliation,
    script,
    session,
    stop,
    sweep_work,
    transfer,
    work,
)
from ledger.context import Tx

Handler = Callable[[Tx, Any], Any]

_MODULES: tuple[ModuleType, ...] = (
    adjustment_book,
    adjustment_import,
    candidate,
    casework,
    chain_delta,
    cold,
    consolidation,
    currency,
    difference_case,
    held_credit,
    house,
    key,
    lane,
    mempool,
    node_doubt,
    operator,
    operator_session,
    outbox,
    payout,
    period,
    rate,
    reconciliation,
    script,
    session,
    stop,
    sweep_work,
    transfer,
    work,
)


def _assemble() -> dict[type[Any], Handler]:
    """One table of the modules' own; two owners of one command are a mistake in the program."""
    table: dict[type[Any], Handler] = {}
    for module in _MODULES:
        for command, handler in module.HANDLERS.items():
            if command in table:
                raise TypeError(f"{command.__name__} has two handlers")
            table[command] = handler
    return table


HANDLERS: dict[type[Any], Handler] = _assemble()
