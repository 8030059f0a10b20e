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
from tests.actors.planting import Blind, Slipped, available, compared, explained, onchain, only, plant
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
async def test_l11_an_extra_credit_and_an_orphan(desk: Desk, currency: str) -> None:
    await desk.mine(4, "ETH")
    height = desk.height("ETH") - 2
    posting = Posting(onchain(currency), available("alice", currency), 5)
    plant(desk, "ETH", height, "deposit_received", "0x" + "ab" * 32, posting)
    found = await wrong(desk, height, currency)
    assert (found.kind, found.amount) == ("extra_credit", -5)
    plant(desk, "ETH", height + 1, "deposit_received", "0x" + "cd" * 32, posting, block_hash="0x" + "ee" * 32)
    blocks = (await explained(desk, await compared(desk, currency))).blocks
    assert [(each.ref.height, each.found[0].kind, each.found[0].amount) for each in blocks] == [
        (height, "extra_credit", -5), (height + 1, "orphan", -5),
    ]  # fmt: skip


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
    amounts = {each.kind: each.amount for each in block.found}
    fee = int(rows(desk.path, "SELECT fee FROM withdrawal ORDER BY ordinal DESC LIMIT 1")[0][0])
    assert amounts["stuck_withdrawal"] in (-2 * UNIT[currency], fee - 2 * UNIT[currency])
    assert set(amounts) <= {"stuck_withdrawal", "wrong_fee"}


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
