"""The whole balance asked for many times at once: exactly one withdrawal is taken, round after round."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from typing import Any

import pytest

from tests.demo.stage import ROOT
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Shop

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]
PROCESSES, EACH = 4, 50
BALANCE, PAID, PAID_SAT = "0.03000000", "0.02990000", 2_990_000
ZERO = "0.00000000"


@pytest.mark.parametrize("rounds", [2, pytest.param(50, marks=pytest.mark.long)])
async def test_w15_200_withdrawals_of_everything_from_several_processes(
    make_stage: MakeStage, open_shop: OpenShop, rounds: int
) -> None:
    shop = await open_shop(make_stage("BTC"))
    await shop.fund("bank", "2.00000000")
    taken = []
    for number in range(rounds):
        client, payee = f"w15-{number}", await shop.chain.foreign_address()
        await give(shop, client)
        order = shop.order(client, BALANCE, payee, fee_included=True)
        parts = await asyncio.gather(*[rush(shop, order) for _ in range(PROCESSES)])
        replies = [tuple(reply) for part in parts for reply in part]
        accepted = [code for status, code in replies if status == 201]
        assert len(replies) == PROCESSES * EACH
        assert len(accepted) == 1, replies
        assert {reply for reply in replies if reply[0] != 201} == {(409, "insufficient_funds")}
        assert [row["id"] for row in await shop.withdrawals(client)] == accepted
        assert (await shop.balance(client))["available"] == ZERO
        taken.append((client, payee, accepted[0]))
    for client, payee, withdrawal_id in taken:
        done = await shop.until_withdrawal(withdrawal_id, "final", mine=True)
        assert done["amount"] == PAID
        assert await shop.chain.received(payee) == PAID_SAT
        balance = await shop.balance(client)
        assert {balance[part] for part in ("available", "reserved", "pending", "deficit")} == {ZERO}
    assert lowest_balance(shop) == 0
    shop.check_books()


async def give(shop: Shop, client_id: str) -> None:
    """Money that the client can withdraw at once."""
    body = {"from": "bank", "to": client_id, "currency": "BTC", "amount": BALANCE, "reason": "bonus"}
    await shop.website.post("/v1/transfers", body | {"external_id": f"give-{client_id}"})


async def rush(shop: Shop, order: dict[str, Any]) -> list[list[Any]]:
    """Run one of the processes."""
    key = shop.stage.key
    task = {"base_url": shop.stage.base_url, "key": key["key"], "signing_secret": key["signing_secret"]}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.flows.rush",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(json.dumps(task | {"order": order, "times": EACH}).encode())
    assert process.returncode == 0
    return list(json.loads(out))


def lowest_balance(shop: Shop) -> int:
    """The lowest that any client's account was after any posting."""
    db = sqlite3.connect(shop.stage.folder / "data" / "cashier.sqlite")
    try:
        rows = db.execute(
            "SELECT p.debit_balance_after FROM posting p JOIN account a ON a.id = p.debit_id"
            " WHERE a.client_id IS NOT NULL UNION ALL SELECT p.credit_balance_after FROM posting p"
            " JOIN account a ON a.id = p.credit_id WHERE a.client_id IS NOT NULL"
        ).fetchall()
    finally:
        db.close()
    return min(int(balance) for (balance,) in rows)
