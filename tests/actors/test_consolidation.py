"""When small outputs are brought together: now and then, after the payouts, and never in their way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from actors.consolidation import REFUSED_S
from coins.errors import SignerError, SignerSilentError
from coins.types import CONSOLIDATE, ConsolidationTerms
from ledger.commands import Idempotency, PostTransfer
from tests.actors.desk import Desk, open_desk
from tests.fakes.coin import FEE_PER_INPUT
from tests.ledger.books import balance, rows

SMALL, COUNT, INTERVAL_S = 100_000, 12, 60
TERMS = ConsolidationTerms(FEE_PER_INPUT, None, 10, 100)
ENVIRON = {
    "CASHIER__COINS__BTC__CONSOLIDATE_FEE_RATE_MAX_SAT_VB": "5",
    "CASHIER__COINS__BTC__CONSOLIDATE_INTERVAL_S": str(INTERVAL_S),
}


@asynccontextmanager
async def full_desk(folder: Path, environ: dict[str, str] | None = None) -> AsyncIterator[Desk]:
    """A cashier with twelve equal final deposits, where ten are not too many."""
    async with open_desk(folder, environ=ENVIRON | (environ or {})) as desk:
        for number in range(COUNT):
            await desk.pay(f"client{number}", SMALL)
        await desk.mine(6)
        key = Idempotency("shop", "bet", "bet")
        bet = PostTransfer(
            "tr_1", "shop", "client11", "house", "BTC", SMALL // 2, "bet", "a bet", "key:shop", key
        )
        await desk.ask("ledger", bet)
        desk.spenders["BTC"].consolidation_terms = TERMS
        yield desk


def kinds(desk: Desk) -> list[str]:
    return [plan.kind for plan in desk.spenders["BTC"].signed]


def states(desk: Desk) -> list[tuple[str, str]]:
    sql = "SELECT i.kind, a.state FROM attempt a JOIN intent i ON i.id = a.intent_id ORDER BY a.rowid"
    return [(kind, state) for kind, state in rows(desk.path, sql)]


async def test_too_many_outputs_become_fewer_and_then_it_rests(tmp_path: Path) -> None:
    async with full_desk(tmp_path) as desk:
        await desk.pass_time(INTERVAL_S, 10)
        assert states(desk) == [(CONSOLIDATE, "broadcast")]
        await desk.mine(1)
        assert balance(desk.path, "network_fee:BTC") == FEE_PER_INPUT * COUNT // 2
        await desk.check_chain()
        await desk.mine(6)
        await desk.pass_time(3 * INTERVAL_S, 10)
        assert states(desk) == [(CONSOLIDATE, "mined")]
        # A payout spends what was brought together.
        await desk.withdraw("client0", SMALL // 2)
        await desk.pass_time(2)
        await desk.mine(7)
        assert states(desk) == [(CONSOLIDATE, "mined"), ("payout", "mined")]
        await desk.check_chain()


async def test_payouts_come_first_and_leave_beside_it(tmp_path: Path) -> None:
    async with full_desk(tmp_path) as desk:
        views = [await desk.withdraw(f"client{number}", SMALL // 2) for number in range(3)]
        await desk.pass_time(INTERVAL_S, 10)
        later = await desk.withdraw("client9", SMALL // 2)
        await desk.pass_time(2)
        for view in (*views, later):
            assert (await desk.withdrawal(view.id)).status == "broadcast"
        await desk.mine(7)
        for view in (*views, later):
            assert (await desk.withdrawal(view.id)).status == "final"
        await desk.check_chain()


async def test_without_the_setting_nothing_is_brought_together(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        desk.spenders["BTC"].consolidation_terms = TERMS
        for number in range(COUNT):
            await desk.pay(f"client{number}", SMALL)
        await desk.mine(6)
        await desk.pass_time(1_200, 600)
        assert states(desk) == []


async def test_a_refusal_of_the_signer_is_asked_again_much_later_and_holds_no_payout(tmp_path: Path) -> None:
    async with full_desk(tmp_path) as desk:
        desk.spenders["BTC"].refusal = SignerError("not configured")
        await desk.pass_time(INTERVAL_S, 10)
        assert states(desk) == [(CONSOLIDATE, "abandoned")]
        desk.spenders["BTC"].refusal = None
        view = await desk.withdraw("client0", SMALL // 2)
        await desk.pass_time(1)
        assert (await desk.withdrawal(view.id)).status == "broadcast"
        await desk.mine(7)
        await desk.pass_time(REFUSED_S / 2, 600)
        assert kinds(desk) == [CONSOLIDATE, "payout"]
        await desk.pass_time(REFUSED_S / 2, 600)
        assert kinds(desk) == [CONSOLIDATE, "payout", CONSOLIDATE]
        await desk.mine(7)
        await desk.check_chain()


async def test_w02_without_an_answer_of_the_signer_the_same_is_asked_again(tmp_path: Path) -> None:
    async with full_desk(tmp_path) as desk:
        desk.spenders["BTC"].refusal = SignerSilentError("no answer")
        await desk.pass_time(INTERVAL_S, 10)
        assert states(desk) == [(CONSOLIDATE, "prepared")]
        desk.spenders["BTC"].refusal = None
        await desk.pass_time(INTERVAL_S, 10)
        assert states(desk) == [(CONSOLIDATE, "broadcast")]
        assert len({plan.inputs for plan in desk.spenders["BTC"].signed}) == 1


async def test_w02_a_lost_answer_of_the_node_sends_the_same_bytes(tmp_path: Path) -> None:
    async with full_desk(tmp_path) as desk:
        desk.spenders["BTC"].lose_answers = 1
        await desk.pass_time(INTERVAL_S, 10)
        await desk.mine(7)
        assert states(desk) == [(CONSOLIDATE, "mined")]
        assert len(set(desk.spenders["BTC"].bytes_sent)) == 1
        await desk.check_chain()


async def test_a_node_that_is_down_ends_the_look_quietly(tmp_path: Path) -> None:
    async with full_desk(tmp_path) as desk:
        desk.spenders["BTC"].is_down = True
        await desk.pass_time(INTERVAL_S, 10)
        assert states(desk) == []
        desk.spenders["BTC"].is_down = False
        await desk.pass_time(INTERVAL_S, 10)
        assert states(desk) == [(CONSOLIDATE, "broadcast")]
