"""What own accounts have at one block, of the chain's own currency and of its tokens, by the node's state.

A node keeps the state of its newest blocks only (an archive keeps all); how deep is found out by asking.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coins.errors import NodeUnavailableError, StateGoneError
from coins.evm.balance import balance_at, failures, number_of
from coins.evm.quantity import parse_quantity, quantity
from coins.evm.rpc import Call, EvmRpc, RpcAnswerError
from coins.evm.wire import Header, block_ref_of, check_place
from coins.types import Asked, BlockRef, Holdings, Location
from config.schema import EvmCoinSettings

logger = logging.getLogger(__name__)

METHOD = "eth_getBalance"
_TRIES = 5
_ANYBODY = "0x" + "00" * 20


async def holdings_at_head(
    rpc: EvmRpc, settings: EvmCoinSettings, places: Mapping[bytes, Location]
) -> Holdings:
    """Balances at the node's latest block. Raises NodeUnavailableError when the chain keeps changing."""
    for _ in range(_TRIES):
        ref = block_ref_of(await rpc.call("eth_getBlockByNumber", "latest", False, result=Header))
        found = await _holdings(rpc, settings, places, ref, ref.height)
        if found is not None:
            return found
    raise NodeUnavailableError("the chain kept changing while balances were read")


async def holdings_at(
    rpc: EvmRpc, settings: EvmCoinSettings, places: Mapping[bytes, Location], height: int
) -> Holdings:
    """Balances at the block of a height. Raises StateGoneError where the node keeps no state of it any more,
    NodeUnavailableError for a block that it does not have, or that changes."""
    for _ in range(_TRIES):
        latest, header = await rpc.batch(
            [
                Call("eth_getBlockByNumber", ("latest", False), Header),
                Call("eth_getBlockByNumber", (quantity(height), False), Header | None),
            ]
        )
        if header is None:
            raise NodeUnavailableError(f"the node has no block at height {height}")
        ref = block_ref_of(header)
        check_place(ref, height)
        head = block_ref_of(latest).height
        try:
            found = await _holdings(rpc, settings, places, ref, head)
        except RpcAnswerError as error:
            if await _has_state(rpc, height):
                raise
            kept = await kept_depth(rpc, head)
            raise StateGoneError(
                f"the node keeps the state of its last {kept} blocks, and none of block {height}, which is"
                f" {head - height} below its head: an archive node is needed ({error.message[:100]})"
            ) from None
        if found is not None:
            return found
    raise NodeUnavailableError(f"block {height} kept changing while balances were read")


@dataclass(frozen=True, slots=True)
class EvmHistory:
    """Each height is asked from the node's state when it is wanted."""

    rpc: EvmRpc
    settings: EvmCoinSettings
    places: Mapping[bytes, Location]

    async def at(self, height: int) -> Holdings:
        """See History."""
        return await holdings_at(self.rpc, self.settings, self.places, height)


async def kept_depth(rpc: EvmRpc, head: int) -> int:
    """How many blocks below and with the head the node keeps state of, found by halving; at most 64 calls."""
    good, bad = 0, head + 1
    if not await _has_state(rpc, head):
        return 0
    step = 1
    while good + step < bad and await _has_state(rpc, head - good - step):
        good += step
        step *= 2
    bad = min(bad, good + step)
    while bad - good > 1:
        middle = (good + bad) // 2
        if await _has_state(rpc, head - middle):
            good = middle
        else:
            bad = middle
    return good + 1


async def _has_state(rpc: EvmRpc, height: int) -> bool:
    """Whether the node answers for the state of a block; one that is busy is no answer."""
    call = Call(METHOD, (_ANYBODY, quantity(height)), str, may_fail=True)
    (answer,) = await rpc.batch([call])
    return not failures([answer])


async def _holdings(
    rpc: EvmRpc, settings: EvmCoinSettings, places: Mapping[bytes, Location], ref: BlockRef, head: int
) -> Holdings | None:
    """Balances at a block, None when that height has another block by now."""
    began = time.monotonic()
    owned = await _balances(rpc, settings, list(places), quantity(ref.height))
    node_ms = int((time.monotonic() - began) * 1000)
    now = await rpc.call("eth_getBlockByNumber", quantity(ref.height), False, result=Header | None)
    if now is None or block_ref_of(now) != ref:
        return None
    asked = Asked(settings.node.origin, METHOD, len(places), head, node_ms)
    amounts = {currency: _by_location(places, held) for currency, held in owned.items()}
    return Holdings(ref, amounts, owned, asked)


async def _balances(
    rpc: EvmRpc, settings: EvmCoinSettings, accounts: Sequence[bytes], at: str
) -> dict[str, dict[bytes, int]]:
    """What each account has, by currency; accounts with nothing are left out.

    A token that does not give every balance is left out: what it holds is unknown, not zero.
    """
    calls = [Call(METHOD, ("0x" + account.hex(), at), str) for account in accounts]
    for token in settings.tokens:
        calls += [balance_at((token.contract_script, account), at) for account in accounts]
    answers = await rpc.batch(calls)
    size = len(accounts)
    native = [parse_quantity(answer, METHOD) for answer in answers[:size]]
    failures(answers)
    found = {settings.currency: _owned(accounts, native)}
    for number, token in enumerate(settings.tokens, 1):
        balances = [number_of(answer) for answer in answers[number * size : (number + 1) * size]]
        known = [balance for balance in balances if balance is not None]
        if len(known) == size:
            found[token.currency] = _owned(accounts, known)
        else:
            logger.error(
                "%s: its contract gives no balance of %d accounts", token.currency, size - len(known)
            )
    return found


def _owned(accounts: Sequence[bytes], balances: Sequence[int]) -> dict[bytes, int]:
    return {account: balance for account, balance in zip(accounts, balances, strict=True) if balance}


def _by_location(places: Mapping[bytes, Location], owned: Mapping[bytes, int]) -> dict[Location, int]:
    """Sums by location."""
    amounts = dict.fromkeys(places.values(), 0)
    for account, balance in owned.items():
        amounts[places[account]] += balance
    return amounts
