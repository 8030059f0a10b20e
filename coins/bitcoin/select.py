"""Which outputs of ours pay for a payout, and what it costs exactly. Pure.

Sizes in virtual bytes (BIP 141): four weight units are one. Signatures are counted at their
longest, so the fee is never below the wanted rate.

Three ways are tried, and the one that wastes least is taken: inputs that need no change (branch and
bound), the smallest single output that is enough, and the sum of small ones nearest to the target
(knapsack). Waste is what the inputs cost now above what they would cost at the long-term rate, and what
the change costs now and when it is spent, or what is left to the miner without one. So at a low rate many
small outputs are swept together, at a high one few are spent.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from coins.bitcoin.wire import varint
from coins.errors import PlanError
from coins.types import TxOutput, Utxo

INPUTS_MAX = 500  # more would near the largest chain tx that nodes relay
SEARCH_INPUTS_MAX = 252  # above that their count takes two bytes more, which the search does not know
TRIES_MAX = 1_000  # steps of the search for inputs that need no change: about a millisecond
ROUNDS = 10  # of the knapsack
SMALL_MAX = 80  # outputs a knapsack looks at
_SIGNATURE_MAX = 72  # DER with low S, and the byte of the hash type
_KEY_SIZE = 33
P2WPKH_INPUT_WEIGHT = 4 * 41 + 1 + 1 + _SIGNATURE_MAX + 1 + _KEY_SIZE
_P2PKH_INPUT_WEIGHT = 4 * (41 + 1 + _SIGNATURE_MAX + 1 + _KEY_SIZE)
_ROUNDING = 3  # weight units by which a size may be rounded up


@dataclass(frozen=True, slots=True)
class Selection:
    """Chosen inputs in a fixed order, the fee, and the change (0: none, it went to the fee)."""

    inputs: tuple[Utxo, ...]
    fee: int
    change: int


@dataclass(frozen=True, slots=True)
class Limits:
    """``dust``: smallest output that nodes relay; ``max_fee``: most one chain tx may cost; base units.

    ``long_term_sat_vb`` is the rate at which an output may be spent some day instead.
    """

    fee_rate_sat_vb: int
    dust: int
    max_fee: int
    long_term_sat_vb: int


@dataclass(frozen=True, slots=True)
class _Coin:
    """An output with its weight as an input, and what it adds above its own fee (times four)."""

    utxo: Utxo
    weight: int
    worth4: int


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be paid, at which price. ``target4`` is what inputs without change must add, times four."""

    scripts: tuple[bytes, ...]
    amount: int
    change_script: bytes
    limits: Limits

    @property
    def target4(self) -> int:
        weight = _weight(1, 0, self.scripts) + _ROUNDING
        return 4 * self.amount + weight * self.limits.fee_rate_sat_vb

    @property
    def change_cost4(self) -> int:
        """What change costs as an output now, and as an input some day, times four."""
        now = 4 * output_size(self.change_script) * self.limits.fee_rate_sat_vb
        return now + input_weight(self.change_script) * self.limits.long_term_sat_vb


def input_weight(script: bytes) -> int:
    """Weight of a signed input that spends ``script``. Raises PlanError for one we cannot sign."""
    if len(script) == 22 and script[:2] == b"\x00\x14":
        return P2WPKH_INPUT_WEIGHT
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
    return (_weight(inputs_count, inputs_weight, output_scripts) + 3) // 4


def _weight(inputs_count: int, inputs_weight: int, output_scripts: Sequence[bytes]) -> int:
    counts = len(varint(inputs_count)) + len(varint(len(output_scripts)))
    outputs = sum(output_size(script) for script in output_scripts)
    return 4 * (4 + 4 + counts + outputs) + 2 + inputs_weight


def select(
    utxos: Sequence[Utxo], payees: Sequence[TxOutput], change_script: bytes, limits: Limits
) -> Selection:
    """Choose inputs for these payees, as the module's head says.

    The same outputs in any order give the same choice. Change below ``dust`` goes to the fee.
    Raises PlanError: ``funds`` when there is not enough or too many small outputs would be needed.
    """
    for payee in payees:
        if payee.amount < limits.dust:
            raise PlanError(f"amount {payee.amount} is below the dust limit {limits.dust}")
    amount = sum(payee.amount for payee in payees)
    job = _Job(tuple(payee.script for payee in payees), amount, change_script, limits)
    coins = _useful(utxos, limits.fee_rate_sat_vb)
    found = [
        (_waste(selection, job), len(selection.inputs), selection)
        for chosen in (_without_change(coins, job), _single(coins, job), _knapsack(coins, job))
        if chosen is not None and (selection := _settle(chosen, job)) is not None
    ]
    if found:
        selection = min(found, key=lambda each: each[:2])[2]
    else:
        selection = _largest_first(coins, job)
    if selection.fee > limits.max_fee:
        raise PlanError(f"fee {selection.fee} is above the limit {limits.max_fee} of a chain tx", "node")
    return selection


def _useful(utxos: Sequence[Utxo], rate: int) -> list[_Coin]:
    """Outputs that bring more than they cost, the most useful first."""
    coins = []
    for utxo in utxos:
        weight = input_weight(utxo.own.script)
        worth4 = utxo.amount * 4 - weight * rate
        if worth4 > 0:
            coins.append(_Coin(utxo, weight, worth4))
    coins.sort(key=lambda coin: (-coin.worth4, coin.utxo.outpoint.txid, coin.utxo.outpoint.index))
    return coins


def _without_change(coins: Sequence[_Coin], job: _Job) -> list[_Coin] | None:
    """Branch and bound (as Bitcoin Core does it): a sum at most the cost of change above the target.

    Walks the tree of "with or without this output", the most useful ones first, within TRIES_MAX steps.
    """
    target4, most4 = job.target4, job.target4 + job.change_cost4
    rest4 = list(accumulate((coin.worth4 for coin in reversed(coins)), initial=0))[::-1]
    chosen: list[int] = []
    best: list[int] | None = None
    best4 = most4 + 1
    total4 = index = 0
    for _ in range(TRIES_MAX):
        is_end = total4 + rest4[index] < target4 or total4 >= best4 or len(chosen) > SEARCH_INPUTS_MAX
        if not is_end and total4 >= target4:
            best, best4, is_end = list(chosen), total4, True
            if total4 == target4:
                break
        if not is_end and index < len(coins):
            chosen.append(index)
            total4 += coins[index].worth4
            index += 1
            continue
        if not chosen:
            break
        last = chosen.pop()
        total4 -= coins[last].worth4
        index = last + 1
        while index < len(coins) and coins[index].worth4 == coins[last].worth4:
            index += 1  # without one of them is without all of the same worth
    return None if best is None else [coins[each] for each in best]


def _single(coins: Sequence[_Coin], job: _Job) -> list[_Coin] | None:
    """The smallest output that is enough alone."""
    enough = [coin for coin in coins if coin.worth4 >= job.target4]
    return enough[-1:] or None


def _knapsack(coins: Sequence[_Coin], job: _Job) -> list[_Coin] | None:
    """The sum of small outputs nearest above the target and a change worth having.

    Rounds of chance (as Bitcoin Core does it), from a fixed seed: the same outputs give the same choice.
    """
    goal4 = job.target4 + job.change_cost4 + 4 * max(job.limits.dust, 1)
    small = [coin for coin in coins if coin.worth4 < goal4][:SMALL_MAX]
    best, best4 = None, sum(coin.worth4 for coin in small) + 1
    if best4 <= goal4:
        return None
    chance = random.Random(len(small))  # nosec B311 - a choice of coins is no secret
    for _ in range(ROUNDS):
        chosen: set[int] = set()
        total4 = 0
        for is_second in (False, True):
            for index, coin in enumerate(small):
                if index in chosen if is_second else chance.getrandbits(1):
                    continue
                chosen.add(index)
                total4 += coin.worth4
                if total4 >= goal4:
                    if total4 < best4:
                        best, best4 = sorted(chosen), total4
                    chosen.discard(index)
                    total4 -= coin.worth4
    return None if best is None else [small[each] for each in best]


def _largest_first(coins: Sequence[_Coin], job: _Job) -> Selection:
    """As few inputs as possible. Raises PlanError when even all of them are not enough."""
    almost4 = job.target4 - _ROUNDING * job.limits.fee_rate_sat_vb
    worths4 = accumulate(coin.worth4 for coin in coins)
    for count, worth4 in enumerate(worths4, 1):
        if worth4 < almost4:
            continue
        if count > INPUTS_MAX:
            raise PlanError(f"more than {INPUTS_MAX} outputs would be needed: consolidate them first")
        if (selection := _settle(coins[:count], job)) is not None:
            return selection
    have = sum(coin.utxo.amount for coin in coins)
    raise PlanError(f"{job.amount} and the fee are more than the {have} that can be spent now")


def _waste(selection: Selection, job: _Job) -> int:
    """What a choice costs more than it would at the long-term rate, times four."""
    weight = sum(input_weight(utxo.own.script) for utxo in selection.inputs)
    waste4 = weight * (job.limits.fee_rate_sat_vb - job.limits.long_term_sat_vb)
    if selection.change:
        return waste4 + job.change_cost4
    least = job.limits.fee_rate_sat_vb * _vsize(len(selection.inputs), weight, job.scripts)
    return waste4 + 4 * (selection.fee - least)


def _settle(coins: Sequence[_Coin], job: _Job) -> Selection | None:
    """Fee and change of a choice, None if it is not enough or too many."""
    if len(coins) > INPUTS_MAX:
        return None
    inputs = tuple(coin.utxo for coin in coins)
    total, weight = sum(utxo.amount for utxo in inputs), sum(coin.weight for coin in coins)
    rate = job.limits.fee_rate_sat_vb
    rest = total - job.amount
    fee_with_change = rate * _vsize(len(inputs), weight, [*job.scripts, job.change_script])
    change = rest - fee_with_change
    if change >= max(job.limits.dust, 1) and 4 * (change + fee_with_change) > job.change_cost4 + 4 * rate * (
        _vsize(len(inputs), weight, job.scripts)
    ):
        return Selection(inputs, fee_with_change, change)
    if rest >= rate * _vsize(len(inputs), weight, job.scripts):
        return Selection(inputs, rest, 0)
    return None
