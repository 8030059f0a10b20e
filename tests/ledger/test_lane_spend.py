"""A payout of outputs that is not mined: a further candidate, one payment whichever is mined."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coins.codec import decode_plan
from coins.types import AttemptPlan, StuckWork
from ledger.commands import GetStuckWork, GetUnsettledAttempts, ReserveAttempt
from ledger.errors import IllegalTransitionError
from tests.fakes.chain import FakeTx
from tests.fakes.coin import bump_payment
from tests.ledger.till import Till

AFTER_S = 600


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path)
    made.batch_max = 50
    made.deposit("alice", 100_000)
    made.deposit("bob", 80_000, blocks=6)
    for client in ("alice", "bob", "alice"):
        made.open(client, 10_000)
    made.pay_all()
    yield made
    made.check()
    made.close()


def stuck(till: Till) -> tuple[StuckWork, ...]:
    found: tuple[StuckWork, ...] = till.do(GetStuckWork("BTC", AFTER_S, ("payout",)))
    return found


def bump(till: Till) -> None:
    till.now_s += AFTER_S
    (work,) = stuck(till)
    till.do(ReserveAttempt(f"at_{till.number()}", bump_payment(work)))
    till.resume()


def first_plan(till: Till) -> AttemptPlan:
    return decode_plan(till.rows("SELECT plan FROM attempt ORDER BY rowid LIMIT 1")[0][0])


def seen(till: Till) -> list[tuple[str, str]]:
    return till.rows("SELECT status, txid FROM withdrawal ORDER BY ordinal")


def test_w07_a_batch_that_is_not_mined_gets_a_further_candidate_with_the_same_payees(till: Till) -> None:
    assert stuck(till) == ()
    till.now_s += AFTER_S
    (work,) = stuck(till)
    assert len(work.plan.more) == 2
    assert work.utxos
    assert work.change is not None
    bump(till)
    assert stuck(till) == ()
    assert till.attempts() == ["broadcast"] * 2
    (newest,) = till.rows("SELECT txid, fee FROM attempt ORDER BY rowid DESC LIMIT 1")
    assert seen(till) == [("broadcast", newest[0])] * 3
    assert list(till.chain.mempool) == [newest[0]]
    assert [attempt.signed.txid for attempt in till.do(GetUnsettledAttempts("BTC"))] == [newest[0]]
    till.mine(6)
    assert seen(till) == [("final", newest[0])] * 3
    assert till.attempts() == ["replaced", "mined"]
    assert till.balance("network_fee:BTC") == int(newest[1])


def test_w08_the_original_mined_after_the_bump_is_the_payment(till: Till) -> None:
    ((txid, fee, raw),) = till.rows("SELECT txid, fee, raw FROM attempt")
    bump(till)
    till.mine(1, [FakeTx.decode(raw)])
    assert seen(till) == [("broadcast", txid)] * 3
    assert till.do(GetUnsettledAttempts("BTC")) == ()
    late = bump_payment(StuckWork(first_plan(till)))
    with pytest.raises(IllegalTransitionError, match="in a block"):
        till.do(ReserveAttempt("at_late", late))
    till.chain.mempool.clear()
    till.mine(5)
    assert seen(till) == [("final", txid)] * 3
    assert till.attempts() == ["mined", "replaced"]
    assert till.balance("network_fee:BTC") == int(fee)
    assert till.rows("SELECT count(*) FROM utxo WHERE reserved_by IS NOT NULL AND spent_by IS NULL") == [(0,)]


def test_w08_a_reorg_may_let_the_other_candidate_win(till: Till) -> None:
    ((raw,),) = till.rows("SELECT raw FROM attempt")
    bump(till)
    ((newest,),) = till.rows("SELECT raw FROM attempt ORDER BY rowid DESC LIMIT 1")
    till.mine(2, [FakeTx.decode(raw)])
    till.chain.mempool.clear()
    till.reorg(2, [[FakeTx.decode(newest)], [], []])
    assert till.attempts() == ["broadcast", "mined"]
    till.mine(6)
    assert till.attempts() == ["replaced", "mined"]
    assert {status for status, _ in seen(till)} == {"final"}
