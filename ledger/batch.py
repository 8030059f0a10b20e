"""Withdrawals that one chain tx pays: checked one by one, each with its exact share of the network fee.

An attempt belongs to the intent of its oldest withdrawal; ``attempt_payout`` says whom it pays. All
attempts of a withdrawal that may ever be mined pay the same withdrawals and exclude each other.
"""

from __future__ import annotations

from collections.abc import Sequence

from coins.types import AttemptPlan
from ledger.attempt_row import PAYS, read_attempts
from ledger.coin_row import CoinRow
from ledger.context import Tx
from ledger.errors import IllegalTransitionError
from ledger.payable import refuse_unpayable
from ledger.withdrawal import WithdrawalState
from ledger.withdrawal_row import PAID_BY, WithdrawalRow, read_withdrawals

PAYABLE = frozenset({WithdrawalState.APPROVED, WithdrawalState.SIGNED, WithdrawalState.BROADCAST})


def fee_shares(fee: int, count: int) -> list[int]:
    """A chain tx's fee in ``count`` equal parts (at least one), to the last unit: the first bear the rest.

    The house bears the fee, whoever is paid; a share says what one payout cost it.
    """
    part, rest = divmod(fee, count)
    return [part + (number < rest) for number in range(count)]


def payees_of(tx: Tx, coin: CoinRow, plan: AttemptPlan) -> list[WithdrawalRow]:
    """The withdrawals that a plan of kind ``payout`` or ``cold`` pays, in the order of its outputs.

    Raises IllegalTransitionError when one of them cannot be paid (any more), is not paid what it asks for,
    or is paid twice, and when an output is neither a payee's nor our change.
    """
    intent_ids = (plan.intent_id, *plan.more)
    expected = len(intent_ids) + (plan.change is not None)
    if len(set(intent_ids)) != len(intent_ids) or len(plan.outputs) != expected:
        raise IllegalTransitionError(
            f"the plan has {len(plan.outputs)} outputs for {len(intent_ids)} payouts"
        )
    if plan.change is not None:
        _check_change(tx, coin, plan)
    found = [_payee(tx, plan, intent_id, number) for number, intent_id in enumerate(intent_ids)]
    _refuse_second_payment(tx, plan, found)
    return found


def _check_change(tx: Tx, coin: CoinRow, plan: AttemptPlan) -> None:
    """What is no payee's goes to a script that is recorded as our change."""
    script = plan.outputs[-1].script
    own = tx.db.execute(
        "SELECT 1 FROM own_script WHERE chain = ? AND script = ? AND branch = 'change'", (coin.chain, script)
    ).fetchone()
    if own is None or plan.change is None or plan.change.script != script:
        raise IllegalTransitionError("the change does not go to a change script of ours")


def _payee(tx: Tx, plan: AttemptPlan, intent_id: str, number: int) -> WithdrawalRow:
    """The withdrawal of an intent, which output ``number`` pays exactly."""
    rows = read_withdrawals(
        tx.db,
        "w.id = (SELECT i.withdrawal_id FROM intent i WHERE i.id = ? AND i.kind = ?"
        " AND i.status = 'open' AND i.currency = ?)",
        (intent_id, plan.kind, plan.currency),
    )
    if not rows:
        raise IllegalTransitionError(f"intent {intent_id} is not an open {plan.kind} of {plan.currency}")
    withdrawal, output = rows[0], plan.outputs[number]
    if withdrawal.status not in PAYABLE:
        raise IllegalTransitionError(f"withdrawal {withdrawal.id} is {withdrawal.status}")
    if (output.script, output.amount) != (withdrawal.script, withdrawal.amount):
        raise IllegalTransitionError(f"the plan does not pay what withdrawal {withdrawal.id} asks for")
    refuse_unpayable(tx, withdrawal)
    return withdrawal


def _refuse_second_payment(tx: Tx, plan: AttemptPlan, payees: Sequence[WithdrawalRow]) -> None:
    """An earlier attempt for one of these withdrawals must be of the same intent and pay the same ones.

    That the two exclude each other on the chain is then a matter of that intent's attempts.
    """
    wanted = {payee.id for payee in payees}
    for payee in payees:
        for other in read_attempts(tx.db, f"{PAYS} AND a.state <> 'abandoned'", (payee.id,)):
            paid = {row.id for row in read_withdrawals(tx.db, PAID_BY, (other.id,))}
            if other.intent_id != plan.intent_id or paid != wanted:
                raise IllegalTransitionError(f"attempt {other.id} pays withdrawal {payee.id} with others")


def record_payees(tx: Tx, attempt_id: str, plan: AttemptPlan, payees: Sequence[WithdrawalRow]) -> None:
    """Write whom an attempt pays, if anybody, and each one's share of its fee."""
    shares = fee_shares(plan.fee, len(payees)) if payees else []
    for payee, share in zip(payees, shares, strict=True):
        tx.db.execute(
            "INSERT INTO attempt_payout (attempt_id, withdrawal_id, fee_share) VALUES (?, ?, ?)",
            (attempt_id, payee.id, str(share)),
        )
