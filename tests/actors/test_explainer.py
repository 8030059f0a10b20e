"""The twelve planted differences: each is found with its kind, its exact amount and its first block."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.messages import ListCases
from coins.types import Outpoint
from ledger import accounts
from ledger.connection import connect
from ledger.journal import Posting
from ledger.queries import Filter, GetStanding
from tests.actors.desk import Desk, open_desk
from tests.actors.planting import (
    Blind,
    Slipped,
    available,
    compared,
    explained,
    onchain,
    only,
    plant,
    plant_receipt,
)
from tests.fakes.chain import FakeTx
from tests.fakes.coin import foreign
from tests.ledger.books import rows

DEPOSIT, HOT = onchain("BTC"), onchain("BTC", "hot")
ALICE = available("alice", "BTC")


def unspent(desk: Desk) -> tuple[str, int, int]:
    """An output of ours at a deposit address."""
    sql = "SELECT txid, output_index, amount FROM utxo WHERE spent_by IS NULL AND location = 'deposit'"
    (txid, index, amount), *_ = rows(desk.path, sql)
    return txid, index, int(amount)


@pytest.fixture
async def desk(tmp_path: Path) -> Any:
    environ = {"CASHIER__ACTORS__RECONCILE_INTERVAL_S": "600000"}
    async with open_desk(tmp_path, environ=environ, is_checked=False) as opened:
        for name in ("alice", "carol"):
            await opened.fund(name, 1_000_000)
        await opened.withdraw("alice", 100_000)
        await opened.rest()
        await opened.mine(8)
        assert (await compared(opened)).status == "ok"
        yield opened


async def test_l11_a_missing_deposit(desk: Desk) -> None:
    script = await desk.script_of("alice")
    with Blind(desk, "BTC"):
        paid = desk.chains["BTC"].pay((script, 77_777))
        await desk.mine()
    height = desk.height()
    await desk.mine(9)
    found = await only(desk, height)
    assert (found.kind, found.amount, found.txid) == ("missing_deposit", 77_777, paid.txid)
    assert (found.position, found.script, found.location) == ("out:0", script, "deposit")


async def test_l11_an_extra_credit(desk: Desk) -> None:
    await desk.mine(5)
    height = desk.height() - 3
    journal_id = plant(
        desk,
        "BTC",
        height,
        "deposit_received",
        "ab" * 32,
        Posting(DEPOSIT, ALICE, 12_345),
    )
    found = await only(desk, height)
    assert (found.kind, found.amount, found.position) == ("extra_credit", -12_345, f"journal:{journal_id}")


async def test_l11_a_duplicated_credit(desk: Desk) -> None:
    paid = await desk.pay("alice", 60_000)
    await desk.mine()
    height = desk.height()
    await desk.mine(8)
    plant(
        desk,
        "BTC",
        height,
        "deposit_received",
        paid.txid,
        Posting(DEPOSIT, ALICE, 60_000),
    )
    found = await only(desk, height)
    assert (found.kind, found.amount, found.txid) == ("duplicate", -60_000, paid.txid)


async def test_l11_a_stolen_output_that_the_books_missed(desk: Desk) -> None:
    txid, index, amount = unspent(desk)
    with Blind(desk, "BTC"):
        thief = FakeTx(inputs=(Outpoint(txid, index),), outputs=((foreign("thief").script, amount - 500),))
        desk.chains["BTC"].send(thief)
        await desk.mine()
    height = desk.height()
    await desk.mine(6)
    found = await only(desk, height)
    assert (found.kind, found.amount, found.txid) == ("stolen_utxo", -amount, thief.txid)
    assert found.position == f"in:{txid}:{index}"


async def test_l11_a_stolen_change_output_is_named_as_change(desk: Desk) -> None:
    sql = (
        "SELECT u.txid, u.output_index, u.amount, s.script FROM utxo u JOIN own_script s"
        " ON s.sequence = u.script_sequence WHERE u.spent_by IS NULL AND s.branch = 'change'"
    )
    ((txid, index, amount, script),) = rows(desk.path, sql)
    with Blind(desk, "BTC"):
        thief = FakeTx(inputs=(Outpoint(txid, index),), outputs=((foreign("thief").script, int(amount)),))
        desk.chains["BTC"].send(thief)
        await desk.mine()
    height = desk.height()
    await desk.mine(6)
    found = await only(desk, height)
    assert (found.kind, found.location, found.amount) == ("stolen_utxo", "change", -int(amount))
    assert (found.txid, found.script) == (thief.txid, bytes(script))
    lines = {line["location"]: line for line in (await compared(desk)).lines}
    assert list(lines) == ["deposit", "hot", "change", "cold"]
    assert [line["difference"] for line in lines.values()] == [0, 0, -int(amount), 0]
    assert (lines["change"]["chain"], lines["change"]["books"]) == (0, int(amount))


async def test_l11_change_that_the_books_take_for_hot_is_found_although_the_sum_agrees(desk: Desk) -> None:
    db = connect(desk.path)
    db.execute(
        "UPDATE utxo SET script_sequence = (SELECT sequence FROM own_script WHERE purpose = 'hot')"
        " WHERE spent_by IS NULL AND location = 'hot'"
    )
    db.close()
    view = await compared(desk)
    apart = {line["location"]: line["difference"] for line in view.lines}
    assert (view.status, apart["hot"]) == ("mismatch", -apart["change"])
    assert apart["change"] > 0
    found = [each for block in (await explained(desk, view)).blocks for each in block.found]
    assert {each.location: each.amount for each in found} == {
        "hot": apart["hot"], "change": apart["change"],
    }  # fmt: skip


async def test_l11_unknown_outgoing_that_the_books_missed(desk: Desk) -> None:
    txid, index, amount = unspent(desk)
    ((hot,),) = rows(desk.path, "SELECT script FROM own_script WHERE purpose = 'hot'")
    outputs = ((foreign("somebody").script, amount - 30_500), (bytes(hot), 30_000))
    with Blind(desk, "BTC"):
        paid = FakeTx(inputs=(Outpoint(txid, index),), outputs=outputs)
        desk.chains["BTC"].send(paid)
        await desk.mine()
    height = desk.height()
    await desk.mine(6)
    view = await compared(desk)
    (block,) = (await explained(desk, view)).blocks
    assert block.ref.height == height
    assert {(each.kind, each.location, each.amount, each.txid) for each in block.found} == {
        ("unknown_outgoing", "deposit", -amount, paid.txid), ("unknown_outgoing", "hot", 30_000, paid.txid),
    }  # fmt: skip
    held = await desk.withdraw("carol", 100_000)
    await desk.pass_time(3)
    assert (await desk.withdrawal(held.id)).waiting_for == "funds"


async def test_l11_unknown_outgoing_that_was_seen_is_a_case_and_no_difference(desk: Desk) -> None:
    txid, index, amount = unspent(desk)
    desk.chains["BTC"].send(
        FakeTx(inputs=(Outpoint(txid, index),), outputs=((foreign("thief").script, amount),))
    )
    await desk.mine()
    view = await compared(desk)
    assert (view.status, view.totals["unexplained"]) == ("ok", amount)
    (case,) = (await desk.ask("ledger_reader", ListCases(Filter(), 50))).data
    assert (case.kind, case.amount, case.block_height) == ("unexplained", amount, desk.height())
    (standing,) = await desk.ask("ledger_reader", GetStanding("BTC"))
    assert (standing.kind, standing.amount, standing.height) == ("unknown_outgoing", amount, desk.height())
    held = await desk.withdraw("carol", 100_000)
    await desk.pass_time(3)
    assert (await desk.withdrawal(held.id)).waiting_for == "funds"


async def test_l11_a_wrong_fee(desk: Desk) -> None:
    ((height, txid),) = rows(desk.path, "SELECT block_height, txid FROM attempt WHERE state = 'mined'")
    posting = Posting(accounts.network_fee("BTC"), HOT, 7)
    (agreed,) = rows(desk.path, "SELECT max(height) FROM reconciliation")[0]
    assert height < agreed
    plant(desk, "BTC", height, "fee", txid, posting)
    await desk.mine()
    found = await only(desk, height)
    assert (found.kind, found.amount, found.txid, found.location) == ("wrong_fee", 7, txid, "hot")


async def test_l11_a_stuck_withdrawal_that_was_paid_unseen(desk: Desk) -> None:
    await desk.withdraw("carol", 300_000)
    await desk.rest()
    with Blind(desk, "BTC"):
        await desk.mine()
    height = desk.height()
    await desk.mine(4)
    ((txid,),) = rows(desk.path, "SELECT txid FROM attempt WHERE state = 'broadcast'")
    view = await compared(desk)
    (block,) = (await explained(desk, view)).blocks
    assert block.ref.height == height
    assert {(each.kind, each.txid) for each in block.found} == {("stuck_withdrawal", txid)}
    difference = sum(int(line["difference"]) for line in view.lines)
    assert sum(each.amount for each in block.found) == difference < -300_000


@pytest.mark.parametrize("with_receipt", [False, True])
async def test_l11_an_orphan_deposit(desk: Desk, with_receipt: bool) -> None:
    await desk.mine(3)
    height, script = desk.height() - 1, await desk.script_of("alice")
    if with_receipt:
        plant_receipt(desk, "BTC", height, "cd" * 32, script, 4_000, "ee" * 32)
    else:
        plant(desk, "BTC", height, "deposit_received", "cd" * 32, Posting(DEPOSIT, ALICE, 4_000),
              block_hash="ee" * 32)  # fmt: skip
    found = await only(desk, height)
    assert (found.kind, found.amount, found.txid) == ("orphan", -4_000, "cd" * 32)
    assert found.script == (script if with_receipt else b"")


@pytest.mark.parametrize(("factor", "kind"), [(100, "wrong_decimals"), (3, "wrong_amount")])
async def test_l11_wrong_decimals(desk: Desk, factor: int, kind: str) -> None:
    with Slipped(desk, "BTC", factor):
        paid = await desk.pay("alice", 50_000)
        await desk.mine()
    height = desk.height()
    await desk.mine(4)
    found = await only(desk, height)
    assert (found.kind, found.amount, found.txid) == (kind, 50_000 - factor * 50_000, paid.txid)


async def test_l11_parked_funds_are_named_and_no_difference(desk: Desk) -> None:
    await desk.pay("alice", 10)
    await desk.mine()
    view = await compared(desk)
    (case,) = (await desk.ask("ledger_reader", ListCases(Filter(), 50))).data
    assert (view.status, case.kind, case.amount, case.block_height) == ("ok", "parked", 10, desk.height())
    (standing,) = await desk.ask("ledger_reader", GetStanding("BTC"))
    assert (standing.kind, standing.amount, standing.height) == ("parked", 10, desk.height())


async def test_l11_a_stuck_withdrawal_is_named_and_no_difference(desk: Desk) -> None:
    first = desk.height() + 1
    order = await desk.withdraw("carol", 200_000)
    await desk.rest()
    db = connect(desk.path)  # the chain in memory has times of its own
    db.execute(
        "UPDATE withdrawal SET created_at = ? WHERE id = ?", (desk.chains["BTC"].tip.ref.time, order.id)
    )
    db.close()
    chain = desk.chains["BTC"]
    kept = dict(chain.mempool)
    for _ in range(7):
        chain.mempool.clear()
        await desk.mine()
        chain.mempool.update(kept)
    assert (await compared(desk)).status == "ok"
    (standing,) = await desk.ask("ledger_reader", GetStanding("BTC"))
    assert (standing.kind, standing.amount, standing.ref) == ("stuck_withdrawal", order.amount, order.id)
    assert standing.height == first


async def test_l11_two_things_at_two_blocks_are_both_found(desk: Desk) -> None:
    await desk.mine(9)
    first, second = desk.height() - 7, desk.height() - 2
    plant(desk, "BTC", first, "deposit_received", "ab" * 32, Posting(DEPOSIT, ALICE, 1_000))
    plant(desk, "BTC", second, "deposit_received", "ac" * 32, Posting(HOT, ALICE, 5))
    blocks = (await explained(desk, await compared(desk))).blocks
    assert [(block.ref.height, block.found[0].amount) for block in blocks] == [(first, -1_000), (second, -5)]


async def test_a_difference_that_is_gone_closes_its_case_and_lets_payouts_leave(desk: Desk) -> None:
    await desk.mine(3)
    plant(
        desk,
        "BTC",
        desk.height(),
        "deposit_received",
        "ab" * 32,
        Posting(DEPOSIT, ALICE, 1_000),
    )
    await only(desk, desk.height())
    plant(
        desk,
        "BTC",
        desk.height(),
        "correction",
        "ab" * 32,
        Posting(ALICE, DEPOSIT, 1_000),
    )
    assert (await compared(desk)).status == "ok"
    assert rows(desk.path, "SELECT status FROM unclaimed_case") == [("closed",)]
    await desk.pass_time(3)
    waiting = rows(desk.path, "SELECT waiting_for FROM withdrawal WHERE status = 'approved'")
    assert ("funds",) not in waiting
    told: Callable[[str], int] = lambda kind: rows(  # noqa: E731
        desk.path, "SELECT count(*) FROM event WHERE type = ?", kind
    )[0][0]
    assert (told("case.opened"), told("case.closed")) == (1, 1)


def test_l11_each_planted_difference_of_the_table_has_its_tests() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text()
    table = text.partition("<!-- planted: begin -->")[2].partition("<!-- planted: end -->")[0]
    lines = [line.strip("| ").split(" | ") for line in table.strip().splitlines()[2:]]
    assert (len(lines), {len(line) for line in lines}) == (12, {4})
    here = Path(__file__).parent
    sources = {name: (here / f"test_explainer{name}.py").read_text() for name in ("", "_evm")}
    for planted, btc, eth, token in lines:
        for name, cell in (("", btc), ("_evm", eth), ("_evm", token)):
            for test in re.findall(r"`(\w+)`", cell):
                assert f"def test_l11_{test}(" in sources[name], (planted, test)
        if token == "=":
            (test,) = re.findall(r"`(\w+)`", eth)[:1]
            before = sources["_evm"].partition(f"async def test_l11_{test}(")[0]
            assert "@both" in before.rpartition("\n\n\n")[2], planted
