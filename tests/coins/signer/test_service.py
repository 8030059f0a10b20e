"""Answers of the signer, without sockets: named codes, no secret."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from coins.codec import encode_plan
from coins.errors import SignerError
from coins.signer import service as service_module
from coins.signer.limits import SpendingLimits
from coins.signer.service import SignerService
from coins.types import AttemptPlan, Outpoint, SignedTx, TxOutput, Utxo
from config.schema import EvmCoinSettings, SignerSettings
from tests.coins.evm.test_sign import DEPOSIT, HOT, plan_of
from tests.coins.evm.test_token_plan import TOKEN
from tests.coins.evm.test_token_plan import plan_of as token_plan
from tests.coins.evm.world import ETHER, SEED, eth_settings

SETTINGS = SignerSettings()


@pytest.fixture
def service() -> SignerService:
    return SignerService(SEED, lambda: {"ETH": eth_settings()}, SETTINGS, SpendingLimits(100, lambda: 0.0))


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
    ],
)
def test_an_altered_plan_is_refused(service: SignerService, plan: AttemptPlan, words: str) -> None:
    reply = sign(service, plan)
    assert (reply["ok"], reply["code"]) == (False, "refused")
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(reply["reason"])


def test_the_day_cap_counts_payouts_and_leaves_sweeps_alone(service: SignerService) -> None:
    for nonce in range(5):
        assert sign(service, plan_of(nonce=nonce, output=TxOutput(b"\x77" * 20, "0x", 10 * ETHER)))["ok"]
    assert "within a day" in sign(service, plan_of(nonce=5))["reason"]
    home = TxOutput(HOT.script, HOT.address, 1_000 * ETHER)
    assert sign(service, plan_of(DEPOSIT, "sweep", home))["ok"] is True


def test_signatures_per_minute_are_bounded() -> None:
    service = SignerService(SEED, lambda: {"ETH": eth_settings()}, SETTINGS, SpendingLimits(1, lambda: 0.0))
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


def test_a_currency_enabled_later_is_found_and_a_broken_configuration_changes_nothing() -> None:
    coins: dict[str, EvmCoinSettings] = {}
    broken: list[str] = []

    def read_coins() -> dict[str, EvmCoinSettings]:
        if broken:
            raise SignerError(broken[0])
        return dict(coins)

    service = SignerService(SEED, read_coins, SETTINGS, SpendingLimits(9, lambda: 0.0))
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
    assert "within a day" in sign(service, plan_of())["reason"]


def test_a_token_has_caps_of_its_own_and_its_chains_keys() -> None:
    settings = eth_settings(signer_day_cap="20").model_copy(update={"tokens": (TOKEN,)})
    service = SignerService(SEED, lambda: {"ETH": settings}, SETTINGS, SpendingLimits(100, lambda: 0.0))
    most = TOKEN.signer_tx_cap
    assert sign(service, token_plan(output=TxOutput(b"\x77" * 20, "0x", most)))["ok"] is True
    above = sign(service, token_plan(output=TxOutput(b"\x77" * 20, "0x", most + 1)))
    assert "per transaction" in above["reason"]
    assert sign(service, plan_of(nonce=10, output=TxOutput(b"\x77" * 20, "0x", 20 * ETHER)))["ok"] is True
    unknown = replace(token_plan(), currency="DAI-ETH")
    assert sign(service, unknown)["code"] == "unknown_currency"
