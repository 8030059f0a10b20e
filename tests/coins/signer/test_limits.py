"""The signer's own caps, and its own rule against a second payment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coins.errors import SignerError
from coins.signer.entry import Entry, entry_of, outgoing
from coins.signer.limits import DAY_S, HOUR_S, Caps, Memory, RequestRate, check_fee
from coins.types import AttemptPlan, Branch, Outpoint, OwnScript, TxOutput, Utxo

HOT = OwnScript(b"\x22" * 20, "0x" + "22" * 20, Branch.HOT, 0)
CHANGE = OwnScript(b"\x00\x14" + b"\x33" * 20, "bc1c", Branch.CHANGE, 1)
FREE = 10**30
DAY = Caps(FREE, FREE, 30, FREE)


def account_plan(amount: int, nonce: int, intent: str | None = None) -> AttemptPlan:
    output = TxOutput(b"\x11" * 20, "0x" + "11" * 20, amount)
    return AttemptPlan(
        f"w{nonce}" if intent is None else intent,
        "payout",
        "ETH",
        (output,),
        1,
        "",
        sender=HOT,
        nonce=nonce,
    )


def utxo_plan(amount: int, *indexes: int, intent: str = "w1", fee: int = 1) -> AttemptPlan:
    inputs = tuple(Utxo(Outpoint("aa" * 32, index), 10**9, CHANGE) for index in indexes)
    outputs = (TxOutput(b"\x11", "bc1p", amount), TxOutput(CHANGE.script, CHANGE.address, 5_000_000))
    return AttemptPlan(intent, "payout", "BTC", outputs, fee, "", inputs=inputs, change=CHANGE)


def entry(plan: AttemptPlan, at: int = 1_000) -> Entry:
    chain = "BTC" if plan.inputs else "ETH"
    return entry_of(plan, chain, at)


def sign(memory: Memory, plan: AttemptPlan, caps: Caps = DAY, at: int = 1_000) -> None:
    """What the service does with a new plan."""
    memory.check(entry(plan, at), plan.currency, caps)
    memory.add(entry(plan, at))


def test_the_change_stays_in_the_house() -> None:
    assert outgoing(utxo_plan(70, 0)) == 70
    assert outgoing(replace(utxo_plan(70, 0), change=None)) == 5_000_070
    assert outgoing(replace(account_plan(70, 0), kind="sweep")) == 0


def test_a_single_transaction_has_its_cap() -> None:
    caps = Caps(20, FREE, FREE, FREE)
    sign(Memory(), account_plan(20, 0), caps)
    with pytest.raises(SignerError, match="cap of 20 per transaction"):
        sign(Memory(), account_plan(21, 0), caps)


@pytest.mark.parametrize(
    ("caps", "length_s", "words"),
    [(DAY, DAY_S, "40 base units within a day"), (Caps(FREE, 30, FREE, FREE), HOUR_S, "within an hour")],
)
def test_an_hour_and_a_day_have_their_caps_and_end(caps: Caps, length_s: int, words: str) -> None:
    memory = Memory()
    for nonce in range(3):
        sign(memory, account_plan(10, nonce), caps)
    with pytest.raises(SignerError, match=words):
        sign(memory, account_plan(10, 3), caps, 1_000 + length_s - 1)
    sign(memory, account_plan(10, 3), caps, 1_000 + length_s)


def test_w24_fees_have_their_cap_over_all_currencies_of_a_chain() -> None:
    caps = Caps(FREE, FREE, FREE, 2)
    memory = Memory()
    sign(memory, account_plan(10, 0), caps)
    sign(memory, replace(account_plan(10, 1), currency="USDT-ETH"), caps)
    sign(memory, utxo_plan(10, 0, intent="b1"), caps)
    with pytest.raises(SignerError, match="fees of 3"):
        sign(memory, replace(account_plan(10, 2), kind="sweep"), caps)


def test_what_excludes_itself_on_the_chain_counts_once_at_its_dearest() -> None:
    memory = Memory()
    for fee, amount in enumerate((30, 20, 10), 1):
        plan = replace(account_plan(amount, 0, f"w{amount}"), fee=fee)
        sign(memory, plan)
    with pytest.raises(SignerError, match="31"):
        sign(memory, account_plan(1, 1))


def test_s36_a_chain_of_conflicts_hides_no_second_payment() -> None:
    """The first and the third share nothing and could both be mined, so both count."""
    memory = Memory()
    sign(memory, utxo_plan(10, 0, intent="a"))
    sign(memory, utxo_plan(10, 0, 1, intent="b"))
    sign(memory, utxo_plan(10, 1, intent="c"))
    sign(memory, utxo_plan(10, 2, intent="d"))
    with pytest.raises(SignerError, match="40 base units"):
        sign(memory, utxo_plan(10, 3, intent="e"))


def test_w05_every_signature_of_an_intent_excludes_all_earlier_ones() -> None:
    memory = Memory()
    free = Caps(FREE, FREE, FREE, FREE)
    sign(memory, utxo_plan(10, 0, 1), free)
    sign(memory, utxo_plan(10, 1, 2), free)
    for plan in (utxo_plan(10, 2, 3), utxo_plan(10, 0, 2, fee=9), utxo_plan(10, 0, 3)):
        memory_before = Memory([entry(utxo_plan(10, 0, 1)), entry(utxo_plan(10, 1, 2))])
        if {utxo.outpoint.index for utxo in plan.inputs} == {0, 2}:
            memory_before.check(entry(plan), "BTC", free)
        else:
            with pytest.raises(SignerError, match="both could be mined"):
                memory_before.check(entry(plan), "BTC", free)
    sign(memory, account_plan(10, 5, "x"), free)
    with pytest.raises(SignerError, match="both could be mined"):
        sign(memory, account_plan(10, 6, "x"), free)


def test_w05_an_intent_keeps_its_payee_and_amount() -> None:
    memory = Memory([entry(account_plan(10, 5, "x"))])
    plan = account_plan(10, 5, "x")
    other = replace(plan, outputs=(replace(plan.outputs[0], script=b"\x99" * 20),))
    for altered in (account_plan(11, 5, "x"), other, replace(plan, currency="USDT-ETH")):
        with pytest.raises(SignerError, match="another payee or amount"):
            memory.check(entry(altered), "ETH", DAY)
    memory.check(entry(replace(plan, fee=2)), "ETH", DAY)


def test_w49_each_payment_of_a_batch_is_bound_on_its_own() -> None:
    """After one bad payee the others go again with a shared input; with other inputs they do not."""
    first, change = utxo_plan(10, 0).outputs
    second = TxOutput(b"\x12", "bc1q", 20)
    batch = replace(utxo_plan(10, 0, 1), outputs=(first, second, change), more=("w2",))
    free = Caps(FREE, FREE, FREE, FREE)
    memory = Memory([entry(batch)])
    alone = replace(utxo_plan(20, 0, intent="w2"), outputs=(second, change))
    memory.check(entry(alone), "BTC", free)
    apart = replace(utxo_plan(20, 7, intent="w2"), outputs=(second, change))
    with pytest.raises(SignerError, match="w2 was signed before"):
        memory.check(entry(apart), "BTC", free)
    swapped = replace(batch, outputs=(second, first, change), fee=2)
    with pytest.raises(SignerError, match="another payee"):
        memory.check(entry(swapped), "BTC", free)


def test_what_stays_in_the_house_pays_no_intent() -> None:
    memory = Memory([entry(account_plan(10, 5, "x"))])
    cancel = replace(account_plan(0, 5, "x"), kind="cancel")
    memory.check(entry(cancel), "ETH", DAY)
    memory.add(entry(cancel))
    with pytest.raises(SignerError, match="both could be mined"):
        memory.check(entry(account_plan(10, 6, "x")), "ETH", DAY)


def test_currencies_do_not_share_a_day() -> None:
    memory = Memory([entry(account_plan(30, 0))])
    memory.check(entry(utxo_plan(30, 0)), "BTC", DAY)


@pytest.mark.parametrize(
    ("kind", "amount", "fee", "is_right"),
    [
        ("payout", 1_000, 100, True),
        ("payout", 1_000, 101, False),
        ("payout", 1, 50, True),
        ("sweep", 1_000, 101, False),
        ("top_up", 1, 1_000, True),
        ("cancel", 0, 1_000, True),
    ],
)
def test_w24_a_fee_is_compared_with_what_it_moves(kind: str, amount: int, fee: int, is_right: bool) -> None:
    plan = replace(account_plan(amount, 0), kind=kind, fee=fee)
    if is_right:
        check_fee(plan, 10, 50)
    else:
        with pytest.raises(SignerError, match="above 10 % of 1000"):
            check_fee(plan, 10, 50)


def test_signatures_per_minute() -> None:
    now = [1_000.0]
    rate = RequestRate(2, lambda: now[0])
    rate.count()
    now[0] += 30
    rate.count()
    with pytest.raises(SignerError, match="more than 2 signatures"):
        rate.count()
    now[0] += 30
    rate.count()
