"""A withdrawal as a payment to approve."""

from __future__ import annotations

from pathlib import Path

from ledger.connection import connect
from ledger.context import Tx
from ledger.payable import payment_of
from tests.ledger.till import Till


def test_a_payment_is_asked_for_by_whoever_opened_it(tmp_path: Path) -> None:
    till = Till(tmp_path, approval_above=1_000)
    till.deposit("alice", 100_000, blocks=6)
    view = till.open("alice", 5_000)
    till.decide(view.id, "approve")
    db = connect(till.store.path)
    payment = payment_of(Tx(db, 0), till.withdrawals()[0])
    assert (payment.object_id, payment.digest, payment.requested_by) == (view.id, view.digest, "key:shop")
    assert payment.needed == 1
    db.close()
    till.close()
