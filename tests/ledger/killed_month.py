"""Run in a process that is killed: a sheet is imported, chain and books are compared, the month is closed,
and a copy is made. Run again it goes on where it was, with the same commands.

``python -m tests.ledger.killed_month FOLDER``
"""

from __future__ import annotations

import sys
from pathlib import Path

from coins.types import Block, BlockRef, ChainDelta, Holdings, Location
from ledger.adjustment_command import ImportAdjustments, ImportRow, RequestAdjustment, ReverseAdjustment
from ledger.backup import back_up
from ledger.commands import ApplyChainDelta, Command
from ledger.connection import connect
from ledger.month import end_of
from ledger.operator_access import CreateOperator
from ledger.period_command import GetClosing, RecordPeriod
from ledger.period_view import PeriodsClosed
from ledger.reader_period import get_closing
from ledger.reconciliation_command import RecordReconciliation
from ledger.request import Idempotency
from ledger.snapshot import Snapshot
from tests.ledger.books import ANCHOR, NOW, open_store

MONTH, SALT, ANN = "2023-11", bytes(range(32)), "operator:op_ann"
ON_CHAIN = {"BTC": {Location.HOT: 3_000}}
KILLED_AT = (
    ImportAdjustments,
    RequestAdjustment,
    ReverseAdjustment,
    ApplyChainDelta,
    RecordReconciliation,
    RecordPeriod,
)


def blocks() -> tuple[Block, ...]:
    """The month's last block and seven of the next month."""
    refs, below = [], ANCHOR
    for number in range(8):
        time = end_of(MONTH) - 1 if number == 0 else end_of(MONTH) + number
        below = BlockRef(101 + number, f"{number + 1:02x}" * 32, below.block_hash, time)
        refs.append(below)
    return tuple(Block(ref, ()) for ref in refs)


def commands() -> list[Command[object]]:
    """All before the closing."""
    sheet = tuple(
        ImportRow(2 + n, "alice", f"client-{n}", "BTC", 1 + n, f"b-{n}", "bonus") for n in range(20)
    )
    tip = blocks()[-1].ref
    return [
        CreateOperator("op_ann", "ann", "hash", "salt", ("admin",), "test"),
        ImportAdjustments("imp_1", sheet, (), False, ANN, Idempotency(ANN, "import", "h")),
        RequestAdjustment(
            "adj_1", "alice", "house", "BTC", 40, "a fee", ANN, Idempotency(ANN, "request", "h"), "e-1"
        ),
        ReverseAdjustment("adj_2", "adj_1", "a mistake", ANN, Idempotency(ANN, "reverse", "h")),
        ApplyChainDelta(ChainDelta("BTC", (), blocks(), 1)),
        RecordReconciliation("rec_1", "BTC", Holdings(tip, ON_CHAIN)),
    ]


def main(folder: Path) -> None:
    """Each command in a commit of its own; what was answered is written down."""
    store = open_store(folder)
    for command in commands():
        result = store.apply_batch([command], NOW)[0]
        name = type(command).__name__
        if result.error is not None and not isinstance(command, CreateOperator):
            raise result.error
        print(name, flush=True)
    db = connect(store.path, read_only=True)
    closing = get_closing(Snapshot(db, NOW), GetClosing("BTC", MONTH, SALT))
    db.close()
    if not isinstance(closing, PeriodsClosed):
        command = RecordPeriod(closing, Holdings(blocks()[0].ref, ON_CHAIN), SALT, ANN)
        store.apply_batch([command], NOW)[0].unwrap()
    print("RecordPeriod", flush=True)
    store.close()
    back_up(store.path, folder / "copy.sqlite", lambda *_: None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
