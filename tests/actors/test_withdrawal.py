"""Payouts: in order, each paid once whatever fails in between, the same bytes always."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from actors.errors import Unavailable
from actors.messages import GetCase, Idempotency, ListCases, RequestRefund, WorkReady
from coins.errors import NodeUnavailableError, SignerError, SignerSilentError
from ledger.errors import (
    AddressRefusedError,
    ExternalIdUsedError,
    ForbiddenAddressError,
    InputsTakenError,
    InsufficientFundsError,
)
from tests.actors.desk import Desk, open_desk
from tests.actors.doors import UNAVAILABLE
from tests.fakes.coin import foreign
from tests.ledger.books import rows

FUNDS = 1_000_000
AMOUNT = 100_000
FEE = 10_000


async def settle_withdrawal(desk: Desk, withdrawal_id: str, currency: str = "BTC") -> str:
    """Mine until it is final; its status."""
    await desk.mine(6, currency)
    return (await desk.withdrawal(withdrawal_id)).status


async def test_a_withdrawal_goes_all_the_way(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        view = await desk.withdraw("alice", AMOUNT)
        assert view.status == "approved"
        await desk.rest()
        assert (await desk.withdrawal(view.id)).status == "broadcast"
        assert await desk.balance("alice") == (FUNDS - AMOUNT - FEE, AMOUNT + FEE, 0)
        await desk.mine(3)
        assert (await desk.withdrawal(view.id)).status == "confirmed"
        await desk.mine(3)
        final = await desk.withdrawal(view.id)
        assert final.status == "final"
        assert [entry.status for entry in final.history] == [
            "approved", "signed", "broadcast", "confirmed", "final"
        ]  # fmt: skip
        assert await desk.balance("alice") == (FUNDS - AMOUNT - FEE, 0, 0)
        await desk.check_chain()


async def test_an_ether_withdrawal_goes_all_the_way_after_a_sweep(tmp_path: Path) -> None:
    amount = 10**16
    async with open_desk(tmp_path, "ETH") as desk:
        await desk.fund("alice", 20 * amount, "ETH")
        await desk.mine(6, "ETH")
        view = await desk.withdraw("alice", amount, "ETH")
        await desk.rest()
        assert await settle_withdrawal(desk, view.id, "ETH") == "final"
        await desk.check_chain("ETH")


@pytest.mark.parametrize(
    ("address", "code"), [("btc:zz", "invalid_address"), ("eth:00", "wrong_network"), ("", "wrong_network")]
)
async def test_a_foreign_address_is_checked_before_anything_is_written(
    tmp_path: Path, address: str, code: str
) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        with pytest.raises(AddressRefusedError) as caught:
            await desk.withdraw("alice", AMOUNT, address=address)
        assert caught.value.code == code
        assert rows(desk.path, "SELECT count(*) FROM withdrawal") == [(0,)]


async def test_refusals_of_the_ledger_are_the_answer(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        bob = (await desk.address("bob")).view.address
        with pytest.raises(ForbiddenAddressError):
            await desk.withdraw("alice", AMOUNT, address=bob)
        with pytest.raises(InsufficientFundsError):
            await desk.withdraw("carol", AMOUNT)


async def test_w15_of_many_at_once_only_what_is_there_is_accepted(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", AMOUNT + FEE)
        batches = len(desk.batches)
        results = await asyncio.gather(
            *(desk.withdraw("alice", AMOUNT) for _ in range(60)), return_exceptions=True
        )
        accepted = [each for each in results if not isinstance(each, BaseException)]
        assert len(accepted) == 1
        assert all(isinstance(each, InsufficientFundsError) for each in results if each not in accepted)
        assert len(desk.batches) - batches < 30


async def test_w16_the_same_key_many_times_is_one_withdrawal(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        results = await asyncio.gather(
            *(desk.withdraw("alice", AMOUNT, key="same") for _ in range(20)), return_exceptions=True
        )
        assert not [each for each in results if isinstance(each, ExternalIdUsedError)]
        ids = {each.id for each in results if not isinstance(each, BaseException)}
        assert len(ids) == 1
        assert rows(desk.path, "SELECT count(*) FROM withdrawal") == [(1,)]


async def test_w13_an_empty_wallet_keeps_the_order_and_says_what_is_missing(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.pay("alice", FUNDS)
        await desk.mine(3)  # credited, but not final: not to be spent yet
        views = [await desk.withdraw("alice", AMOUNT, to=f"payee{number}") for number in range(3)]
        await desk.rest()
        assert desk.spenders["BTC"].signed == []
        assert {(await desk.withdrawal(view.id)).waiting_for for view in views} == {"funds"}
        await desk.mine(3)
        await desk.pass_time(2)
        paid_first = desk.spenders["BTC"].signed[0]
        assert paid_first.intent_id == desk.attempts()[0][0]
        assert (await desk.withdrawal(views[0].id)).status == "broadcast"
        for _ in range(3):
            await desk.mine(3)
            await desk.pass_time(1)
        await desk.mine(6)
        assert [(await desk.withdrawal(view.id)).status for view in views] == ["final"] * 3
        assert [(await desk.withdrawal(view.id)).waiting_for for view in views] == [None] * 3
        plans = desk.spenders["BTC"].signed
        intents = [each for plan in plans for each in (plan.intent_id, *plan.more)]
        order = rows(
            desk.path,
            "SELECT i.id FROM withdrawal w JOIN intent i ON i.withdrawal_id = w.id ORDER BY w.ordinal",
        )
        assert intents == [intent for (intent,) in order]
        await desk.check_chain()


async def test_while_the_node_is_down_a_payout_waits_for_it(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        desk.readers["BTC"].trouble = NodeUnavailableError("no connection")
        view = await desk.withdraw("alice", AMOUNT)
        await desk.rest()
        waiting = await desk.withdrawal(view.id)
        assert (waiting.status, waiting.waiting_for) == ("approved", "node")
        assert desk.spenders["BTC"].signed == []
        desk.readers["BTC"].trouble = None
        await desk.pass_time(4)
        assert await settle_withdrawal(desk, view.id) == "final"
        assert (await desk.withdrawal(view.id)).waiting_for is None


@pytest.mark.parametrize("lose", [1, 3])
async def test_w02_a_lost_answer_sends_the_same_bytes_again_and_pays_once(tmp_path: Path, lose: int) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        desk.spenders["BTC"].lose_answers = lose
        view = await desk.withdraw("alice", AMOUNT)
        await desk.rest()
        await desk.pass_time(40, 5)
        assert len(set(desk.spenders["BTC"].bytes_sent)) == 1
        assert not (await desk.withdrawal(view.id)).attention
        assert await settle_withdrawal(desk, view.id) == "final"
        assert len(desk.attempts()) == 1


async def test_an_unknown_attempt_that_a_block_holds_is_settled(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        desk.spenders["BTC"].lose_answers = 1
        view = await desk.withdraw("alice", AMOUNT)
        await desk.rest()
        assert await settle_withdrawal(desk, view.id) == "final"
        assert len(desk.spenders["BTC"].signed) == 1


async def test_bytes_that_never_left_are_sent_by_the_next_round(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        spender = desk.spenders["BTC"]
        spender.crash_on_send = RuntimeError("a fault between the record and the wire")
        view = await desk.withdraw("alice", AMOUNT)
        await desk.rest()
        assert (await desk.tree_states())["withdrawal:BTC"] == "up"
        (raw,) = {raw for _, _, raw in desk.attempts()}
        await desk.pass_time(2)
        assert set(spender.bytes_sent) == {raw}
        assert await settle_withdrawal(desk, view.id) == "final"
        assert len(spender.signed) == 1


@pytest.mark.parametrize(
    "fault_at", ["ReserveAttempt", "RecordSigned", "RecordBroadcast", "GetPayoutWork", "GetUnsettledAttempts"]
)
@pytest.mark.parametrize("kind", ["crash", "after commit", "disk full"])
async def test_w01_whatever_step_of_the_books_fails_it_is_paid_once(
    tmp_path: Path, fault_at: str, kind: str
) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        desk.fail_at(fault_at, kind)
        view = await desk.withdraw("alice", AMOUNT)
        await desk.rest()
        await desk.pass_time(20, 2)
        assert desk.failed_at == [fault_at]
        assert len(set(desk.spenders["BTC"].bytes_sent)) == 1
        assert await settle_withdrawal(desk, view.id) == "final"
        assert [state for _, state, raw in desk.attempts() if raw] == ["mined"]
        assert await desk.balance("alice") == (FUNDS - AMOUNT - FEE, 0, 0)
        await desk.check_chain()


async def test_inputs_taken_meanwhile_are_planned_again(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        desk.fail_at("ReserveAttempt", InputsTakenError("somebody else has it"))
        view = await desk.withdraw("alice", AMOUNT)
        await desk.rest()
        assert desk.failed_at == ["ReserveAttempt"]
        assert await settle_withdrawal(desk, view.id) == "final"


async def test_inputs_that_are_always_taken_do_not_make_a_hot_loop(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        for _ in range(1_000):
            desk.fail_at("ReserveAttempt", InputsTakenError("somebody else has it"))
        await desk.withdraw("alice", AMOUNT)
        await desk.rest()
        assert len(desk.failed_at) <= 6
        await desk.pass_time(3)
        assert len(desk.failed_at) <= 18


async def test_a_refusal_of_the_signer_frees_the_inputs_and_the_pauses_grow(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        spender = desk.spenders["BTC"]
        spender.refusal = SignerError("over the limit of the day")
        view = await desk.withdraw("alice", AMOUNT)
        await desk.rest()
        assert [state for _, state, _ in desk.attempts()] == ["abandoned"]
        assert rows(desk.path, "SELECT count(*) FROM utxo WHERE reserved_by IS NOT NULL") == [(0,)]
        waiting = await desk.withdrawal(view.id)
        assert (waiting.status, waiting.waiting_for) == ("approved", "node")
        await desk.pass_time(60)
        assert 4 <= len(spender.signed) <= 7
        spender.refusal = None
        await desk.pass_time(31)
        assert await settle_withdrawal(desk, view.id) == "final"
        value = desk.metrics.registry.get_sample_value
        assert value("cashier_signatures_total", {"currency": "BTC", "result": "signed"}) == 1
        refused = value("cashier_signatures_total", {"currency": "BTC", "result": "refused"})
        assert refused is not None
        assert refused >= 4


async def test_w02_without_an_answer_of_the_signer_the_same_is_asked_again(tmp_path: Path) -> None:
    """It may have signed: another plan would be a second payment to it, and it would refuse that for ever."""
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        spender = desk.spenders["BTC"]
        spender.refusal = SignerSilentError("no answer within 10 s")
        view = await desk.withdraw("alice", AMOUNT)
        await desk.rest()
        await desk.pass_time(60)
        assert [state for _, state, _ in desk.attempts()] == ["prepared"]
        assert len(spender.signed) > 1
        assert len(set(spender.signed)) == 1
        waiting = await desk.withdrawal(view.id)
        assert (waiting.status, waiting.waiting_for) == ("approved", "node")
        spender.refusal = None
        await desk.pass_time(31)
        assert await settle_withdrawal(desk, view.id) == "final"
        value = desk.metrics.registry.get_sample_value
        assert (value("cashier_signatures_total", {"currency": "BTC", "result": "failed"}) or 0) > 1


async def test_a_storm_of_hints_starts_one_task(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        await desk.rest()
        batches = len(desk.batches)
        for _ in range(500):
            desk.directory.tell("withdrawal:BTC", WorkReady())
        await desk.rest()
        assert sum(desk.batches[batches:]) < 20


async def test_l04_a_request_while_the_disk_is_full_is_not_executed(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        desk.faults.append(UNAVAILABLE)
        with pytest.raises(Unavailable):
            await desk.withdraw("alice", AMOUNT, key="again")
        view = await desk.withdraw("alice", AMOUNT, key="again")
        await desk.rest()
        assert await settle_withdrawal(desk, view.id) == "final"
        assert rows(desk.path, "SELECT count(*) FROM withdrawal") == [(1,)]


async def test_a_reorg_of_a_payout_pays_it_neither_twice_nor_back(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        view = await desk.withdraw("alice", AMOUNT)
        await desk.rest()
        await desk.mine(3)
        assert (await desk.withdrawal(view.id)).status == "confirmed"
        desk.chains["BTC"].reorg(3)
        await desk.poke()
        assert (await desk.withdrawal(view.id)).status == "broadcast"
        await desk.pass_time(20, 5)
        assert await settle_withdrawal(desk, view.id) == "final"
        assert len(set(desk.spenders["BTC"].bytes_sent)) == 1
        await desk.check_chain()


async def test_w10_a_sent_chain_tx_that_the_node_forgot_is_sent_again(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        view = await desk.withdraw("alice", AMOUNT)
        await desk.rest()
        desk.chains["BTC"].mempool.clear()
        await desk.pass_time(40, 5)
        assert len(desk.chains["BTC"].mempool) == 1
        assert len(set(desk.spenders["BTC"].bytes_sent)) == 1
        assert await settle_withdrawal(desk, view.id) == "final"


async def test_a_draining_currency_pays_what_is_open(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        desk.readers["BTC"].trouble = NodeUnavailableError("gone")
        view = await desk.withdraw("alice", AMOUNT)
        await desk.rest()
        chain = desk.chains["BTC"]
    async with open_desk(
        tmp_path, environ={"CASHIER__COINS__BTC__DRAINING": "true"}, is_started=False
    ) as desk:
        desk.chains["BTC"] = chain
        await desk.start()
        await desk.rest()
        await desk.pass_time(2)
        assert await settle_withdrawal(desk, view.id) == "final"


async def test_money_that_credits_nobody_is_sent_back_once_to_a_checked_address(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        await desk.fund("bob", 999)
        (case,) = (await desk.ask("ledger_reader", ListCases())).data
        assert (case.status, case.amount) == ("open", 999)

        def request(address: str) -> RequestRefund:
            key = Idempotency("operator:op_ann", f"to {address}", "hash")
            return RequestRefund(case.id, "wd_back", "BTC", address, "operator:op_ann", "sent back", key)

        for address, error in (
            ("nonsense", AddressRefusedError),
            ((await desk.address("alice")).view.address, ForbiddenAddressError),
        ):
            with pytest.raises(error):
                await desk.ask("withdrawal:BTC", request(address))
        payee = foreign("sender").address
        first = await desk.ask("withdrawal:BTC", request(payee))
        again = await desk.ask("withdrawal:BTC", request(payee))
        assert (first.value.status, again.is_replayed) == ("refunding", True)
        await desk.rest()
        assert await settle_withdrawal(desk, "wd_back") == "final"
        assert (await desk.ask("ledger_reader", GetCase(case.id))).status == "refunded"
        assert (await desk.withdrawal("wd_back")).client_id == "house"
        await desk.check_chain()
