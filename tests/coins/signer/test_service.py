"""Answers of the signer, without sockets: named codes, no secret."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from coins.codec import encode_plan
from coins.errors import SignerError
from coins.signer import service as service_module
from coins.signer.limits import RequestRate
from coins.signer.record import SignedRecord, create_record
from coins.signer.service import SignerService
from coins.types import AttemptPlan, Outpoint, SignedTx, TxOutput, Utxo
from config.schema import EvmCoinSettings, SignerSettings
from tests.coins.evm.test_sign import DEPOSIT, HOT, plan_of
from tests.coins.evm.test_token_plan import TOKEN
from tests.coins.evm.test_token_plan import plan_of as token_plan
from tests.coins.evm.world import ETHER, SEED, eth_settings

SETTINGS = SignerSettings()


Read = Callable[[], Mapping[str, EvmCoinSettings]]


class Open:
    """Opens services on one record; each new one is a restart of the signer."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "seed.age.signed"
        self.now_s = 1_700_000_000.0
        self._record: SignedRecord | None = None
        create_record(self.path, SEED)

    def __call__(self, read: Read = lambda: {"ETH": eth_settings()}, per_minute: int = 100) -> SignerService:
        if self._record is not None:
            self._record.close()
        self._record = SignedRecord(self.path, SEED, lambda: self.now_s)
        return SignerService(SEED, read, SETTINGS, RequestRate(per_minute, lambda: 0.0), self._record)


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    return Open(tmp_path)


@pytest.fixture
def service(opened: Open) -> SignerService:
    return opened()


def ask(service: SignerService, **request: Any) -> dict[str, Any]:
    line = service.answer(json.dumps({"id": 7, **request}).encode() + b"\n")
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert SEED.hex().encode() not in line
    reply = json.loads(line)
    assert reply["id"] == 7
    assert isinstance(reply, dict)
    return reply


def sign(service: SignerService, plan: AttemptPlan) -> dict[str, Any]:
    return ask(service, op="sign", plan=encode_plan(plan))


def payout(nonce: int, amount: int, **fields: Any) -> AttemptPlan:
    """A payout of an intent of its own."""
    plan = plan_of(nonce=nonce, output=TxOutput(b"\x77" * 20, "0x", amount), **fields)
    return replace(plan, intent_id=f"w{nonce}")


def test_ping_and_keys(service: SignerService) -> None:
    assert ask(service, op="ping") == {"id": 7, "ok": True}
    keys = {ask(service, op="account_xpub", currency="ETH", account=account)["xpub"] for account in (0, 1)}
    assert len(keys) == 2
    assert all(key.startswith("xpub") for key in keys)


@pytest.mark.parametrize("account", [-1, 2, True, "0", None, 1.0])
def test_only_two_accounts_are_shown(service: SignerService, account: object) -> None:
    assert ask(service, op="account_xpub", currency="ETH", account=account)["code"] == "bad_request"


@pytest.mark.parametrize("currency", ["BTC", "", None, 5, ["ETH"], "eth"])
def test_other_currencies_are_unknown(service: SignerService, currency: object) -> None:
    assert ask(service, op="account_xpub", currency=currency, account=0)["code"] == "unknown_currency"


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"null\n",
        b"[]\n",
        b"{\n",
        b"\xff\xfe\n",
        b'"ping"\n',
        b"[" * 5_000,
        b'{"id": NaN, "op": "pin"}\n',
    ],
)
def test_s08_lines_that_are_no_request(service: SignerService, line: bytes) -> None:
    reply = json.loads(service.answer(line))
    assert (reply["id"], reply["ok"], reply["code"]) == (None, False, "bad_request")


@pytest.mark.parametrize("plan", [None, 5, "", "{}", "[]", "null", '{"intent_id": "x"}', "[" * 5_000])
def test_what_is_no_plan(service: SignerService, plan: object) -> None:
    assert ask(service, op="sign", plan=plan)["code"] == "bad_request"


def test_same_plan_same_bytes(service: SignerService) -> None:
    reply = sign(service, plan_of())
    assert reply["ok"] is True
    assert sign(service, plan_of()) == reply


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (replace(plan_of(), outputs=(replace(plan_of().outputs[0], amount=ETHER + 1),)), "amount"),
        (replace(plan_of(), outputs=(replace(plan_of().outputs[0], script=b"\x78" * 20),)), "recipient"),
        (replace(plan_of(), fee=plan_of().fee + 1), "fee"),
        (replace(plan_of(), nonce=10), "nonce"),
        (replace(plan_of(), change=HOT), "form"),
        (replace(plan_of(), sender=replace(HOT, script=b"\x78" * 20)), "not an account of this seed"),
        (replace(plan_of(), outputs=(replace(plan_of().outputs[0], amount=0),)), "not positive"),
        (replace(plan_of(), fee=-1), "not positive"),
        (replace(plan_of(), inputs=(Utxo(Outpoint("aa", 0), 1, HOT),) * 501), "500 inputs"),
        (plan_of(output=TxOutput(b"\x77" * 20, "0x" + "77" * 20, 21 * ETHER)), "cap of .* per transaction"),
        (plan_of(DEPOSIT, "sweep"), "nowhere else"),
        (replace(plan_of(), kind="cpfp"), "has no cpfp"),
    ],
)
def test_w21_an_altered_plan_is_refused(service: SignerService, plan: AttemptPlan, words: str) -> None:
    reply = sign(service, plan)
    assert (reply["ok"], reply["code"]) == (False, "refused")
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(reply["reason"])


def test_the_day_cap_counts_payouts_and_leaves_sweeps_alone(service: SignerService) -> None:
    for nonce in range(5):
        assert sign(service, payout(nonce, 10 * ETHER))["ok"]
    assert "within a day" in sign(service, payout(5, ETHER))["reason"]
    home = TxOutput(HOT.script, HOT.address, 1_000 * ETHER)
    assert sign(service, plan_of(DEPOSIT, "sweep", home))["ok"] is True


def test_money_for_cold_uses_no_cap_and_goes_nowhere_else(opened: Open) -> None:
    cold = TxOutput(b"\x79" * 19 + b"\x01", "0x" + "79" * 19 + "01", 1_000 * ETHER)
    service = opened(lambda: {"ETH": eth_settings(cold_address=cold.address, hot_ceiling="1")})
    assert sign(service, plan_of(kind="cold", output=cold))["ok"] is True
    assert sign(service, payout(10, 20 * ETHER))["ok"] is True
    thief = replace(plan_of(nonce=11, kind="cold"), intent_id="w11")
    assert "configured cold_address" in sign(service, thief)["reason"]
    again = plan_of(nonce=12, kind="cold", output=cold)
    assert "both could be mined" in sign(service, again)["reason"]


def test_signatures_per_minute_are_bounded(opened: Open) -> None:
    service = opened(per_minute=1)
    assert sign(service, plan_of())["ok"] is True
    assert "in a minute" in sign(service, plan_of())["reason"]


def test_an_error_nobody_expected_tells_only_its_type(
    service: SignerService, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def account_xpub(self, seed: bytes, settings: object, account: int) -> str:
            raise RuntimeError(seed.hex())

        def sign_plan(self, seed: bytes, settings: object, plan: AttemptPlan) -> SignedTx:
            raise ValueError(seed.hex())

    monkeypatch.setattr(service_module, "family_signer", lambda family: Broken())
    assert ask(service, op="account_xpub", currency="ETH", account=0)["reason"] == "RuntimeError"
    assert sign(service, plan_of()) == {"id": 7, "ok": False, "code": "internal", "reason": "ValueError"}


def test_a_currency_enabled_later_is_found_and_a_broken_configuration_changes_nothing(opened: Open) -> None:
    coins: dict[str, EvmCoinSettings] = {}
    broken: list[str] = []

    def read_coins() -> dict[str, EvmCoinSettings]:
        if broken:
            raise SignerError(broken[0])
        return dict(coins)

    service = opened(read_coins)
    question = {"op": "account_xpub", "currency": "ETH", "account": 0}
    assert ask(service, **question)["code"] == "unknown_currency"
    coins["ETH"] = eth_settings()
    assert ask(service, **question)["ok"] is True
    broken.append("cashier.toml:3: signer.soket: is unknown")
    assert "soket" in ask(service, op="reload")["reason"]
    assert ask(service, **question)["ok"] is True
    broken.clear()
    coins["ETH"] = eth_settings(signer_tx_cap="20", maximum_withdrawal="0.5", signer_day_cap="0.5")
    assert sign(service, plan_of())["ok"] is True
    assert ask(service, op="reload") == {"id": 7, "ok": True}
    assert "within a day" in sign(service, payout(10, ETHER))["reason"]


def test_a_token_has_caps_of_its_own_and_its_chains_keys(opened: Open) -> None:
    settings = eth_settings(signer_day_cap="20").model_copy(update={"tokens": (TOKEN,)})
    service = opened(lambda: {"ETH": settings})
    most = TOKEN.signer_tx_cap
    assert sign(service, token_plan(output=TxOutput(b"\x77" * 20, "0x", most)))["ok"] is True
    above = sign(service, replace(token_plan(output=TxOutput(b"\x77" * 20, "0x", most + 1)), intent_id="w9"))
    assert "per transaction" in above["reason"]
    assert sign(service, payout(10, 20 * ETHER))["ok"] is True
    unknown = replace(token_plan(), currency="DAI-ETH")
    assert sign(service, unknown)["code"] == "unknown_currency"


def test_w24_a_fee_out_of_all_proportion_is_refused(service: SignerService) -> None:
    """A source of fees that is wrong by a thousand: the highest price is one bound, the share another."""
    floor = eth_settings().plain_fee_max
    wei = 300 * 10**9
    assert "above 10 % of" in sign(service, payout(1, ETHER, max_fee_wei=1_000 * wei))["reason"]
    dear = payout(1, 20 * ETHER, max_fee_wei=2 * wei)
    assert "above the configured" in sign(service, dear)["reason"]
    small = payout(2, floor, max_fee_wei=wei, gas=60_000)
    assert "above 10 % of" in sign(service, small)["reason"]
    assert sign(service, payout(3, floor, max_fee_wei=wei))["ok"] is True
    assert sign(service, payout(4, 100 * floor, max_fee_wei=wei, gas=60_000))["ok"] is True


def test_w24_fees_of_a_day_are_bounded_too(opened: Open) -> None:
    fee = plan_of().fee
    service = opened(lambda: {"ETH": eth_settings(signer_fee_day_cap=str(Decimal(2 * fee) / ETHER))})
    assert sign(service, payout(1, ETHER))["ok"] is True
    assert sign(service, payout(2, ETHER))["ok"] is True
    assert "fees of" in sign(service, payout(3, ETHER))["reason"]
    home = TxOutput(HOT.script, HOT.address, ETHER)
    assert "fees of" in sign(service, plan_of(DEPOSIT, "sweep", home))["reason"]


def test_s36_the_caps_of_an_hour_and_a_day_survive_a_restart(opened: Open) -> None:
    def read() -> dict[str, EvmCoinSettings]:
        return {"ETH": eth_settings(signer_hour_cap="20")}

    assert sign(opened(read), payout(1, 10 * ETHER))["ok"] is True
    assert sign(opened(read), payout(2, 10 * ETHER))["ok"] is True
    assert "within an hour" in sign(opened(read), payout(3, ETHER))["reason"]
    opened.now_s += 3_600
    for nonce, amount in ((3, 20), (4, 10)):
        assert sign(opened(read), payout(nonce, amount * ETHER))["ok"] is True
        opened.now_s += 3_600
    assert "within a day" in sign(opened(read), payout(5, ETHER))["reason"]
    opened.now_s += 86_400
    assert sign(opened(read), payout(5, ETHER))["ok"] is True


def test_w02_the_same_plan_is_answered_alike_after_a_restart_and_counted_once(opened: Open) -> None:
    plan = payout(1, 20 * ETHER)
    replies = [sign(opened(), plan) for _ in range(5)]
    assert replies[0]["ok"] is True
    assert all(reply == replies[0] for reply in replies)


def test_w05_a_second_payment_of_an_intent_is_refused_across_restarts(opened: Open) -> None:
    first = payout(1, ETHER)
    assert sign(opened(), first)["ok"] is True
    elsewhere = replace(payout(2, ETHER), intent_id="w1")
    assert "both could be mined" in sign(opened(), elsewhere)["reason"]
    more = replace(payout(1, 2 * ETHER), intent_id="w1")
    assert "another payee or amount" in sign(opened(), more)["reason"]
    bump = payout(1, ETHER, max_fee_wei=4 * 10**9)
    assert sign(opened(), bump)["ok"] is True


def test_what_cannot_be_remembered_is_not_signed(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    service = opened()
    before = opened.path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    reply = sign(service, payout(1, ETHER))
    assert (reply["ok"], reply["code"]) == (False, "refused")
    assert "raw" not in reply
    assert opened.path.read_bytes() == before
    monkeypatch.undo()
    assert sign(service, replace(payout(2, ETHER), intent_id="w1"))["ok"] is True


@pytest.mark.parametrize("power", [-12, -6, -3, -1, 1, 3, 6, 12])
def test_w21_a_slip_of_units_between_plan_and_payload_is_refused(opened: Open, power: int) -> None:
    """The amounts of plan and bytes differ by a power of ten: in ETH, and in a token of 6 digits."""
    settings = eth_settings().model_copy(update={"tokens": (TOKEN,)})
    service = opened(lambda: {"ETH": settings})
    for plan in (plan_of(), replace(token_plan(), intent_id="t1")):
        (output,) = plan.outputs
        amount = output.amount * 10**power if power > 0 else max(output.amount // 10**-power, 1)
        reply = sign(service, replace(plan, outputs=(replace(output, amount=amount),)))
        assert reply["ok"] is False
        assert "raw" not in reply
        assert sign(service, plan)["ok"] is True
