"""Which outputs of ours pay for a payout, and what it costs exactly. Pure.

Sizes in virtual bytes (BIP 141): four weight units are one. Signatures are counted at their
longest, so the fee is never below the wanted rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coins.bitcoin.wire import varint
from coins.errors import PlanError
from coins.types import Utxo

INPUTS_MAX = 500  # more would near the largest chain tx that nodes relay
_SIGNATURE_MAX = 72  # DER with low S, and the byte of the hash type
_KEY_SIZE = 33
_P2WPKH_INPUT_WEIGHT = 4 * 41 + 1 + 1 + _SIGNATURE_MAX + 1 + _KEY_SIZE
_P2PKH_INPUT_WEIGHT = 4 * (41 + 1 + _SIGNATURE_MAX + 1 + _KEY_SIZE)


@dataclass(frozen=True, slots=True)
class Selection:
    """Chosen inputs in a fixed order, the fee, and the change (0: none, it went to the fee)."""

    inputs: tuple[Utxo, ...]
    fee: int
    change: int


@dataclass(frozen=True, slots=True)
class Limits:
    """``dust``: smallest output that nodes relay; ``max_fee``: most one chain tx may cost; base units."""

    fee_rate_sat_vb: int
    dust: int
    max_fee: int


def input_weight(script: bytes) -> int:
    """Weight of a signed input that spends ``script``. Raises PlanError for one we cannot sign."""
    if len(script) == 22 and script[:2] == b"\x00\x14":
        return _P2WPKH_INPUT_WEIGHT
    if len(script) == 25 and script[:3] == b"\x76\xa9\x14":
        return _P2PKH_INPUT_WEIGHT + 1  # the empty witness beside other inputs' witnesses
    raise PlanError("an own output has a script that this version cannot spend")


def output_size(script: bytes) -> int:
    """Bytes of an output: 31 for P2WPKH, 34 P2PKH, 32 P2SH, 43 P2WSH and P2TR."""
    return 8 + len(varint(len(script))) + len(script)


def tx_vsize(input_scripts: Sequence[bytes], output_scripts: Sequence[bytes]) -> int:
    """Virtual bytes of the signed chain tx, at most."""
    return _vsize(len(input_scripts), sum(input_weight(script) for script in input_scripts), output_scripts)


def _vsize(inputs_count: int, inputs_weight: int, output_scripts: Sequence[bytes]) -> int:
    """Virtual bytes of inputs of a known weight and these outputs."""
    counts = len(varint(inputs_count)) + len(varint(len(output_scripts)))
    outputs = sum(output_size(script) for script in output_scripts)
    weight = 4 * (4 + 4 + counts + outputs) + 2 + inputs_weight
    return (weight + 3) // 4


def select(
    utxos: Sequence[Utxo], payee_script: bytes, amount: int, change_script: bytes, limits: Limits
) -> Selection:
    """Choose inputs for one payee: the smallest single one that is enough, else the largest ones first.

    The same outputs in any order give the same choice. Change below ``dust`` goes to the fee.
    Raises PlanError: ``funds`` when there is not enough or too many small outputs would be needed.
    """
    if amount < limits.dust:
        raise PlanError(f"amount {amount} is below the dust limit {limits.dust}")
    rate = limits.fee_rate_sat_vb
    useful = [utxo for utxo in utxos if utxo.amount * 4 > input_weight(utxo.own.script) * rate]
    largest_first = sorted(useful, key=lambda u: (-u.amount, u.outpoint.txid, u.outpoint.index))
    alone = {
        weight: amount + rate * _vsize(1, weight, [payee_script])
        for weight in {input_weight(utxo.own.script) for utxo in useful}
    }
    enough = [utxo for utxo in largest_first if utxo.amount >= alone[input_weight(utxo.own.script)]]
    selection = _settle(enough[-1:], payee_script, amount, change_script, limits) if enough else None
    chosen: list[Utxo] = []
    total = inputs_weight = 0
    for utxo in largest_first if selection is None else ():
        chosen.append(utxo)
        total += utxo.amount
        inputs_weight += input_weight(utxo.own.script)
        if len(chosen) > INPUTS_MAX:
            raise PlanError(f"more than {INPUTS_MAX} outputs would be needed: consolidate them first")
        if total >= amount + rate * _vsize(len(chosen), inputs_weight, [payee_script]):
            selection = _settle(chosen, payee_script, amount, change_script, limits)
            break
    if selection is None:
        have = sum(utxo.amount for utxo in useful)
        raise PlanError(f"{amount} and the fee are more than the {have} that can be spent now")
    if selection.fee > limits.max_fee:
        raise PlanError(f"fee {selection.fee} is above the limit {limits.max_fee} of a chain tx", "node")
    return selection


def _settle(
    inputs: Sequence[Utxo], payee_script: bytes, amount: int, change_script: bytes, limits: Limits
) -> Selection | None:
    """Fee and change of a choice, None if it is not enough."""
    total = sum(utxo.amount for utxo in inputs)
    weight = sum(input_weight(utxo.own.script) for utxo in inputs)
    rate = limits.fee_rate_sat_vb
    fee_with_change = rate * _vsize(len(inputs), weight, [payee_script, change_script])
    change = total - amount - fee_with_change
    if change >= max(limits.dust, 1):
        return Selection(tuple(inputs), fee_with_change, change)
    rest = total - amount
    if rest >= rate * _vsize(len(inputs), weight, [payee_script]):
        return Selection(tuple(inputs), rest, 0)
    return None
