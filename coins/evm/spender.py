"""Plans, has signed and sends account payments. Holds no key."""

from __future__ import annotations

from coins.errors import CoinError, NodeDataError, PlanError, SignerError
from coins.evm.broadcast import outcome_of
from coins.evm.fees import quote_fee, refuse_dear, sweep_price
from coins.evm.quantity import parse_quantity
from coins.evm.raw import check_signed
from coins.evm.rpc import EvmRpc, RpcAnswerError
from coins.evm.tx import PAYOUT, SWEEP, UnsignedTx, check_plan, encode_payload
from coins.evm.wire import Header
from coins.family import Signer
from coins.types import (
    AttemptPlan,
    BroadcastOutcome,
    BroadcastResult,
    FeeQuote,
    PayoutWork,
    SignedTx,
    TxOutput,
)
from config.schema import EvmCoinSettings


class EvmSpender:
    """Spender for the native currency: payouts from the hot account, sweeps of deposit accounts."""

    def __init__(self, settings: EvmCoinSettings, rpc: EvmRpc, signer: Signer) -> None:
        self._settings = settings
        self._rpc = rpc
        self._signer = signer

    async def quote(self) -> FeeQuote:
        """Price from the latest block's base fee. Raises NodeDataError on a chain without EIP-1559."""
        latest: Header = await self._rpc.call("eth_getBlockByNumber", "latest", False, result=Header)
        if latest.base_fee_per_gas is None:
            raise NodeDataError("block.baseFeePerGas is missing: the chain has no EIP-1559")
        base_fee_wei = parse_quantity(latest.base_fee_per_gas, "block.baseFeePerGas")
        return quote_fee(base_fee_wei, self._settings.priority_fee_wei, self._settings.max_fee_wei)

    def plan(self, work: PayoutWork, quote: FeeQuote) -> AttemptPlan:
        """One type 2 transaction. Pure.

        ``payout``: the wanted amount with the configured gas limit. ``sweep``: everything the source
        has, so that exactly nothing is left (tip = maximum, so the fee is known beforehand); the
        amount of ``work.output`` is not read. Raises PlanError (waiting for funds or gas).
        """
        if work.source is None or work.nonce is None or work.balance is None:
            raise ValueError("a plan on an account chain needs source, nonce and balance")
        if work.output.amount <= 0 and work.kind == PAYOUT:
            raise PlanError("there is nothing to pay")
        refuse_dear(quote)
        gas = self._settings.gas_limit
        if work.kind == SWEEP:
            price = sweep_price(quote)
            amount, max_fee_wei, priority_fee_wei = work.balance - gas * price, price, price
            if amount <= 0:
                raise PlanError(f"the balance of {work.balance} wei does not pay its own sweep", "funds")
        else:
            amount, max_fee_wei = work.output.amount, quote.max_fee_wei
            priority_fee_wei = quote.priority_fee_wei
            _check_funds(work.balance, amount, gas * max_fee_wei)
        tx = UnsignedTx(
            chain_id=self._settings.chain_id,
            nonce=work.nonce,
            to=work.output.script,
            value=amount,
            gas=gas,
            max_fee_wei=max_fee_wei,
            priority_fee_wei=priority_fee_wei,
        )
        return AttemptPlan(
            intent_id=work.intent_id,
            kind=work.kind,
            currency=work.currency,
            outputs=(TxOutput(work.output.script, work.output.address, amount),),
            fee=tx.fee,
            payload=encode_payload(tx),
            sender=work.source,
            nonce=work.nonce,
        )

    async def sign(self, plan: AttemptPlan) -> SignedTx:
        """Signed by the signer; the bytes are decoded and compared with the plan. Raises SignerError."""
        tx = check_plan(plan, self._settings.currency, self._settings.chain_id)
        if plan.sender is None:
            raise SignerError("the plan has no sender")
        signed = await self._signer.sign(plan)
        check_signed(signed, tx, plan.sender.script)
        return signed

    async def broadcast(self, signed: SignedTx) -> BroadcastResult:
        """Send the bytes; decided by one table (``coins.evm.broadcast``). Never raises for node trouble.

        The chain id is asked first: a node of another chain refuses our bytes too, and that would
        say nothing about ours.
        """
        try:
            await self._rpc.batch([])
            txid = await self._rpc.call("eth_sendRawTransaction", signed.raw, result=str)
        except RpcAnswerError as error:
            return BroadcastResult(outcome_of(error.message), f"{error.code} {error.message[:300]}")
        except CoinError as error:
            return BroadcastResult(BroadcastOutcome.UNKNOWN, str(error))
        if txid.lower() != signed.txid:
            return BroadcastResult(BroadcastOutcome.UNKNOWN, "the node took it under another txid")
        return BroadcastResult(BroadcastOutcome.ACCEPTED)


def _check_funds(balance: int, amount: int, fee: int) -> None:
    """Refuse a payout that the account cannot pay. Raises PlanError."""
    if balance < amount:
        raise PlanError(f"the hot account has {balance} wei, the payout needs {amount}", "funds")
    if balance < amount + fee:
        raise PlanError(f"the hot account has {balance} wei, payout and gas need {amount + fee}", "gas")
