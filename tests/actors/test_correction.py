"""A difference from its finding to its end: a case, held payouts, a correction, and both agree."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors.messages import ClosePeriod, CorrectCase, Idempotency, ListCases, ReverseAdjustment
from coins.types import Outpoint
from ledger.journal import Posting
from ledger.month import end_of
from ledger.operator_access import CreateOperator
from ledger.queries import Filter
from ledger.verify import verify_file
from tests.actors.desk import Desk, open_desk
from tests.actors.planting import Blind, available, compared, explained, onchain, plant
from tests.actors.test_closing import MONTH, into_december
from tests.fakes.chain import FakeTx
from tests.fakes.coin import foreign
from tests.ledger.books import rows

ANN = "operator:op_ann"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Alice has money, the last comparison agreed, and compared is only when a test says so."""
    environ = {"CASHIER__ACTORS__RECONCILE_INTERVAL_S": "600000"}
    async with open_desk(tmp_path, environ=environ, is_checked=False) as opened:
        await opened.ask("ledger", CreateOperator("op_ann", "ann", "", "salt", ("payments",), "test"))
        await opened.fund("alice", 1_000_000)
        await opened.mine(8)
        assert (await compared(opened)).status == "ok"
        yield opened


async def open_cases(desk: Desk) -> list[Any]:
    page = await desk.ask("ledger_reader", ListCases(Filter(status="open"), 50))
    return list(page.data)


async def correct(desk: Desk, case: Any, against: str) -> Any:
    """All of a case is booked."""
    number = Idempotency(ANN, f"key-{case.id}", case.id)
    reason = "looked at it"
    message = CorrectCase("adj_" + case.id, case.id, "BTC", case.amount, against, reason, ANN, number)
    return (await desk.ask("ledger", message)).value


async def missed(desk: Desk, amount: int) -> int:
    """A payment to alice that the books miss; its height."""
    with Blind(desk, "BTC"):
        desk.chains["BTC"].pay((await desk.script_of("alice"), amount))
        await desk.mine()
    return desk.height()


async def test_l11_payouts_held_for_a_short_case_go_on_after_its_correction_and_one_comparison(
    desk: Desk,
) -> None:
    await desk.mine()
    at = desk.height() - 1
    planted = plant(
        desk,
        "BTC",
        at,
        "deposit_received",
        "ab" * 32,
        Posting(onchain("BTC"), available("alice", "BTC"), 12_345),
    )
    await desk.mine(8)
    assert (await compared(desk)).status == "mismatch"
    (case,) = await open_cases(desk)
    assert (case.kind, case.amount, case.actions) == ("short", 12_345, ("correct",))
    sent = await desk.withdraw("alice", 50_000)
    await desk.rest()
    assert (await status(desk, sent.id))[:2] == ("approved", "funds")
    view = await correct(desk, case, "loss")
    assert (view.status, view.target) == ("posted", "loss:BTC")
    assert (await compared(desk)).status == "ok"
    assert await open_cases(desk) == []
    await desk.mine()
    await desk.rest()
    assert (await status(desk, sent.id))[0] in ("broadcast", "confirmed")
    # No correction makes the planted entry a true one.
    assert [each.row for each in verify_file(desk.path)] == [f"journal {planted}"]


async def status(desk: Desk, withdrawal_id: str) -> tuple[str, str | None]:
    sql = "SELECT status, waiting_for FROM withdrawal WHERE id = ?"
    (row,) = rows(desk.path, sql.replace("?", f"'{withdrawal_id}'"))
    return row


async def test_l11_what_was_corrected_is_met_again_and_not_opened_again(desk: Desk) -> None:
    first = await missed(desk, 77_777)
    await desk.mine(20)  # so many that halving meets them
    await desk.fund("carol", 30_000)  # entries of the chain lie between the missed one and its correction
    await compared(desk)
    (case,) = await open_cases(desk)
    await correct(desk, case, "house")
    second = await missed(desk, 5_000)  # before any comparison agreed
    await desk.mine(6)
    view = await compared(desk)
    answer = await explained(desk, view)
    kinds = [(found.kind, found.amount) for block in answer.blocks for found in block.found]
    assert kinds == [("missing_deposit", 77_777), ("corrected", -77_777), ("missing_deposit", 5_000)]
    newest, oldest = await open_cases(desk)
    assert (newest.amount, newest.block_height) == (5_000, second)
    assert (oldest.id, oldest.block_height) == (case.id, first)  # ends with a comparison that agrees
    await correct(desk, newest, "house")
    assert (await compared(desk)).status == "ok"
    assert await open_cases(desk) == []
    assert verify_file(desk.path) == []


async def test_l13_a_month_with_a_difference_and_the_next_one_with_its_correction_close(desk: Desk) -> None:
    await missed(desk, 77_777)
    await into_december(desk)
    await compared(desk)
    (case,) = await open_cases(desk)
    desk.clock.set_by(end_of(MONTH) - desk.clock.now_s())  # the house's clock goes with the chain's
    await correct(desk, case, "house")
    assert (await compared(desk)).status == "ok"
    (period,) = (await desk.ask("reconciler", ClosePeriod("BTC", MONTH, ANN))).periods
    assert [(part["case"], part["amount"]) for part in period.report["differences"]] == [(case.id, "77777")]
    chain = desk.chains["BTC"]
    chain.block_time_s = 31 * 86_400
    await desk.mine(1)
    chain.block_time_s = 1
    await desk.mine(6)
    (period,) = (await desk.ask("reconciler", ClosePeriod("BTC", "2023-12", ANN))).periods
    assert period.report["differences"] == []
    assert verify_file(desk.path) == []


async def test_l11_change_that_was_stolen_is_corrected_and_both_agree_place_by_place(desk: Desk) -> None:
    await desk.withdraw("alice", 100_000)
    await desk.rest()
    await desk.mine(8)
    assert (await compared(desk)).status == "ok"
    await desk.mine(2)
    sql = (
        "SELECT u.txid, u.output_index, u.amount FROM utxo u JOIN own_script s"
        " ON s.sequence = u.script_sequence WHERE u.spent_by IS NULL AND s.branch = 'change'"
    )
    ((txid, index, amount),) = rows(desk.path, sql)
    with Blind(desk, "BTC"):
        thief = FakeTx(inputs=(Outpoint(txid, index),), outputs=((foreign("thief").script, int(amount)),))
        desk.chains["BTC"].send(thief)
        await desk.mine()
    await desk.mine(20)
    await desk.fund("carol", 30_000)
    before = await compared(desk)
    assert before.status == "mismatch"
    (case,) = await open_cases(desk)
    await correct(desk, case, "loss")
    await missed(desk, 5_000)
    await desk.mine(6)
    answer = await explained(desk, await compared(desk))
    kinds = [(found.kind, found.location) for block in answer.blocks for found in block.found]
    assert kinds == [("stolen_utxo", "change"), ("corrected", "change"), ("missing_deposit", "deposit")]
    newest, _ = await open_cases(desk)
    await correct(desk, newest, "house")
    view = await compared(desk)
    assert (view.status, [line["difference"] for line in view.lines]) == ("ok", [0, 0, 0, 0])
    assert await open_cases(desk) == []
    assert verify_file(desk.path) == []


async def test_l11_a_correction_that_is_taken_back_brings_its_case_back_with_the_hold(desk: Desk) -> None:
    await missed(desk, 77_777)
    await desk.mine(8)
    await compared(desk)
    (case,) = await open_cases(desk)
    view = await correct(desk, case, "house")
    assert (await compared(desk)).status == "ok"
    assert await open_cases(desk) == []
    await desk.fund("carol", 30_000)  # the chain's entries lie between the agreement and the reversal
    await desk.mine(8)
    assert (await compared(desk)).status == "ok"
    await desk.fund("carol", 30_000)
    number = Idempotency(ANN, "key-back", "back")
    back = ReverseAdjustment("adj_back", view.id, "alice says it is hers", ANN, number)
    assert (await desk.ask("ledger", back)).value.status == "posted"
    await desk.mine()
    assert (await compared(desk)).status == "mismatch"
    assert [(each.id, each.actions) for each in await open_cases(desk)] == [(case.id, ("correct",))]
    number = Idempotency(ANN, "key-again", "again")
    again = CorrectCase("adj_again", case.id, "BTC", 77_777, "house", "it is not hers", ANN, number)
    assert (await desk.ask("ledger", again)).value.status == "posted"
    assert (await compared(desk)).status == "ok"
    assert await open_cases(desk) == []
    assert verify_file(desk.path) == []
