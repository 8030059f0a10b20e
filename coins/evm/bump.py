"""The next candidate of a nonce: the same payment at a higher price. Pure. All prices in wei per gas.

Nodes take a replacement only when maximum and tip both rise by their least step, 10 % with geth and its
relatives; 12.5 % satisfies the stricter ones too. Payee and nonce never change. Nor does the amount, but of a
sweep that leaves nothing behind: there the higher fee comes out of what is moved. A payment that an operator
stopped is outbid by nothing at all, sent to ourselves.
"""

from __future__ import annotations

from dataclasses import replace

from coins.errors import PlanError
from coins.evm.fees import refuse_dear, sweep_price
from coins.evm.tx import CANCEL, SWEEP, UnsignedTx, decode_payload, encode_payload
from coins.types import AttemptPlan, FeeQuote, StuckWork, TxOutput

PLAIN_GAS = 21_000
"""What a transfer to an account that is no contract costs."""


def bump_plan(work: StuckWork, quote: FeeQuote, cap_wei: int) -> AttemptPlan | None:
    """The plan of the next candidate, at least at today's price and never above ``cap_wei`` per gas.

    None when another nonce has to be mined first and the price would do. Raises PlanError when the
    least step would pass the cap, or the account cannot pay it.
    """
    old = decode_payload(work.plan.payload)
    is_cancel = work.is_stopped and work.plan.kind != CANCEL
    is_underpriced = old.max_fee_wei < quote.base_fee_wei + quote.priority_fee_wei
    if not (work.is_next or is_underpriced or is_cancel):
        return None
    refuse_dear(quote)
    is_native_sweep = work.plan.kind == SWEEP and not old.data
    if is_native_sweep:
        price = max(raised(old.max_fee_wei), sweep_price(quote))
        prices = (price, price)
    else:
        tip = max(raised(old.priority_fee_wei), quote.priority_fee_wei)
        prices = (max(raised(old.max_fee_wei), quote.max_fee_wei, tip), tip)
    if prices[0] > cap_wei:
        raise PlanError(f"a further candidate would have to pay {prices[0]} wei, at most {cap_wei}", "gas")
    tx = replace(old, max_fee_wei=prices[0], priority_fee_wei=prices[1])
    if is_cancel:
        return _cancel_of(work, tx)
    return _sweep_of(work.plan, tx) if is_native_sweep else _payment_of(work, tx)


def raised(price: int) -> int:
    """The least price a node takes for a replacement: an eighth more, rounded up, and one wei."""
    return price + -(-price // 8) + 1


def _payment_of(work: StuckWork, tx: UnsignedTx) -> AttemptPlan:
    """The same payment; the account pays the difference. Raises PlanError."""
    missing = tx.fee - work.plan.fee - work.spare
    if missing > 0:
        is_sweep = work.plan.kind == SWEEP
        raise PlanError(f"{missing} wei are missing for a higher fee", "gas", missing if is_sweep else 0)
    return replace(work.plan, fee=tx.fee, payload=encode_payload(tx))


def _cancel_of(work: StuckWork, tx: UnsignedTx) -> AttemptPlan:
    """Nothing to the sender itself in the payment's place. Raises PlanError."""
    sender = work.plan.sender
    if sender is None:
        raise PlanError("the payment has no sender")
    tx = replace(tx, to=sender.script, value=0, gas=PLAIN_GAS, data=b"")
    freed = decode_payload(work.plan.payload).value
    nothing = TxOutput(sender.script, sender.address, 0)
    plan = replace(work.plan, kind=CANCEL, outputs=(nothing,))
    return _payment_of(replace(work, plan=plan, spare=work.spare + freed), tx)


def _sweep_of(plan: AttemptPlan, tx: UnsignedTx) -> AttemptPlan:
    """The sweep of as much, fee included. Raises PlanError when the fee would eat it."""
    (output,) = plan.outputs
    amount = output.amount + plan.fee - tx.fee
    if amount <= 0:
        raise PlanError(f"{output.amount} wei do not pay a higher fee for their own sweep", "funds")
    tx = replace(tx, value=amount)
    return replace(plan, outputs=(replace(output, amount=amount),), fee=tx.fee, payload=encode_payload(tx))
