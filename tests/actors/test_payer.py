"""An attempt is taken up where a dead process left it: the same bytes, paid once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors.payer import waiting_for
from coins.errors import (
    CoinError,
    NodeBehindError,
    NodeDataError,
    NodeUnavailableError,
    PlanError,
    SignerError,
    WrongNetworkError,
)
from ledger.operator_access import CreateOperator
from ledger.request import Idempotency
from ledger.stop_command import StartPayouts, StopPayouts
from tests.actors.desk import Desk, open_desk

AMOUNT = 100_000


async def forever(*_: Any) -> Any:
    await asyncio.get_running_loop().create_future()


def stop_at(desk: Desk, stage: str) -> None:
    """Let the process hang at a stage of the next payout, until it is ended."""
    spender = desk.spenders["BTC"]
    send = spender.broadcast

    async def send_and_hang(signed: Any) -> Any:
        await send(signed)
        await forever()

    match stage:
        case "prepared":
            spender.sign = forever  # type: ignore[method-assign,assignment]
        case "signed":
            spender.broadcast = forever  # type: ignore[method-assign,assignment]
        case "sent":
            spender.broadcast = send_and_hang  # type: ignore[method-assign]
        case "unknown":
            spender.lose_answers = 1
        case _:
            assert stage == "broadcast"


@pytest.mark.parametrize(
    ("stage", "state"),
    [
        ("prepared", "prepared"),
        ("signed", "signed"),
        ("sent", "signed"),
        ("unknown", "unknown"),
        ("broadcast", "broadcast"),
    ],
)
@pytest.mark.parametrize("is_mined_meanwhile", [False, True])
async def test_w01_a_new_process_goes_on_where_the_old_one_ended(
    tmp_path: Path, stage: str, state: str, is_mined_meanwhile: bool
) -> None:
    async with open_desk(tmp_path, is_checked=False) as desk:
        await desk.fund("alice", 1_000_000)
        stop_at(desk, stage)
        view = await desk.withdraw("alice", AMOUNT)
        await desk.rest()
        ((intent, held, raw),) = desk.attempts()
        assert held == state
        chain, first = desk.chains["BTC"], desk.spenders["BTC"]
    if is_mined_meanwhile:
        chain.mine(2)
    async with open_desk(tmp_path, is_started=False) as desk:
        desk.chains["BTC"] = chain
        await desk.start()
        await desk.rest()
        await desk.pass_time(3)
        second = desk.spenders["BTC"]
        await desk.mine(6)
        assert (await desk.withdrawal(view.id)).status == "final"
        ((same_intent, last, bytes_kept),) = desk.attempts()
        assert (same_intent, last) == (intent, "mined")
        assert raw in ("", bytes_kept)
        assert {*first.bytes_sent, *second.bytes_sent} == {bytes_kept}
        assert len(second.signed) == (1 if stage == "prepared" else 0)
        assert not (await desk.withdrawal(view.id)).attention
        await desk.check_chain()


async def test_a_payout_resumed_is_not_planned_a_second_time(tmp_path: Path) -> None:
    async with open_desk(tmp_path, is_checked=False) as desk:
        await desk.fund("alice", 1_000_000)
        stop_at(desk, "prepared")
        await desk.withdraw("alice", AMOUNT)
        await desk.rest()
        chain = desk.chains["BTC"]
    for _ in range(3):
        async with open_desk(tmp_path, is_started=False, is_checked=False) as desk:
            desk.chains["BTC"] = chain
            await desk.start()
            await desk.rest()
            assert len(desk.attempts()) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PlanError("too little", waiting_for="funds"), "funds"),
        (PlanError("no gas", waiting_for="gas"), "gas"),
        (NodeUnavailableError("gone"), "node"),
        (NodeBehindError("short"), "node"),
        (NodeDataError("nonsense"), "node"),
        (WrongNetworkError("other"), "node"),
        (SignerError("no"), "node"),
    ],
)
def test_what_a_payout_waits_for_is_said_in_the_words_of_the_contract(error: CoinError, reason: str) -> None:
    assert waiting_for(error) == reason


async def test_a_stop_while_it_is_signed_keeps_the_bytes_in_the_house(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        for name in ("ann", "bob"):
            await desk.ask("ledger", CreateOperator(f"op_{name}", name, "", "", ("payments",), "test"))
        spender = desk.spenders["BTC"]
        sign = spender.sign

        async def stop_and_sign(plan: Any) -> Any:
            await desk.ask("ledger", StopPayouts("operator:op_ann", "strange", Idempotency("op", "k1", "h")))
            return await sign(plan)

        spender.sign = stop_and_sign  # type: ignore[method-assign]
        view = await desk.withdraw("alice", AMOUNT)
        await desk.rest()
        await desk.pass_time(60)
        assert spender.bytes_sent == []
        assert ((await desk.withdrawal(view.id)).status, desk.attempts()[0][1]) == ("signed", "signed")
        later = await desk.withdraw("alice", AMOUNT)
        await desk.pass_time(3)
        waiting = await desk.withdrawal(later.id)
        assert (waiting.status, waiting.waiting_for) == ("approved", "approval")
        spender.sign = sign  # type: ignore[method-assign]
        await desk.ask("ledger", StartPayouts("operator:op_bob", "", Idempotency("op", "k2", "h")))
        await desk.pass_time(3)
        await desk.mine(6)
        assert (await desk.withdrawal(view.id)).status == "final"
        await desk.check_chain()
