"""Fees, broadcasts and signatures that are not what was asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import coins
from coins.bitcoin.plan import plan_payout
from coins.bitcoin.rpc import RpcClient
from coins.bitcoin.spender import BitcoinSpender
from coins.bitcoin.wire import decode_tx
from coins.errors import NodeDataError, NodeUnavailableError, PayeeRefusedError, PlanError, SignerError
from coins.family import Coin
from coins.types import AttemptPlan, BroadcastOutcome, FeeQuote, SignedTx
from tests.coins.bitcoin.fake_node import FakeNode, Raw, Refusal, text
from tests.coins.bitcoin.setup import FakeSigner, coin_settings
from tests.coins.bitcoin.test_plan import work
from tests.coins.bitcoin.test_sign import planned, terms, utxos


async def test_the_fee_stays_within_its_bounds(fake_node: FakeNode, fake_coin: Coin) -> None:
    for answer, rate in (
        (Raw('{"errors": ["Insufficient data or no feerate found"], "blocks": 0}'), 10),
        (Raw('{"feerate": 0.00000001, "blocks": 6}'), 1),
        (Raw('{"feerate": 0.00012001, "blocks": 6}'), 13),
        (Raw('{"feerate": 0.9, "blocks": 6}'), 500),
    ):
        fake_node.results["estimatesmartfee"] = answer
        assert await fake_coin.spender.quote() == FeeQuote(fee_rate_sat_vb=rate)
    fake_node.results["estimatesmartfee"] = Raw('{"feerate": -1}')
    with pytest.raises(NodeDataError, match="feerate"):
        await fake_coin.spender.quote()


async def test_w02_a_broadcast_without_a_clear_answer_is_unknown(
    fake_node: FakeNode, fake_coin: Coin
) -> None:
    signed = SignedTx("ab" * 32, "00")
    allowed = [{"txid": "ab" * 32, "allowed": True}]
    fake_node.results["testmempoolaccept"] = allowed
    for answer in (None, "xx", "cd" * 32, Refusal(-28), Refusal(-25, "new words"), Refusal(-1)):
        fake_node.results["sendrawtransaction"] = answer
        assert (await fake_coin.spender.broadcast(signed)).outcome is BroadcastOutcome.UNKNOWN
    fake_node.results["sendrawtransaction"] = "ab" * 32
    for tested in (None, [], allowed * 2, [{"allowed": 1}], [{"allowed": False}]):
        fake_node.results["testmempoolaccept"] = tested
        assert (await fake_coin.spender.broadcast(signed)).outcome is BroadcastOutcome.UNKNOWN
    fake_node.results["testmempoolaccept"] = [{"allowed": False, "reject-reason": "dust"}]
    assert (await fake_coin.spender.broadcast(signed)).outcome is BroadcastOutcome.REJECTED
    fake_node.results["testmempoolaccept"] = allowed
    fake_node.answers = [text(200, ""), text(200, "")]
    assert (await fake_coin.spender.broadcast(signed)).outcome is BroadcastOutcome.UNKNOWN


def batch_of(count: int) -> AttemptPlan:
    """A plan that pays so many, with change."""
    return plan_payout(work([20_000] * count, utxos(6)), terms())


UNSIGNED = "mandatory-script-verify-flag-failed (Witness program hash mismatch)"


async def test_w49_payees_that_the_node_refuses_are_named_before_anything_is_signed(
    fake_node: FakeNode, fake_coin: Coin
) -> None:
    plan = batch_of(3)
    bad = {plan.outputs[1].script}
    asked: list[int] = []

    def answer(raws: list[str]) -> list[dict[str, object]]:
        (raw,) = raws
        outputs = decode_tx(bytes.fromhex(raw)).outputs
        asked.append(len(outputs))
        reason = "dust" if bad & {out.script for out in outputs} else UNSIGNED
        return [{"allowed": False, "reject-reason": reason}]

    fake_node.results["testmempoolaccept"] = answer
    with pytest.raises(PayeeRefusedError) as refused:
        await fake_coin.spender.vet(plan)
    assert list(refused.value.reasons) == [plan.more[0]]
    assert asked == [len(plan.outputs), 1, 1, 1]
    assert "dust" in refused.value.reasons[plan.more[0]]
    bad.clear()
    await fake_coin.spender.vet(plan)
    assert asked[4:] == [len(plan.outputs)]


async def test_w49_what_is_no_payees_fault_gives_nobody_back(fake_node: FakeNode, fake_coin: Coin) -> None:
    plan = batch_of(2)
    assert plan.change is not None
    for reason in ("missing-inputs", "txn-mempool-conflict", UNSIGNED):
        fake_node.results["testmempoolaccept"] = [{"allowed": False, "reject-reason": reason}]
        await fake_coin.spender.vet(plan)
    change = plan.change.script.hex()

    def answer(raws: list[str]) -> list[dict[str, object]]:
        return [{"allowed": False, "reject-reason": "dust" if change in raws[0] else UNSIGNED}]

    fake_node.results["testmempoolaccept"] = answer
    with pytest.raises(PlanError, match="chain tx: dust") as refused:
        await fake_coin.spender.vet(plan)
    assert not isinstance(refused.value, PayeeRefusedError)
    fake_node.results["testmempoolaccept"] = Refusal(-28)
    with pytest.raises(NodeUnavailableError):
        await fake_coin.spender.vet(plan)


@pytest.mark.parametrize("reason", ["min relay fee not met, 110 < 5000", "mempool min fee not met, 1 < 2"])
async def test_w02_what_the_node_would_not_take_at_its_price_is_not_signed(
    fake_node: FakeNode, fake_coin: Coin, reason: str
) -> None:
    fake_node.results["testmempoolaccept"] = [{"allowed": False, "reject-reason": reason}]
    with pytest.raises(PlanError, match="price") as refused:
        await fake_coin.spender.vet(batch_of(2))
    assert (refused.value.waiting_for, isinstance(refused.value, PayeeRefusedError)) == ("node", False)


@pytest.mark.parametrize(
    "answer",
    [None, [], ["dust"], [{"allowed": "no"}], [{"allowed": False}], [{}], {"reject-reason": "dust"}],
    ids=repr,
)
async def test_w50_a_useless_judgement_of_payees_gives_nobody_back_and_signs_nothing(
    fake_node: FakeNode, fake_coin: Coin, answer: object
) -> None:
    fake_node.results["testmempoolaccept"] = answer
    with pytest.raises(NodeDataError):
        await fake_coin.spender.vet(batch_of(2))


async def test_a_signer_that_names_another_txid_is_refused(fake_coin: Coin) -> None:
    class Liar(FakeSigner):
        async def sign(self, plan: Any) -> SignedTx:
            return SignedTx("00" * 32, (await super().sign(plan)).raw)

    settings = coin_settings("BTC")
    spender = BitcoinSpender(settings, RpcClient(settings.node), Liar(settings))
    with pytest.raises(SignerError, match="named txid"):
        await spender.sign(planned())
    honest = BitcoinSpender(settings, RpcClient(settings.node), FakeSigner(settings))
    with pytest.raises(SignerError, match="differs from the plan"):
        await BitcoinSpender(settings, RpcClient(settings.node), Swapped(settings)).sign(planned())
    assert (await honest.sign(planned())).txid


class Swapped(FakeSigner):
    """Signs something else than it is asked."""

    async def sign(self, plan: Any) -> SignedTx:
        return await super().sign(planned(amount=200_000))


def test_w04_no_wallet_call_that_pays_by_itself_is_ever_made() -> None:
    """Asked again after a lost answer it would pay again: only raw bytes that were recorded are sent."""
    rooms = Path(coins.__file__).parent
    paying = re.compile(r"""["'](sendtoaddress|sendmany|sendall|send|bumpfee|eth_sendTransaction)["']""")
    found = [(file.name, paying.findall(file.read_text())) for file in rooms.rglob("*.py")]
    assert found
    assert [each for each in found if each[1]] == []
