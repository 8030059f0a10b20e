"""Corrections: books brought to the chain by operators, never by more than the case, taken back exactly."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

import pytest

from ledger.adjustment_command import (
    CorrectCase,
    DecideAdjustment,
    RequestAdjustment,
    ReverseAdjustment,
)
from ledger.adjustment_row import corrected
from ledger.adjustment_view import AdjustmentsView, AdjustmentView
from ledger.commands import Idempotency, RecordReconciliation
from ledger.connection import connect
from ledger.correction import AGAINST, book_correction
from ledger.difference import CORRECTED, Found
from ledger.errors import (
    AboveMaximumError,
    ActionNotAllowedError,
    ApprovalRefusedError,
    BelowMinimumError,
    CaseDecidedError,
    InsufficientFundsError,
    NotConfirmedError,
    NotFoundError,
    PeriodNotClosableError,
    ReorgTooDeepError,
)
from ledger.operator_access import CreateOperator
from ledger.period_command import GetClosing
from ledger.queries import GetBlockBooks
from ledger.reader_difference import get_block_books
from ledger.shortfall import is_short
from ledger.snapshot import Snapshot
from ledger.verify import verify_file
from tests.fakes.oracle import check_books
from tests.ledger.test_period import DECEMBER, NOVEMBER, SALT, ask, held_at, till
from tests.ledger.test_period_difference import LESS, MORE, apart, closed, compare, find, findings, november
from tests.ledger.till import Till

__all__ = ["till"]

ANN, BOB = "operator:op_ann", "operator:op_bob"


@pytest.fixture
def desk(till: Till) -> Till:
    """Two operators; more than 100 needs the other one."""
    till.do(replace(till.coin, approval_above=100))
    for name in ("ann", "bob"):
        till.do(CreateOperator(f"op_{name}", name, "", "salt", ("payments",), "test"))
    return till


def key(number: object) -> Idempotency:
    return Idempotency(ANN, f"key-{number}", f"body-{number}")


def found_short(till: Till, amount: int = -5, depth: int = 6) -> str:
    """The chain holds less at a block of this depth; the case."""
    place = Found("stolen_utxo", "deposit", amount, "ab" * 32, "in:0", detail="gone")
    till.mine(depth)
    compare(till, 1, deposit=amount)
    (case,) = find(till, till.chain.tip.ref.height - depth + 1, place)
    return case


def command(case: str, amount: int, number: int = 1, **changes: Any) -> CorrectCase:
    fields = {"currency": "BTC", "against": "loss", "reason": "the key was lent", "by": ANN, **changes}
    return CorrectCase(id=f"adj_{number}", case_id=case, amount=amount, idempotency=key(number), **fields)


def correct(till: Till, case: str, amount: int, number: int = 1, **changes: Any) -> AdjustmentView:
    view: AdjustmentView = till.do(command(case, amount, number, **changes)).value
    return view


def decide(till: Till, of: str, decision: str, by: str, digest: str = "") -> AdjustmentsView:
    message = DecideAdjustment(of, decision, by, "looked at it", key((of, decision, by)), digest)
    view: AdjustmentsView = till.do(message).value
    return view


def statuses(till: Till) -> list[tuple[str, str]]:
    return till.rows("SELECT kind, status FROM unclaimed_case ORDER BY ordinal")


def is_held(till: Till) -> bool:
    db = connect(till.store.path, read_only=True)
    try:
        return is_short(db, "BTC")
    finally:
        db.close()


def test_l11_a_short_case_is_corrected_and_the_next_comparison_ends_case_and_hold(desk: Till) -> None:
    case = found_short(desk)
    assert book_correction.__doc__
    assert is_held(desk)
    view = correct(desk, case, 5)
    assert (view.status, view.case_id, view.source, view.target) == (
        "posted", case, "onchain:BTC:deposit", "loss:BTC",
    )  # fmt: skip
    assert desk.balance("onchain:BTC:deposit") == 99_995
    assert desk.balance("loss:BTC") == 5
    assert statuses(desk) == [("short", "open")]
    assert is_held(desk)  # nothing but a comparison ends it
    assert compare(desk, 3, deposit=-5) == "ok"
    assert (statuses(desk), is_held(desk)) == ([("short", "closed")], False)
    history = desk.rows("SELECT action, by, reason FROM case_history ORDER BY id")
    assert history[1] == ("corrected", ANN, "the key was lent")
    assert desk.rows("SELECT by, object_id FROM audit WHERE action = 'correct_case'") == [(ANN, case)]
    assert desk.rows("SELECT count(*) FROM transfer") == [(0,)]
    assert verify_file(desk.store.path) == []
    assert check_books(desk.store.path) == []


@pytest.mark.parametrize(
    ("found", "against", "before", "after"),
    [
        (LESS, "loss", {}, {"onchain:BTC:deposit": 99_995, "loss:BTC": 5}),
        (LESS, "network_fee", {}, {"onchain:BTC:deposit": 99_995, "network_fee:BTC": 5}),
        (LESS, "house", {"house": 20}, {"onchain:BTC:deposit": 99_995, "house:BTC": 15}),
        (MORE, "house", {}, {"onchain:BTC:hot": 7, "house:BTC": 7}),
    ],
)
def test_l11_both_kinds_are_booked_against_the_account_that_takes_them(
    desk: Till, found: Found, against: str, before: dict[str, int], after: dict[str, int]
) -> None:
    for number, (party, amount) in enumerate(before.items()):
        by = (ANN, key(f"g{number}"))
        desk.do(RequestAdjustment(f"adj_g{number}", "alice", party, "BTC", amount, "a fee", *by))
    compare(desk, 1, **{found.location: found.amount})
    (case,) = find(desk, desk.chain.tip.ref.height, found)
    desk.mine(6)
    correct(desk, case, abs(found.amount), against=against)
    assert {name: desk.balance(name) for name in after} == after
    assert set(AGAINST) == {"loss", "house", "network_fee"}
    assert verify_file(desk.store.path) == []
    assert check_books(desk.store.path) == []


def test_l11_a_correction_is_never_more_than_its_case_and_twice_is_once(desk: Till) -> None:
    case = found_short(desk)
    with pytest.raises(AboveMaximumError, match="no more than 5"):
        correct(desk, case, 6)
    first = correct(desk, case, 3)
    again = desk.do(command(case, 3))
    assert (again.is_replayed, again.value.id, again.value.status) == (True, first.id, "posted")
    with pytest.raises(AboveMaximumError, match="no more than 2"):
        correct(desk, case, 3, number=2)
    correct(desk, case, 2, number=3)
    with pytest.raises(AboveMaximumError, match="no more than 0"):
        correct(desk, case, 1, number=4)
    assert desk.balance("loss:BTC") == 5
    db = connect(desk.store.path, read_only=True)
    assert (corrected(db, case), corrected(db, case, 1)) == (5, 0)
    db.close()
    assert compare(desk, 2, deposit=-5) == "ok"
    with pytest.raises(CaseDecidedError):
        correct(desk, case, 1, number=5)


def test_w40_a_large_correction_waits_for_another_operator(desk: Till) -> None:
    case = found_short(desk, -500)
    view = correct(desk, case, 500)
    assert (view.status, view.approvals_needed, desk.balance("loss:BTC")) == ("held", 1, 0)
    with pytest.raises(AboveMaximumError, match="no more than 0"):
        correct(desk, case, 1, number=2)
    with pytest.raises(ApprovalRefusedError, match="asked for"):
        decide(desk, view.id, "approve", ANN, view.digest)
    with pytest.raises(ApprovalRefusedError, match="not the payment"):
        decide(desk, view.id, "approve", BOB, "00" * 32)
    done = decide(desk, view.id, "approve", BOB, view.digest)
    assert (done.status, [(each.party, each.before, each.after) for each in done.balances]) == (
        "posted",
        [("onchain:BTC:deposit", 100_000, 99_500), ("loss:BTC", 0, 500)],
    )
    assert desk.rows("SELECT action, by FROM case_history ORDER BY id")[-1] == ("corrected", ANN)
    assert compare(desk, 2, deposit=-500) == "ok"


def test_l11_a_correction_whose_case_ended_meanwhile_is_not_booked(desk: Till) -> None:
    case = found_short(desk, -500)
    view = correct(desk, case, 500)
    assert compare(desk, 2) == "ok"
    with pytest.raises(CaseDecidedError):
        decide(desk, view.id, "approve", BOB, view.digest)
    assert decide(desk, view.id, "reject", BOB).status == "rejected"
    assert desk.balance("loss:BTC") == 0


def refused(case: str) -> list[tuple[CorrectCase, type[Exception]]]:
    return [
        (command("case_none", 5), NotFoundError),
        (command(case, 5, currency="ETH"), NotFoundError),
        (command(case, 5, against="unexplained"), ActionNotAllowedError),
        (command(case, 5, against="house"), InsufficientFundsError),
        (command(case, 0), BelowMinimumError),
        (command(case, -5), BelowMinimumError),
        (command(case, True), BelowMinimumError),
        (command(case, 5, by="key:shop"), ApprovalRefusedError),
        (command(case, 5, by="reconciler"), ApprovalRefusedError),
    ]


@pytest.mark.parametrize("number", range(len(refused(""))))
def test_what_is_no_correction_is_refused(desk: Till, number: int) -> None:
    case = found_short(desk)
    message, error = refused(case)[number]
    with pytest.raises(error):
        desk.do(message)
    assert desk.rows("SELECT count(*) FROM adjustment") == [(0,)]


def test_a_surplus_brings_back_no_loss_that_was_not_booked(desk: Till) -> None:
    compare(desk, 1, hot=7)
    (case,) = find(desk, desk.chain.tip.ref.height, MORE)
    desk.mine(6)
    with pytest.raises(InsufficientFundsError, match="loss:BTC"):
        correct(desk, case, 7)


def test_a_case_that_a_reorg_may_undo_waits_and_one_that_was_corrected_is_not_undone(desk: Till) -> None:
    case = found_short(desk, depth=5)
    with pytest.raises(NotConfirmedError):
        correct(desk, case, 5)
    desk.mine()
    correct(desk, case, 5)
    with pytest.raises(ReorgTooDeepError, match="was corrected"):
        desk.reorg(6, [[]] * 7)


def test_a_parked_deposit_is_no_difference_to_correct(desk: Till) -> None:
    desk.deposit("alice", 500, blocks=7)  # below the minimum
    ((case,),) = desk.rows("SELECT id FROM unclaimed_case")
    with pytest.raises(ActionNotAllowedError, match="has no correct"):
        correct(desk, case, 5)


def test_l11_a_correction_is_taken_back_by_its_contra_entry_and_its_case_is_open_again(desk: Till) -> None:
    case = found_short(desk)
    view = correct(desk, case, 5)
    compare(desk, 2, deposit=-5)
    back = desk.do(ReverseAdjustment("adj_9", view.id, "the house pays it", ANN, key(9))).value
    assert (back.status, back.reverses, back.case_id) == ("posted", view.id, case)
    assert (desk.balance("loss:BTC"), desk.balance("onchain:BTC:deposit")) == (0, 100_000)
    assert statuses(desk) == [("short", "open")]
    assert compare(desk, 3, deposit=-5) == "mismatch"
    place = Found("stolen_utxo", "deposit", -5, "ab" * 32, "in:0", detail="gone")
    assert find(desk, desk.chain.tip.ref.height - 5, place) == [case]
    assert statuses(desk) == [("short", "open")]
    correct(desk, case, 5, number=10)
    assert compare(desk, 4, deposit=-5) == "ok"
    assert verify_file(desk.store.path) == []
    assert check_books(desk.store.path) == []


def test_l11_what_was_corrected_is_not_opened_again_by_a_comparison_that_meets_it(desk: Till) -> None:
    case = found_short(desk)
    correct(desk, case, 5)
    compare(desk, 2, deposit=-5)
    desk.mine()
    compare(desk, 3, deposit=-9)
    place = Found("stolen_utxo", "deposit", -5, "ab" * 32, "in:0", detail="gone")
    own = Found(CORRECTED, "deposit", 5, "ab" * 32, "journal:9", detail="an operator's")
    height = desk.chain.tip.ref.height
    assert find(desk, height - 6, place, own) == []
    assert statuses(desk) == [("short", "closed")]
    other = Found("stolen_utxo", "deposit", -4, "cd" * 32, "in:0", detail="gone")
    assert len(find(desk, height, other)) == 1
    db = connect(desk.store.path, read_only=True)
    at_once = Snapshot(db, 0)
    heights = range(100, height + 1)
    books = [get_block_books(at_once, GetBlockBooks("BTC", "BTC", each, ())) for each in heights]
    db.close()
    kinds = [each.kind for block in books for each in block.booked if each.amount == -5]
    assert kinds == ["difference_corrected"]


# -- and months ------------------------------------------------------------------------------------


def test_l13_a_correction_in_the_next_month_leaves_the_month_with_its_difference(desk: Till) -> None:
    case = found_short(desk)
    height = november(desk)
    desk.now_s = desk.chain.tip.ref.time
    correct(desk, case, 5)
    assert compare(desk, 2, deposit=-5) == "ok"
    period = closed(desk, NOVEMBER, height, deposit=-5)
    assert [(part["case"], part["amount"]) for part in period.report["differences"]] == [(case, "-5")]
    december = into_january(desk)
    following = closed(desk, DECEMBER, december, deposit=-5)
    assert following.report["differences"] == []
    lines = {line["account"]: (line["opening"], line["closing"]) for line in following.report["accounts"]}
    assert (lines["onchain:BTC:deposit"], lines["loss:BTC"]) == (("100000", "99995"), ("0", "5"))
    assert findings(desk) == []


def test_l13_what_was_corrected_within_the_month_is_no_difference_of_its_end(desk: Till) -> None:
    case = found_short(desk)
    correct(desk, case, 3)
    height = november(desk)
    period = closed(desk, NOVEMBER, height, deposit=-5)
    assert [(part["case"], part["amount"]) for part in period.report["differences"]] == [(case, "-2")]
    assert findings(desk) == []


def test_l13_a_part_that_was_corrected_already_explains_nothing(desk: Till) -> None:
    case = found_short(desk)
    correct(desk, case, 5)
    height = november(desk)
    with pytest.raises(PeriodNotClosableError, match="explain nothing"):
        closed(desk, NOVEMBER, height, deposit=-10)
    assert closed(desk, NOVEMBER, height, deposit=-5).report["differences"] == []


def into_january(till: Till) -> int:
    """December is over, too; its last block."""
    till.chain.block_time_s = 31 * 86_400
    till.mine(2)
    till.chain.block_time_s = 1
    till.mine(7)
    return int(ask(till, GetClosing("BTC", DECEMBER, SALT)).height)


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE adjustment SET target = 'house:BTC'", "adjustment"),
        ("UPDATE adjustment SET amount = '4'", "adjustment"),
        ("UPDATE adjustment SET case_id = NULL", "adjustment"),
        ("DELETE FROM adjustment", "adjustment"),
        ("UPDATE unclaimed_case SET position = replace(position, ':deposit:', ':hot:')", "case"),
        ("UPDATE unclaimed_case SET kind = 'unexplained'", "case"),
    ],
)
def test_l14_an_edited_correction_is_named(desk: Till, statement: str, kind: str) -> None:
    correct(desk, found_short(desk), 5)
    assert verify_file(desk.store.path) == []
    db = sqlite3.connect(desk.store.path, isolation_level=None)
    db.execute(statement)
    db.close()
    assert kind in {finding.kind for finding in verify_file(desk.store.path)}


def test_w40_parts_of_one_case_need_the_approvals_of_their_sum(desk: Till) -> None:
    case = found_short(desk, -500)
    assert correct(desk, case, 60).status == "posted"
    second = correct(desk, case, 60, number=2)  # 120 of the case by one operator alone
    assert (second.status, second.approvals_needed, desk.balance("loss:BTC")) == ("held", 1, 60)
    assert correct(desk, case, 40, number=3).status == "held"  # what waits counts, too
    assert [decide(desk, of, "reject", BOB).status for of in (second.id, "adj_3")] == ["rejected"] * 2
    assert correct(desk, case, 40, number=4).status == "posted"
    other = Found("stolen_utxo", "deposit", -90, "ef" * 32, "in:0", detail="gone")
    (beside,) = find(desk, desk.chain.tip.ref.height - 5, other)
    assert correct(desk, beside, 90, number=5).status == "posted"
    assert verify_file(desk.store.path) == []


def test_l13_a_look_back_after_a_correction_hides_no_difference_of_a_month(desk: Till) -> None:
    case = found_short(desk)
    height = november(desk)
    desk.now_s = desk.chain.tip.ref.time
    correct(desk, case, 5)
    held = apart(held_at(desk, height), deposit=-5)
    (view,) = desk.do(RecordReconciliation("rec_2", "BTC", held, "height"))
    assert view.status == "ok"  # as the books tell it since
    period = closed(desk, NOVEMBER, height, deposit=-5)
    assert [(part["case"], part["amount"]) for part in period.report["differences"]] == [(case, "-5")]
    assert findings(desk) == []
