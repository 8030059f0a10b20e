"""A payout's whole story as one answer, on the real ledger: for an operator, the website and its client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.search import get_any_withdrawal
from gateway.token import new_key
from ledger.commands import AnnounceHouseFunding, CreateKey, GetStuckWork, ReserveAttempt, StopWithdrawal
from ledger.operator_access import CreateOperator
from tests.fakes.clock import FakeClock
from tests.fakes.coin import bump_payment
from tests.gateway.fake import ALL_SCOPES
from tests.gateway.house import QUICK_HASH, House, serve
from tests.ledger.test_child import parent_of, send_child
from tests.ledger.till import ETH, Till


def staffed(till: Till) -> Till:
    """With ann, who may do everything, and bob, who decides about payouts."""
    till.do(CreateOperator("op_ann", "ann", QUICK_HASH, "salt", ("admin",), "test"))
    till.do(CreateOperator("op_bob", "bob", QUICK_HASH, "salt", ("payments",), "test"))
    return till


@asynccontextmanager
async def shown(till: Till) -> AsyncIterator[House]:
    """What a till's books hold, served."""
    made = new_key(lambda size: b"\x01" * size)
    till.do(CreateKey(made.id, "shop", made.key_hash, ALL_SCOPES, "test"))
    till.close()
    async with serve(till.folder, made, FakeClock(till.now_s)) as house:
        yield house


async def story(house: House, token: str, withdrawal_id: str = "wd_1") -> dict[str, Any]:
    answer = await house.send("GET", f"/v1/admin/withdrawals/{withdrawal_id}", token)
    assert answer.status == 200, answer.raw
    data: dict[str, Any] = answer.data
    return data


def approve(till: Till, withdrawal_id: str) -> None:
    """Both operators, each the payment he was shown."""
    till.decide(withdrawal_id, "approve")
    (digest,) = {row[0] for row in till.rows("SELECT digest FROM approval")}
    till.decide_as("bob", withdrawal_id, "approve", digest)


def paid_with_a_child(folder: Path) -> Till:
    """Two payouts in one chain tx that was not mined until its child paid for it; two operators approved."""
    till = staffed(Till(folder, approval_above=5_000, second_approval_above=20_000))
    till.batch_max = 50
    till.deposit("alice", 100_000, blocks=6)
    till.open("alice", 30_000)
    approve(till, "wd_1")
    till.open("alice", 4_000)
    till.pay_all()
    send_child(till)
    till.mine()
    return till


async def test_w07_an_operator_sees_request_approvals_candidates_child_fee_and_block(tmp_path: Path) -> None:
    assert get_any_withdrawal.__doc__
    till = paid_with_a_child(tmp_path)
    parent, tip = parent_of(till).txid, till.chain.tip.ref
    (child,) = till.rows("SELECT txid FROM attempt WHERE id = 'at_child'")[0]
    async with shown(till) as house:
        told = await story(house, await house.operator())
    assert (told["requested_by"], told["external_id"], told["website"]) == ("key:shop", "order-1", "shop")
    assert (told["approvals_needed"], told["status"], told["txid"]) == (2, "broadcast", parent)
    assert [(a["by"], a["digest"]) for a in told["approvals"]] == [
        ("operator:op_ann", told["digest"]),
        ("operator:op_bob", told["digest"]),
    ]
    assert told["names"] == {"operator:op_ann": "ann", "operator:op_bob": "bob"}
    assert {(d["action"], d["by_name"]) for d in told["decisions"]} == {
        ("approve_withdrawal", "ann"),
        ("approve_withdrawal", "bob"),
    }
    assert (told["block_height"], told["block_hash"]) == (tip.height, tip.block_hash)
    assert told["block_at"].endswith("Z")
    assert [entry["status"] for entry in told["history"]] == ["held", "approved", "signed", "broadcast"]
    assert [entry["by"] for entry in told["history"]][:2] == ["key:shop", "operator:op_bob"]
    (attempt,) = told["attempts"]
    assert (attempt["txid"], attempt["state"], attempt["kind"], attempt["payouts"]) == (
        parent,
        "mined",
        "payout",
        2,
    )
    assert (attempt["inputs"], attempt["nonce"], attempt["fee_currency"]) == (1, None, "BTC")
    assert attempt["fee_paid"] == attempt["fee"]
    assert (attempt["child"]["txid"], attempt["child"]["fee"]) == (child, "0.00000777")
    assert attempt["child"]["state"] == "mined"
    sent = {tx["kind"]: tx for tx in told["chain_txs"]}
    assert set(sent) == {"payout", "cpfp"}
    assert sent["payout"]["withdrawals"] == ["wd_1", "wd_2"]
    assert (sent["cpfp"]["txid"], sent["cpfp"]["block_height"]) == (child, tip.height)
    kinds = [entry["kind"] for entry in told["journal"]]
    assert kinds == ["withdrawal_opened", "payout", "cpfp"]
    assert {entry["txid"] for entry in told["journal"]} == {None, parent, child}


async def test_the_shares_of_a_batch_sum_to_its_fee_and_the_books_show_it(tmp_path: Path) -> None:
    till = paid_with_a_child(tmp_path)
    async with shown(till) as house:
        token = await house.operator()
        one, two = await story(house, token), await story(house, token, "wd_2")
    fee = units(one["attempts"][0]["fee"])
    assert units(one["attempts"][0]["fee_share"]) + units(two["attempts"][0]["fee_share"]) == fee
    spent = [p for entry in one["journal"] for p in entry["postings"] if p["debit"] == "network_fee:BTC"]
    assert sum(units(posting["amount"]) for posting in spent) == fee + 777


def units(text: str) -> int:
    """Satoshi of eight decimals."""
    whole, _, fraction = text.partition(".")
    assert len(fraction) == 8
    return int(whole + fraction)


async def test_the_website_sees_it_too_and_its_client_all_but_the_approvals(tmp_path: Path) -> None:
    async with shown(paid_with_a_child(tmp_path)) as house:
        told = (await house.send("GET", "/v1/withdrawals/wd_1", house.token)).data
        body = {"client_id": "alice", "actions": ["withdraw"]}
        opened = await house.send("POST", "/v1/sessions", house.token, json=body, headers=house.idempotency())
        session = await house.send("POST", "/v1/cashier/session", json={"code": opened.data["code"]})
        own = await house.send("GET", "/v1/cashier/withdrawals", session.data["token"])
        events = (await house.send("GET", "/v1/events?limit=500", house.token)).data["data"]
    assert len(told["approvals"]) == 2
    assert told["attempts"][0]["child"]["fee"] == "0.00000777"
    assert not {"decisions", "chain_txs", "journal", "names", "kind"} & set(told)
    (mine,) = (each for each in own.data["data"] if each["id"] == "wd_1")
    assert set(told) - set(mine) == {"digest", "approvals_needed", "approvals"}
    assert mine == {name: told[name] for name in mine}
    heard = [e["data"] for e in events if e["type"].startswith("withdrawal.") and e["data"]["id"] == "wd_1"]
    assert all(set(data) == set(told) for data in heard)
    assert heard[-1]["approvals"] == told["approvals"]


async def test_every_candidate_of_a_nonce_is_shown_with_what_it_may_cost_and_what_one_did(
    tmp_path: Path,
) -> None:
    till = staffed(Till(tmp_path, ETH))
    till.deposit("alice", 10**18, blocks=6)
    till.pay_all()
    till.mine(7)
    payout = till.open("alice", 10**17).id
    till.pay_all()
    till.do(StopWithdrawal(payout, "operator:op_ann", "its payee asked for it"))
    (stuck,) = till.do(GetStuckWork("ETH", 600, ("payout", "cancel")))
    till.do(ReserveAttempt("at_cancel", bump_payment(stuck)))
    till.resume()
    till.mine()
    async with shown(till) as house:
        told = await story(house, await house.operator(), payout)
    assert [(a["kind"], a["state"], a["nonce"], a["inputs"]) for a in told["attempts"]] == [
        ("payout", "broadcast", 0, None),
        ("cancel", "reverted", 0, None),
    ]
    assert [a["fee"] for a in told["attempts"]] == ["0.000000000000042000", "0.000000000000084000"]
    assert [a["fee_paid"] for a in told["attempts"]] == [None, "0.000000000000042000"]
    assert [(tx["kind"], tx["fee_paid"]) for tx in told["chain_txs"]] == [
        ("payout", None),
        ("cancel", "0.000000000000042000"),
    ]
    assert [entry["kind"] for entry in told["journal"]] == ["withdrawal_opened", "gas"]
    assert (told["decisions"][0]["action"], told["decisions"][0]["data"]["reason"]) == (
        "stop_withdrawal",
        "its payee asked for it",
    )


async def test_the_fee_of_a_token_payout_is_told_in_the_coin_it_is_paid_in(tmp_path: Path) -> None:
    till = staffed(Till(tmp_path, ETH))
    token = till.list_token()
    till.do(AnnounceHouseFunding("ETH", till.chain.pay((till.hot.script, 10**18)).txid, "op", "gas"))
    till.deposit("alice", 10**18, blocks=7)
    till.deposit("alice", 5_000_000, blocks=7, token=token)
    while till.pay_all():  # gas for the account, then its sweep
        till.mine(7)
    payout = till.open("alice", 1_000_000, currency=token).id
    till.pay_all()
    till.mine()
    async with shown(till) as house:
        told = await story(house, await house.operator(), payout)
        found = await house.send("GET", f"/v1/withdrawals/{payout}", house.token)
    (attempt,) = told["attempts"]
    assert (told["currency"], told["amount"], attempt["fee_currency"]) == (token, "1.000000", "ETH")
    assert (attempt["fee"], attempt["fee_paid"]) == ("0.000000000000042000", "0.000000000000021000")
    assert found.data["attempts"] == told["attempts"]
    assert [entry["kind"] for entry in told["journal"]] == ["withdrawal_opened", "payout", "gas"]


async def test_nothing_is_told_of_what_is_not_there(tmp_path: Path) -> None:
    async with shown(staffed(Till(tmp_path))) as house:
        answer = await house.send("GET", "/v1/admin/withdrawals/wd_none", await house.operator())
        assert (answer.status, answer.code) == (404, "not_found")
