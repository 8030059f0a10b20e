"""A block costs what is due at it: every question of a block goes by an index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import deposit_row, withdrawal_row
from ledger.consolidation import SMALLEST_SPENDABLE
from ledger.maturity import BROUGHT, MATURING
from ledger.settle import DUE_CREDITS, DUE_DEPOSITS, DUE_SWEEPS, DUE_WITHDRAWALS
from ledger.work import LARGEST_SPENDABLE, OLDEST_SPENDABLE
from tests.ledger.till import Till

QUESTIONS = {
    "due deposits": f"SELECT {deposit_row.COLUMNS} FROM {deposit_row.SOURCE} WHERE {DUE_DEPOSITS}",
    "due credits": f"SELECT {deposit_row.COLUMNS} FROM {deposit_row.SOURCE} WHERE {DUE_CREDITS}",
    "credits that are not final": MATURING,
    "what a block brought": BROUGHT,
    "deposits of a block": f"SELECT {deposit_row.COLUMNS} FROM {deposit_row.SOURCE}"
    " WHERE d.chain = ? AND d.block_hash = ? ORDER BY d.ordinal DESC",
    "a receipt": f"SELECT {deposit_row.COLUMNS} FROM {deposit_row.SOURCE}"
    " WHERE d.chain = ? AND d.currency = ? AND d.txid = ? AND d.position = ?",
    "due withdrawals": f"SELECT {withdrawal_row.COLUMNS} FROM withdrawal w WHERE {DUE_WITHDRAWALS}",
    "due sweeps": DUE_SWEEPS,
    "an own script": "SELECT sequence FROM own_script WHERE chain = ? AND script = ?",
    "the newest script": "SELECT max(sequence) FROM own_script WHERE chain = ?",
    "the tip": "SELECT max(height) FROM block WHERE chain = ?",
    "the largest outputs": LARGEST_SPENDABLE,
    "the oldest outputs": OLDEST_SPENDABLE,
    "the smallest outputs": SMALLEST_SPENDABLE,
    "movements of a block": "SELECT DISTINCT journal_id FROM chain_movement WHERE chain = ?"
    " AND block_hash = ? AND is_disconnected = 0 AND journal_id IS NOT NULL ORDER BY journal_id DESC",
    "attempts that want an output": "SELECT n.attempt_id FROM attempt_input n WHERE n.chain = ?"
    " AND n.txid = ? AND n.output_index = ?",
    "outputs of a block": "DELETE FROM utxo WHERE chain = ? AND block_hash = ?",
    "spends of a block": "UPDATE utxo SET spent_by = NULL WHERE chain = ? AND spent_hash = ?",
    "reserved by an attempt": "UPDATE utxo SET reserved_by = NULL WHERE reserved_by = ?",
}


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_of_a_block_reads_a_whole_table(till: Till, question: str) -> None:
    sql = QUESTIONS[question]
    plan = till.rows(f"EXPLAIN QUERY PLAN {sql}", *[1] * sql.count("?"))
    assert plan
    for *_, detail in plan:
        assert not detail.startswith("SCAN"), f"{question}: {detail}"
        assert "outputs" not in question or "TEMP B-TREE" not in detail, f"{question}: {detail}"


def test_old_deposits_do_not_make_a_block_dearer(till: Till) -> None:
    """Steps of SQLite's virtual machine are counted, not seconds."""

    def steps_of_an_empty_block() -> int:
        count = 0

        def tick() -> int:
            nonlocal count
            count += 1
            return 0

        database = till.store._db
        assert database is not None
        database.set_progress_handler(tick, 10)
        till.mine()
        database.set_progress_handler(None, 0)
        return count

    till.mine(7)
    before = steps_of_an_empty_block()
    till.chain.pay(*[(till.address(f"c{n}"), 5_000) for n in range(300)])
    till.mine(7)
    assert steps_of_an_empty_block() <= before + 5
