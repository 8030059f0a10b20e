"""The nonce lane of the hot account: what is not mined is outbid, in order, and paid once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from coins.errors import SignerError
from coins.types import AttemptPlan, SignedTx
from tests.actors.desk import Desk, open_desk
from tests.fakes.coin import GAS_MAX
from tests.ledger.books import rows

BUMP_S = 10
ENVIRON = {"CASHIER__COINS__ETH__BUMP_AFTER_S": str(BUMP_S)}
DEPOSIT, AMOUNT = 10**17, 10**16


@asynccontextmanager
async def funded(folder: Path) -> AsyncIterator[Desk]:
    """A cashier whose hot account holds a swept deposit."""
    async with open_desk(folder, "ETH", environ=ENVIRON) as desk:
        await desk.fund("alice", DEPOSIT, "ETH")
        await desk.pass_time(2)
        await desk.mine(6, "ETH")
        yield desk


def candidates(desk: Desk) -> list[tuple[int, str, int]]:
    """(nonce, state, fee) of the hot account's attempts, oldest first."""
    sql = (
        "SELECT nonce, state, fee FROM attempt a JOIN intent i ON i.id = a.intent_id WHERE i.kind = 'payout'"
    )
    found = rows(desk.path, f"{sql} ORDER BY a.rowid")
    return [(int(nonce), str(state), int(fee)) for nonce, state, fee in found]


async def test_w28_a_payout_that_is_not_mined_is_outbid_once_in_its_time(tmp_path: Path) -> None:
    async with funded(tmp_path) as desk:
        view = await desk.withdraw("alice", AMOUNT, "ETH")
        await desk.rest()
        await desk.pass_time(BUMP_S - 2)
        assert candidates(desk) == [(0, "broadcast", GAS_MAX)]
        await desk.pass_time(4)
        assert candidates(desk) == [(0, "broadcast", GAS_MAX), (0, "broadcast", 2 * GAS_MAX)]
        assert [tx.gas_fee for tx in desk.chains["ETH"].mempool.values()] == [GAS_MAX]
        await desk.pass_time(BUMP_S)
        assert len(candidates(desk)) == 2
        await desk.mine(6, "ETH")
        assert [state for _, state, _ in candidates(desk)] == ["replaced", "mined"]
        assert (await desk.withdrawal(view.id)).status == "final"
        assert not (await desk.withdrawal(view.id)).attention
        await desk.check_chain("ETH")


async def test_w28_a_lane_of_payouts_is_outbid_at_its_head_only(tmp_path: Path) -> None:
    async with funded(tmp_path) as desk:
        views = [await desk.withdraw("alice", AMOUNT, "ETH", to=f"p{n}") for n in range(3)]
        await desk.rest()
        await desk.pass_time(BUMP_S + 2)
        assert [nonce for nonce, _, _ in candidates(desk)] == [0, 1, 2, 0]
        await desk.mine(6, "ETH")
        assert [(await desk.withdrawal(view.id)).status for view in views] == ["final"] * 3
        await desk.check_chain("ETH")


async def test_w28_a_crash_between_reserving_and_sending_a_candidate_pays_once(tmp_path: Path) -> None:
    async with funded(tmp_path) as desk:
        view = await desk.withdraw("alice", AMOUNT, "ETH")
        await desk.rest()
        desk.fail_at("RecordSigned", "crash")
        await desk.pass_time(BUMP_S + 6)
        assert desk.failed_at == ["RecordSigned"]
        assert [state for _, state, _ in candidates(desk)] == ["broadcast", "broadcast"]
        await desk.mine(6, "ETH")
        assert (await desk.withdrawal(view.id)).status == "final"
        await desk.check_chain("ETH")


async def test_w28_a_sweep_that_is_not_mined_is_outbid(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "ETH", environ=ENVIRON) as desk:
        await desk.fund("alice", DEPOSIT, "ETH")
        await desk.pass_time(BUMP_S + 4)
        assert [state for _, state, _ in desk.attempts()] == ["broadcast", "broadcast"]
        await desk.mine(6, "ETH")
        assert [state for _, state, _ in desk.attempts()] == ["replaced", "mined"]
        await desk.check_chain("ETH")


async def test_a_higher_price_that_the_signer_refuses_holds_no_other_payout(tmp_path: Path) -> None:
    async with funded(tmp_path) as desk:
        await desk.withdraw("alice", AMOUNT, "ETH")
        await desk.rest()
        spender = desk.spenders["ETH"]
        sign = spender.sign

        async def refusing(plan: AttemptPlan) -> SignedTx:
            if plan.nonce == 0:
                spender.signed.append(plan)
                raise SignerError("above the day's cap on fees")
            return await sign(plan)

        spender.sign, spender.signed = refusing, []  # type: ignore[method-assign]
        await desk.pass_time(BUMP_S + 2)
        view = await desk.withdraw("alice", AMOUNT, "ETH", to="second")
        await desk.rest()
        assert (await desk.withdrawal(view.id)).status == "broadcast"
        await desk.pass_time(3 * BUMP_S)
        assert len([plan for plan in spender.signed if plan.nonce == 0]) <= 4
        spender.sign = sign  # type: ignore[method-assign]
        await desk.pass_time(2 * BUMP_S)
        assert [tx.gas_fee for tx in desk.chains["ETH"].mempool.values()] == [GAS_MAX, GAS_MAX // 2]
        await desk.mine(6, "ETH")
        assert (await desk.withdrawal(view.id)).status == "final"
        await desk.check_chain("ETH")
