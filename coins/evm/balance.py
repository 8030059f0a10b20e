"""What token contracts say: what an account has at exactly one block, how many decimals amounts have."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from coins.errors import NodeUnavailableError, WrongNetworkError
from coins.evm.quantity import quantity
from coins.evm.rpc import Call, EvmRpc, RpcAnswerError
from coins.evm.token import Holder, balance_call, decimals_call, parse_number
from coins.evm.wire import Header, block_ref_of
from coins.types import BlockRef
from config.schema import TokenSettings

logger = logging.getLogger(__name__)

_BUSY = frozenset({-32005})  # EIP-1474: too many requests; everything else is an answer
_REVERTED = 3  # what nodes say when the contract itself ended a call
_ENDED_BY_CONTRACT = ("revert", "invalid opcode", "invalid jump", "out of gas", "stack underflow")


class BalanceChanges:
    """By how much the balances of accounts changed in one block."""

    def __init__(self, rpc: EvmRpc) -> None:
        """Ask ``rpc``."""
        self._rpc = rpc

    async def read(self, holders: Sequence[Holder], ref: BlockRef) -> dict[Holder, int | None]:
        """Balance at block ``ref`` less the one at its parent; None where it cannot be told.

        Both blocks are named by their hash (EIP-1898), so a reorganisation changes no answer. It cannot be
        told when the node has the state no more, or when the contract answers anything but one word. Raises
        NodeUnavailableError when the node is too busy, or the block left the chain meanwhile.
        """
        answers: list[str | RpcAnswerError] = await self._rpc.batch(
            [
                balance_at(holder, {"blockHash": block_hash})
                for holder in holders
                for block_hash in (ref.block_hash, ref.parent_hash)
            ]
        )
        if failures(answers):
            await self._check_still_there(ref)
        changes: dict[Holder, int | None] = {}
        for place, holder in enumerate(holders):
            after, before = (number_of(answer) for answer in answers[2 * place : 2 * place + 2])
            changes[holder] = None if after is None or before is None else after - before
            if changes[holder] is None:
                logger.error(
                    "contract 0x%s: the balance of 0x%s in block %d cannot be told: %s",
                    holder[0].hex(), holder[1].hex(), ref.height, answers[2 * place : 2 * place + 2],
                )  # fmt: skip
        return changes

    async def _check_still_there(self, ref: BlockRef) -> None:
        """Raise NodeUnavailableError unless ``ref`` is in the node's chain."""
        header: Header | None = await self._rpc.call(
            "eth_getBlockByNumber", quantity(ref.height), False, result=Header | None
        )
        if header is None or block_ref_of(header) != ref:
            raise NodeUnavailableError(f"block {ref.height} {ref.block_hash} is not there any more")


async def check_decimals(rpc: EvmRpc, tokens: Sequence[TokenSettings]) -> None:
    """Compare the configured decimals with those of the contracts; some contracts tell none.

    Raises WrongNetworkError where they differ: every amount would be wrong by a power of ten.
    Raises RpcAnswerError where the node, not the contract, is the reason that there is no answer.
    """
    answers: list[str | RpcAnswerError] = await rpc.batch(
        [
            Call("eth_call", ({"to": token.contract, "data": decimals_call()}, "latest"), str, may_fail=True)
            for token in tokens
        ]
    )
    for token, answer in zip(tokens, answers, strict=True):
        if isinstance(answer, RpcAnswerError) and not _is_of_contract(answer):
            raise answer
        decimals = number_of(answer)
        if decimals is None:
            logger.warning("%s: no contract at %s tells its decimals", token.currency, token.contract)
        elif decimals != token.decimals:
            raise WrongNetworkError(
                f"the contract of {token.currency} has {decimals} decimals, configured are {token.decimals}"
            )


def balance_at(holder: Holder, block: str | dict[str, str]) -> Call:
    """The call for one balance at one block; an error is its result."""
    contract, account = holder
    request = {"to": "0x" + contract.hex(), "data": balance_call(account)}
    return Call("eth_call", (request, block), str, may_fail=True)


def failures(answers: Sequence[Any]) -> list[RpcAnswerError]:
    """The errors among answers. Raises NodeUnavailableError when one only says that the node is busy."""
    failures = [answer for answer in answers if isinstance(answer, RpcAnswerError)]
    for failure in failures:
        if failure.code in _BUSY:
            raise failure
    return failures


def _is_of_contract(failure: RpcAnswerError) -> bool:
    """Whether the call was made and the contract ended it; an error of the node's own says nothing of it."""
    words = failure.message.lower()
    return failure.code == _REVERTED or any(each in words for each in _ENDED_BY_CONTRACT)


def number_of(answer: str | RpcAnswerError) -> int | None:
    """The number in an answer, None for everything that is none."""
    return None if isinstance(answer, RpcAnswerError) else parse_number(answer)
