"""The planted differences on a chain with accounts, in its own currency and in a token: kind, exact amount
and first block of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.messages import ListCases
from ledger import accounts
from ledger.connection import connect
from ledger.errors import CurrencyUnavailableError
from ledger.journal import Posting
from ledger.queries import Filter, GetStanding
from tests.actors.desk import TOKEN, Desk, open_desk
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

ETHER = 10**18
UNIT = {"ETH": ETHER // 100, TOKEN: 20 * 10**6}
"""An amount of each currency that may be withdrawn."""
ENVIRON = {
    "CASHIER__ACTORS__RECONCILE_INTERVAL_S": "600000",
    "CASHIER__COINS__ETH__SWEEP_THRESHOLD": "1000",
    "CASHIER__COINS__USDT_ETH__SWEEP_THRESHOLD": "100000",
    "CASHIER__COINS__USDT_ETH__APPROVAL_ABOVE": "1000000",
}
both = pytest.mark.parametrize("currency", ["ETH", TOKEN])


async def hot_account(desk: Desk) -> bytes:
    ((script,),) = rows(desk.path, "SELECT script FROM own_script WHERE purpose = 'hot' AND chain = 'ETH'")
    return bytes(script)


@pytest.fixture
async def desk(tmp_path: Path) -> Any:
    async with open_desk(tmp_path, "ETH", TOKEN, environ=ENVIRON, is_checked=False) as opened:
        for currency in ("ETH", TOKEN):
            for name in ("alice", "carol"):
                await opened.fund(name, 100 * UNIT[currency], currency)
        hot = await hot_account(opened)
        opened.chains["ETH"].pay((hot, 5 * ETHER))
        opened.chains["ETH"].pay((hot, 900 * UNIT[TOKEN]), token=TOKEN)
        await opened.mine(7, "ETH")
        for currency in ("ETH", TOKEN):
            await opened.withdraw("alice", UNIT[currency], currency)
            await opened.pass_time(3)
            await opened.mine(7, "ETH")
            assert (await compared(opened, currency)).status == "ok"
        yield opened


async def wrong(desk: Desk, height: int, currency: str) -> Any:
    return await only(desk, height, currency, UNIT[currency])


@both
async def test_l11_a_missing_deposit(desk: Desk, currency: str) -> None:
    script = await desk.script_of("alice", currency)
    with Blind(desk, "ETH"):
        paid = await desk.pay("alice", 777, currency)
        await desk.mine(1, "ETH")
    height = desk.height("ETH")
    await desk.mine(5, "ETH")
    found = await wrong(desk, height, currency)
    assert (found.kind, found.amount, found.txid) == ("missing_deposit", 777, paid.txid)
    assert (found.script, found.location) == (script, "deposit")


@both
async def test_l11_an_extra_credit(desk: Desk, currency: str) -> None:
    await desk.mine(4, "ETH")
    height = desk.height("ETH") - 2
    posting = Posting(onchain(currency), available("alice", currency), 5)
    plant(desk, "ETH", height, "deposit_received", "0x" + "ab" * 32, posting)
    found = await wrong(desk, height, currency)
    assert (found.kind, found.amount) == ("extra_credit", -5)


@both
@pytest.mark.parametrize("with_receipt", [False, True])
async def test_l11_an_orphan_deposit(desk: Desk, currency: str, with_receipt: bool) -> None:
    await desk.mine(4, "ETH")
    height, txid, lost = desk.height("ETH") - 2, "0x" + "cd" * 32, "0x" + "ee" * 32
    script = await desk.script_of("alice", currency)
    if with_receipt:
        plant_receipt(desk, currency, height, txid, script, 5, lost)
    else:
        posting = Posting(onchain(currency), available("alice", currency), 5)
        plant(desk, "ETH", height, "deposit_received", txid, posting, block_hash=lost)
    found = await wrong(desk, height, currency)
    assert (found.kind, found.amount, found.txid) == ("orphan", -5, txid)
    assert found.script == (script if with_receipt else b"")


@both
async def test_l11_a_duplicated_credit(desk: Desk, currency: str) -> None:
    paid = await desk.pay("alice", UNIT[currency], currency)
    await desk.mine(1, "ETH")
    height = desk.height("ETH")
    await desk.mine(5, "ETH")
    posting = Posting(onchain(currency), available("alice", currency), UNIT[currency])
    plant(desk, "ETH", height, "deposit_received", paid.txid, posting)
    found = await wrong(desk, height, currency)
    assert (found.kind, found.amount, found.txid) == ("duplicate", -UNIT[currency], paid.txid)


@both
async def test_l11_unknown_outgoing_that_the_books_missed(desk: Desk, currency: str) -> None:
    hot = await hot_account(desk)
    chain = desk.chains["ETH"]
    token = TOKEN if currency == TOKEN else ""
    gas = 0 if token else 21
    with Blind(desk, "ETH"):
        nonce = chain.tip.state.nonces[hot]
        outputs = ((foreign("thief", "ETH").script, 4_321),)
        thief = FakeTx(outputs=outputs, sender=hot, nonce=nonce, gas_fee=gas, token=token)
        chain.send(thief)
        await desk.mine(1, "ETH")
    height = desk.height("ETH")
    await desk.mine(4, "ETH")
    view = await compared(desk, currency)
    (block,) = (await explained(desk, view)).blocks
    found = {each.kind: each.amount for each in block.found}
    assert block.ref.height == height
    assert found == {"unknown_outgoing": -4_321} | ({"wrong_fee": -gas} if gas else {})
    assert {each.txid for each in block.found} == {thief.txid}
    held = await desk.withdraw("carol", UNIT[currency], currency)
    await desk.pass_time(3)
    assert (await desk.withdrawal(held.id)).waiting_for == "funds"


async def test_l11_a_wrong_fee(desk: Desk) -> None:
    ((height, txid),) = rows(
        desk.path, "SELECT block_height, txid FROM attempt WHERE state = 'mined' AND currency = 'ETH'"
    )
    plant(desk, "ETH", height, "gas", txid, Posting(accounts.network_fee("ETH"), onchain("ETH", "hot"), 9))
    await desk.mine(1, "ETH")
    found = await wrong(desk, height, "ETH")
    assert (found.kind, found.amount, found.txid, found.location) == ("wrong_fee", 9, txid, "hot")


async def test_l11_a_wrong_fee_of_a_token(desk: Desk) -> None:
    ((height, txid),) = rows(
        desk.path, "SELECT block_height, txid FROM attempt WHERE state = 'mined' AND currency = ?", TOKEN
    )
    fee = Posting(accounts.token_fee(TOKEN), onchain(TOKEN, "hot"), 9)
    plant(desk, "ETH", height, "internal", txid, fee)
    await desk.mine(1, "ETH")
    found = await wrong(desk, height, TOKEN)
    assert (found.kind, found.amount, found.txid, found.location) == ("wrong_fee", 9, txid, "hot")


async def test_l11_a_fee_that_a_token_kept_and_the_books_tell_otherwise(tmp_path: Path) -> None:
    environ = ENVIRON | {"CASHIER__COINS__USDT_ETH__SWEEP_THRESHOLD": "1"}
    async with open_desk(tmp_path, "ETH", TOKEN, environ=environ, is_checked=False) as desk:
        chain, hot = desk.chains["ETH"], await hot_account(desk)
        chain.pay((hot, ETHER))
        await desk.fund("carol", 10 * UNIT[TOKEN], TOKEN)
        await desk.pass_time(3)
        await desk.mine(1, "ETH")  # the gas for the sweep
        await desk.pass_time(2)
        chain.taxed[TOKEN] = 10
        with Slipped(desk, "ETH", 1, more=-UNIT[TOKEN]):
            await desk.mine(1, "ETH")
        height = desk.height("ETH")
        await desk.mine(3, "ETH")
        ((txid,),) = rows(
            desk.path, "SELECT txid FROM attempt WHERE currency = ? AND block_height = ?", TOKEN, height
        )
        view = await compared(desk, TOKEN)
        (block,) = (await explained(desk, view)).blocks
        (found,) = block.found
        assert (block.ref.height, found.kind, found.txid) == (height, "wrong_fee", txid)
        assert (found.amount, found.location, found.script) == (UNIT[TOKEN], "hot", hot)
        assert rows(desk.path, "SELECT balance FROM account WHERE name = ?", f"token_fee:{TOKEN}") == [
            (str(2 * UNIT[TOKEN]),)
        ]


@both
async def test_l11_forced_money_that_no_chain_tx_brought(desk: Desk, currency: str) -> None:
    script = await desk.script_of("alice", currency)
    await desk.mine(1, "ETH")
    height = desk.height("ETH")
    chain = desk.chains["ETH"]
    state = chain.tip.state
    if currency == TOKEN:
        tokens = {**state.tokens, (TOKEN, script): state.tokens.get((TOKEN, script), 0) + 66}
        state = replace(state, tokens=tokens)
    else:
        balances = {**state.balances, script: state.balances.get(script, 0) + 66}
        state = replace(state, balances=balances)
    chain.tip = chain.blocks[chain.tip.ref.block_hash] = replace(chain.tip, state=state)
    await desk.mine(3, "ETH")
    found = await wrong(desk, height, currency)
    assert (found.kind, found.amount, found.script) == ("forced_balance", 66, script)


@both
async def test_l11_a_stuck_withdrawal_that_was_paid_unseen(desk: Desk, currency: str) -> None:
    await desk.withdraw("carol", 2 * UNIT[currency], currency)
    await desk.pass_time(3)
    with Blind(desk, "ETH"):
        await desk.mine(1, "ETH")
    height = desk.height("ETH")
    await desk.mine(3, "ETH")
    ((txid,),) = rows(desk.path, "SELECT txid FROM attempt WHERE state = 'broadcast'")
    (block,) = (await explained(desk, await compared(desk, currency))).blocks
    assert block.ref.height == height
    assert {each.txid for each in block.found} == {txid}
    gas = int(rows(desk.path, "SELECT fee FROM attempt WHERE state = 'broadcast'")[0][0]) // 2
    expected = {"stuck_withdrawal": -2 * UNIT[currency]} | ({"wrong_fee": -gas} if currency == "ETH" else {})
    assert {each.kind: each.amount for each in block.found} == expected


@both
async def test_l11_a_stuck_withdrawal_is_named_and_no_difference(desk: Desk, currency: str) -> None:
    first, chain = desk.height("ETH") + 1, desk.chains["ETH"]
    order = await desk.withdraw("carol", 2 * UNIT[currency], currency)
    await desk.pass_time(3)
    db = connect(desk.path)  # the chain in memory has times of its own
    db.execute("UPDATE withdrawal SET created_at = ? WHERE id = ?", (chain.tip.ref.time, order.id))
    db.close()
    kept = dict(chain.mempool)
    for _ in range(7):
        chain.mempool.clear()
        await desk.mine(1, "ETH")
        chain.mempool.update(kept)
    assert (await compared(desk, currency)).status == "ok"
    standing = await desk.ask("ledger_reader", GetStanding(currency))
    assert [(each.amount, each.height, each.ref) for each in standing if each.kind == "stuck_withdrawal"] == [
        (order.amount, first, order.id)
    ]


@both
@pytest.mark.parametrize(("factor", "kind"), [(10**3, "wrong_decimals"), (7, "wrong_amount")])
async def test_l11_wrong_decimals(desk: Desk, currency: str, factor: int, kind: str) -> None:
    with Slipped(desk, "ETH", factor):
        paid = await desk.pay("alice", UNIT[currency], currency)
        await desk.mine(1, "ETH")
    height = desk.height("ETH")
    await desk.mine(3, "ETH")
    found = await wrong(desk, height, currency)
    assert (found.kind, found.amount, found.txid) == (kind, UNIT[currency] * (1 - factor), paid.txid)


@both
async def test_l11_what_was_never_swept_is_named_and_no_difference(desk: Desk, currency: str) -> None:
    await desk.mine(12, "ETH")
    assert (await compared(desk, currency)).status == "ok"
    standing = await desk.ask("ledger_reader", GetStanding(currency))
    assert "unswept" not in {each.kind for each in standing}
    db = connect(desk.path)  # as after a sweep threshold that was lowered while nothing swept
    db.execute("UPDATE script_balance SET is_sweepable = 1 WHERE currency = ? AND amount <> '0'", (currency,))
    script = await desk.script_of("carol", currency)
    ((amount, first),) = db.execute(
        "SELECT b.amount, max(m.height) FROM script_balance b"
        " JOIN own_script s ON s.sequence = b.script_sequence"
        " JOIN chain_movement m ON m.script_sequence = s.sequence AND m.currency = b.currency"
        " WHERE s.script = ? AND b.currency = ?",
        (script, currency),
    ).fetchall()
    db.close()
    standing = await desk.ask("ledger_reader", GetStanding(currency))
    assert ("unswept", int(amount), first) in [(each.kind, each.amount, each.height) for each in standing]


@both
async def test_l11_parked_funds_are_named_and_no_difference(desk: Desk, currency: str) -> None:
    await desk.pay("alice", 3, currency)
    await desk.mine(1, "ETH")
    assert (await compared(desk, currency)).status == "ok"
    cases = (await desk.ask("ledger_reader", ListCases(Filter(), 50))).data
    assert [(case.amount, case.block_height) for case in cases if case.kind == "parked"] == [
        (3, desk.height("ETH"))
    ]
    standing = await desk.ask("ledger_reader", GetStanding(currency))
    assert [(each.kind, each.amount, each.height) for each in standing if each.amount == 3] == [
        ("parked", 3, desk.height("ETH"))
    ]


async def test_a_token_that_the_node_cannot_tell_at_a_block_is_no_finding(desk: Desk) -> None:
    await desk.mine(4, "ETH")
    posting = Posting(onchain(TOKEN), available("alice", TOKEN), 5)
    plant(desk, "ETH", desk.height("ETH") - 2, "deposit_received", "0x" + "ab" * 32, posting)
    reader = desk.readers["ETH"]
    honest = reader.history

    async def silent(*arguments: Any) -> Any:
        reader.tokens = ()
        return await honest(*arguments)

    reader.history = silent  # type: ignore[assignment,method-assign]
    view = await compared(desk, TOKEN)
    assert view.status == "mismatch"
    with pytest.raises(CurrencyUnavailableError, match=f"cannot tell what we own of {TOKEN}"):
        await explained(desk, view)
    assert rows(desk.path, "SELECT count(*) FROM unclaimed_case WHERE kind IN ('short', 'surplus')") == [(0,)]
