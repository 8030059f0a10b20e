"""What an operator finds: one payment from end to end by any of its names, nothing else, never too much."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from gateway.search import search
from ledger.commands import AnnounceHouseFunding, Idempotency, PostTransfer
from tests.gateway.fake import Answer
from tests.gateway.house import House
from tests.gateway.test_story import paid_with_a_child, shown, staffed
from tests.ledger.desk import case_id, refund
from tests.ledger.test_child import parent_of
from tests.ledger.till import ETH, Till

LISTS = (
    "clients",
    "addresses",
    "deposits",
    "withdrawals",
    "transfers",
    "cases",
    "house_movements",
    "chain_txs",
)


async def ask(house: House, token: str, text: str, more: str = "") -> Answer:
    return await house.send("GET", f"/v1/admin/search?q={quote(text, safe='')}{more}", token)


async def find(house: House, token: str, text: str, more: str = "") -> dict[str, Any]:
    answer = await ask(house, token, text, more)
    assert answer.status == 200, answer.raw
    data: dict[str, Any] = answer.data
    assert data["q"] == text
    return data


def ids(data: dict[str, Any], name: str) -> list[str]:
    return [each["id"] for each in data[name]]


def is_empty(data: dict[str, Any]) -> bool:
    return not any(data[name] for name in (*LISTS, "journal", "truncated"))


async def test_one_payment_is_found_by_each_of_its_names(tmp_path: Path) -> None:
    assert search.__doc__
    till = paid_with_a_child(tmp_path)
    parent = parent_of(till).txid
    (payee,) = till.rows("SELECT address FROM withdrawal WHERE id = 'wd_1'")[0]
    (child,) = till.rows("SELECT txid FROM attempt WHERE id = 'at_child'")[0]
    async with shown(till) as house:
        token = await house.operator()
        for text in ("wd_1", "order-1", payee, payee.upper(), "pay_wd_1"):
            data = await find(house, token, text)
            assert "wd_1" in ids(data, "withdrawals"), text
            assert {tx["kind"] for tx in data["chain_txs"]} == {"payout", "cpfp"}, text
            assert [entry["kind"] for entry in data["journal"]][-2:] == ["payout", "cpfp"]
            assert [client["client_id"] for client in data["clients"]] == ["alice"]
        for text in (parent, parent.upper()):
            data = await find(house, token, text)
            assert sorted(ids(data, "withdrawals")) == ["wd_1", "wd_2"]
            assert {tx["txid"] for tx in data["chain_txs"]} == {parent, child}
        assert [tx["kind"] for tx in (await find(house, token, child))["chain_txs"]] == ["cpfp"]


async def test_a_deposit_is_found_with_what_spent_it(tmp_path: Path) -> None:
    till = paid_with_a_child(tmp_path)
    ((deposit, txid, address),) = till.rows(
        "SELECT d.id, d.txid, s.address FROM deposit d JOIN own_script s ON s.sequence = d.script_sequence"
    )
    async with shown(till) as house:
        token = await house.operator()
        for text in (deposit, txid, address):
            data = await find(house, token, text)
            assert ids(data, "deposits") == [deposit]
            assert data["deposits"][0]["client_id"] == "alice"
            assert "payout" in {tx["kind"] for tx in data["chain_txs"]}
            assert {"deposit_credited"} <= {entry["kind"] for entry in data["journal"]}
        (known,) = (await find(house, token, address))["addresses"]
        assert (known["address"], known["client_id"], known["location"]) == (address, "alice", "deposit")


async def test_a_client_is_found_with_balances_and_the_newest_payments(tmp_path: Path) -> None:
    till = staffed(Till(tmp_path))
    for _ in range(4):
        till.deposit("alice", 20_000, blocks=1)
    till.deposit("bob", 20_000, blocks=6)
    till.open("alice", 5_000)
    async with shown(till) as house:
        token = await house.operator()
        data = await find(house, token, "alice")
        assert len(data["deposits"]) == 4
        assert {each["client_id"] for each in data["deposits"]} == {"alice"}
        assert (len(data["withdrawals"]), len(data["addresses"]), data["truncated"]) == (1, 1, [])
        (client,) = data["clients"]
        assert client["balances"][0]["reserved"] == "0.00005500"
        bounded = await find(house, token, "alice", "&limit=2")
        assert [len(bounded["deposits"]), len(bounded["journal"])] == [2, 2]
        assert bounded["truncated"] == ["deposits", "journal"]
        assert ids(bounded, "deposits") == ids(data, "deposits")[:2]
        assert bounded["journal"] == data["journal"][-2:]
        assert is_empty(await find(house, token, "carol"))


async def test_a_case_its_deposit_and_its_refund_are_found_together(tmp_path: Path) -> None:
    till = staffed(Till(tmp_path, minimum_deposit=10_000))
    tx = till.deposit("alice", 9_000, blocks=7)
    case = case_id(till)
    refund(till, case)
    ((deposit,),) = till.rows("SELECT id FROM deposit")
    ((payout,),) = till.rows("SELECT id FROM withdrawal")
    async with shown(till) as house:
        token = await house.operator()
        for text in (case, deposit, payout, tx.txid):
            data = await find(house, token, text)
            found = (ids(data, "cases"), ids(data, "deposits"), ids(data, "withdrawals"))
            assert found == ([case], [deposit], [payout]), text


async def test_a_sweep_is_found_from_the_address_in_any_case_of_letters(tmp_path: Path) -> None:
    till = staffed(Till(tmp_path, ETH))
    till.deposit("alice", 10**18, blocks=6)
    till.pay_all()
    ((address,),) = till.rows("SELECT address FROM own_script WHERE location = 'deposit'")
    (sweep, txid) = till.rows("SELECT id, txid FROM attempt")[0]
    async with shown(till) as house:
        token = await house.operator()
        for text in (address, sweep, txid, f"0x{txid.removeprefix('0x')}"):
            data = await find(house, token, text)
            assert [(tx["id"], tx["kind"], tx["sender"]) for tx in data["chain_txs"]] == [
                (sweep, "sweep", address)
            ], text


async def test_transfers_and_announcements_are_found(tmp_path: Path) -> None:
    till = staffed(Till(tmp_path))
    till.deposit("alice", 50_000, blocks=6)
    key = Idempotency("website:shop", "k", "hash")
    till.do(PostTransfer("tr_1", "shop", "alice", "bob", "BTC", 500, "bet-1", "a bet", "key:shop", key))
    till.do(AnnounceHouseFunding("BTC", "cd" * 32, "operator:op_ann", "float"))
    async with shown(till) as house:
        token = await house.operator()
        for text in ("tr_1", "bet-1"):
            data = await find(house, token, text)
            assert [(t["id"], t["from"], t["to"]) for t in data["transfers"]] == [("tr_1", "alice", "bob")]
            assert [entry["kind"] for entry in data["journal"]] == ["transfer"]
        data = await find(house, token, "cd" * 32)
        assert [each["reason"] for each in data["house_movements"]] == ["float"]


@pytest.mark.parametrize(
    "text",
    ["", " ", "a b", "wd_1\n", "\x00", "ä", "💰", "x" * 161, "wd_1\t"],
)
async def test_a_hostile_text_is_refused(tmp_path: Path, text: str) -> None:
    async with shown(staffed(Till(tmp_path))) as house:
        token = await house.operator()
        answer = await ask(house, token, text)
        assert (answer.status, answer.code) == (422, "validation_failed")
        assert text not in answer.data["detail"] or len(text) < 3


async def test_the_question_is_asked_once_and_whole(tmp_path: Path) -> None:
    async with shown(staffed(Till(tmp_path))) as house:
        token = await house.operator()
        for query in ("", "?q=a&q=b", "?q=a&x=1", "?q=a&limit=0", "?q=a&limit=501"):
            answer = await house.send("GET", f"/v1/admin/search{query}", token)
            assert (answer.status, answer.code) == (422, "validation_failed"), query


@pytest.mark.parametrize(
    "text",
    [
        "%",
        "_",
        "wd__",
        "wd%",
        "' OR '1'='1",
        "wd_1'--",
        "*",
        "alice';DROP",
        "WD_1",
        "Order-1",
        "wd_",
        "ALICE",
        "?",
    ],
)
async def test_a_search_is_exact_whatever_it_looks_like(tmp_path: Path, text: str) -> None:
    till = staffed(Till(tmp_path))
    till.deposit("alice", 50_000, blocks=6)
    till.open("alice", 5_000)
    async with shown(till) as house:
        token = await house.operator()
        answer = await ask(house, token, text)
        if " " in text:
            assert answer.status == 422
        else:
            assert is_empty(answer.data), answer.raw
        assert ids(await find(house, token, "wd_1"), "withdrawals") == ["wd_1"]
