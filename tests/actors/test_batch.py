"""Many payouts in one chain tx, as the actors make it."""

from __future__ import annotations

from pathlib import Path

import pytest

from coins.errors import PayeeRefusedError, SignerError
from coins.types import AttemptPlan, FeeQuote, PayoutWork, SignedTx
from tests.actors.desk import Desk, open_desk
from tests.fakes.coin import FakeSpender
from tests.ledger.books import rows

FUNDS = 1_000_000
AMOUNT = 100_000
FEE = 10_000
GATHER = {"CASHIER__COINS__BTC__BATCH_INTERVAL_S": "30"}


async def five(desk: Desk) -> list[str]:
    """Five withdrawals of two funded clients."""
    for client in ("alice", "bob"):
        await desk.fund(client, FUNDS)
    return [(await desk.withdraw(("alice", "bob")[n % 2], AMOUNT, to=f"payee{n}")).id for n in range(5)]


async def statuses(desk: Desk, ids: list[str]) -> list[str]:
    return [(await desk.withdrawal(each)).status for each in ids]


async def test_payouts_of_an_interval_leave_in_one_chain_tx(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ=GATHER) as desk:
        ids = await five(desk)
        await desk.pass_time(20)
        assert await statuses(desk, ids) == ["approved"] * 5
        await desk.pass_time(15)
        assert await statuses(desk, ids) == ["broadcast"] * 5
        assert len(desk.attempts()) == 1
        views = [await desk.withdrawal(each) for each in ids]
        assert {view.attempts[0].payouts for view in views} == {5}
        assert sum(view.attempts[0].fee_share for view in views) == views[0].attempts[0].fee
        await desk.mine(6)
        assert await statuses(desk, ids) == ["final"] * 5
        assert await desk.balance("alice") == (FUNDS - 3 * (AMOUNT + FEE), 0, 0)
        await desk.check_chain()


@pytest.mark.parametrize(
    ("name", "value", "attempts"), [("BATCH_MAX", "2", 2), ("BATCH_URGENT_ABOVE", "0.00099999", 1)]
)
async def test_a_full_batch_and_an_urgent_payout_do_not_wait(
    tmp_path: Path, name: str, value: str, attempts: int
) -> None:
    async with open_desk(tmp_path, environ=GATHER | {f"CASHIER__COINS__BTC__{name}": value}) as desk:
        ids = await five(desk)
        await desk.pass_time(3)
        left = (await statuses(desk, ids)).count("broadcast")
        assert len(desk.attempts()) >= attempts
        assert left == (4 if name == "BATCH_MAX" else 5)


@pytest.mark.parametrize(
    "fault_at", ["ReserveAttempt", "RecordSigned", "RecordBroadcast", "GetPayoutWork", "GetUnsettledAttempts"]
)
@pytest.mark.parametrize("kind", ["crash", "after commit", "disk full"])
async def test_w01_whatever_step_of_a_batch_fails_each_is_paid_once(
    tmp_path: Path, fault_at: str, kind: str
) -> None:
    async with open_desk(tmp_path, environ=GATHER) as desk:
        ids = await five(desk)
        desk.fail_at(fault_at, kind)
        await desk.pass_time(60, 2)
        assert desk.failed_at == [fault_at]
        assert len(set(desk.spenders["BTC"].bytes_sent)) == 1
        await desk.mine(6)
        assert await statuses(desk, ids) == ["final"] * 5
        await desk.check_chain()


async def test_w49_one_that_cannot_be_paid_is_given_back_and_the_others_go(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ=GATHER) as desk:
        ids = await five(desk)
        refusing = FakeSpender.plan

        def plan(work: PayoutWork, quote: FeeQuote) -> AttemptPlan:
            bad = [
                each
                for each in (work.intent_id, *(p.intent_id for p in work.more))
                if each == f"pay_{ids[2]}"
            ]
            if bad:
                raise PayeeRefusedError({bad[0]: "dust"})
            return refusing(desk.spenders["BTC"], work, quote)

        desk.spenders["BTC"].plan = plan  # type: ignore[method-assign]
        await desk.pass_time(35)
        assert await statuses(desk, ids) == ["broadcast"] * 2 + ["rejected"] + ["broadcast"] * 2
        assert [state for _, state, _ in desk.attempts()] == ["broadcast"]
        await desk.mine(6)
        assert (await statuses(desk, ids)).count("final") == 4
        assert await desk.balance("alice") == (FUNDS - 2 * (AMOUNT + FEE), 0, 0)
        reason = rows(desk.path, "SELECT reason FROM journal WHERE kind = 'withdrawal_released'")
        assert reason == [("dust",)]


async def test_w49_one_that_the_node_refuses_is_given_back_before_anything_is_signed(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ=GATHER) as desk:
        ids = await five(desk)
        bad, seen = f"pay_{ids[0]}", []

        async def vet(plan: AttemptPlan) -> None:
            seen.append((plan.intent_id, *plan.more))
            if bad in seen[-1]:
                raise PayeeRefusedError({bad: "the node does not relay this payment: dust"})

        desk.spenders["BTC"].vet = vet  # type: ignore[method-assign]
        await desk.pass_time(35)
        assert [len(each) for each in seen] == [5, 4]
        assert await statuses(desk, ids) == ["rejected"] + ["broadcast"] * 4
        assert [state for _, state, _ in desk.attempts()] == ["broadcast"]
        await desk.mine(6)
        assert (await statuses(desk, ids)).count("final") == 4
        assert await desk.balance("alice") == (FUNDS - 2 * (AMOUNT + FEE), 0, 0)
        await desk.check_chain()


async def test_w49_what_the_signer_refuses_together_it_may_sign_one_by_one(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ=GATHER) as desk:
        ids = await five(desk)
        signing = desk.spenders["BTC"].sign

        async def sign(plan: AttemptPlan) -> SignedTx:
            if plan.more:
                raise SignerError("over the limit of the day")
            return await signing(plan)

        desk.spenders["BTC"].sign = sign  # type: ignore[method-assign]
        await desk.pass_time(35)
        for _ in range(4):  # each waits for the change of the one before
            await desk.mine(6)
            await desk.pass_time(5)
        await desk.mine(6)
        assert await statuses(desk, ids) == ["final"] * 5


async def test_w07_a_batch_that_is_not_mined_is_sent_again_at_a_higher_fee(tmp_path: Path) -> None:
    environ = GATHER | {"CASHIER__COINS__BTC__BUMP_AFTER_S": "60"}
    async with open_desk(tmp_path, environ=environ) as desk:
        ids = await five(desk)
        await desk.pass_time(35)
        (first,) = desk.chains["BTC"].mempool
        await desk.pass_time(70)
        assert len(desk.attempts()) == 2
        (second,) = desk.chains["BTC"].mempool
        assert second != first
        views = [await desk.withdrawal(each) for each in ids]
        assert {view.txid for view in views} == {second}
        assert not any(view.attention for view in views)
        await desk.mine(6)
        views = [await desk.withdrawal(each) for each in ids]
        assert {(view.status, view.txid) for view in views} == {("final", second)}
        assert [attempt.state for attempt in views[0].attempts] == ["replaced", "mined"]
        assert await desk.balance("alice") == (FUNDS - 3 * (AMOUNT + FEE), 0, 0)
        await desk.check_chain()
