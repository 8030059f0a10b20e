"""Plans, has signed and sends account payments, of the chain's own coin and of tokens. Holds no key."""

from __future__ import annotations

from coins.errors import CoinError, NodeDataError, PlanError, SignerError
from coins.evm.broadcast import is_nonce_used, outcome_of
from coins.evm.bump import bump_plan
from coins.evm.calldata import encode_transfer
from coins.evm.fees import quote_fee, refuse_dear, sweep_price
from coins.evm.quantity import parse_quantity
from coins.evm.raw import check_signed
from coins.evm.rpc import EvmRpc, RpcAnswerError
from coins.evm.tx import SWEEP, UnsignedTx, check_plan, encode_payload
from coins.evm.wire import Header, TxByHash
from coins.family import Signer
from coins.types import (
    AttemptPlan,
    BroadcastOutcome,
    BroadcastResult,
    FeeQuote,
    PayoutWork,
    SignedTx,
    StuckWork,
    TxOutput,
)
from config.schema import EvmCoinSettings, TokenSettings


class EvmSpender:
    """Payouts and gas from the hot account, sweeps of deposit accounts."""

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
        """One type 2 transaction. Pure. Raises PlanError (waiting for funds or gas)."""
        if work.source is None or work.nonce is None or work.balance is None:
            raise ValueError("a plan on an account chain needs source, nonce and balance")
        if work.output.amount <= 0 and work.kind != SWEEP:
            raise PlanError("there is nothing to pay")
        refuse_dear(quote)
        token = self._settings.token_of(work.currency)
        if token is None:
            amount, tx = self._plan_native(work, quote, work.nonce, work.balance)
        else:
            amount, tx = self._plan_token(work, quote, work.nonce, work.balance, token)
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

    def _plan_native(
        self, work: PayoutWork, quote: FeeQuote, nonce: int, balance: int
    ) -> tuple[int, UnsignedTx]:
        """Amount and transaction of a payment of the chain's own currency.

        ``payout`` and ``top_up``: the wanted amount with the configured gas limit. ``sweep``: everything
        the source has, so that exactly nothing is left (tip = maximum, so the fee is known beforehand); the
        amount of ``work.output`` is not read.
        """
        gas, amount, prices = self._settings.gas_limit, work.output.amount, _prices(quote)
        if work.kind == SWEEP:
            price = sweep_price(quote)
            amount, prices = balance - gas * price, (price, price)
            if amount <= 0:
                raise PlanError(f"the balance of {balance} wei does not pay its own sweep", "funds")
        else:
            _check_funds(balance, amount, gas * quote.max_fee_wei)
        return amount, UnsignedTx(
            self._settings.chain_id, nonce, work.output.script, amount, gas, prices[0], prices[1]
        )

    def _plan_token(
        self, work: PayoutWork, quote: FeeQuote, nonce: int, balance: int, token: TokenSettings
    ) -> tuple[int, UnsignedTx]:
        """Amount and transaction of a token's transfer: a call of its contract, paid in the chain's own coin.

        ``sweep``: all units the source has, at a price that its gas pays for.
        """
        gas, amount, prices = token.gas_limit, work.output.amount, _prices(quote)
        held = work.gas_balance or 0
        if balance < amount or amount <= 0:
            raise PlanError(f"the account has {balance} base units, the payment needs {amount}", "funds")
        if work.kind == SWEEP:
            amount, price = balance, min(quote.max_fee_wei, held // gas)
            if price < sweep_price(quote):
                missing = gas * quote.max_fee_wei - held
                raise PlanError(f"{held} wei do not pay the sweep of {token.currency}", "gas", missing)
            prices = (price, min(quote.priority_fee_wei, price))
        elif held < gas * quote.max_fee_wei:
            needed = gas * quote.max_fee_wei
            raise PlanError(f"the hot account has {held} wei free, gas may need {needed}", "gas")
        data = encode_transfer(work.output.script, amount)
        return amount, UnsignedTx(
            self._settings.chain_id, nonce, token.contract_script, 0, gas, prices[0], prices[1], data
        )

    def bump(self, work: StuckWork, quote: FeeQuote) -> AttemptPlan | None:
        """See Bumper; within the configured highest price."""
        return bump_plan(work, quote, self._settings.max_fee_wei)

    async def vet(self, plan: AttemptPlan) -> None:
        """Nothing to ask: a node relays any payment that its sender can pay for, and the chain decides."""

    async def sign(self, plan: AttemptPlan) -> SignedTx:
        """Signed by the signer; the bytes are decoded and compared with the plan. Raises SignerError."""
        token = self._settings.token_of(plan.currency)
        currency = self._settings.currency if token is None else token.currency
        contract = None if token is None else token.contract_script
        tx = check_plan(plan, currency, self._settings.chain_id, contract)
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
            return await self._judge(signed, error)
        except CoinError as error:
            return BroadcastResult(BroadcastOutcome.UNKNOWN, str(error))
        if txid.lower() != signed.txid:
            return BroadcastResult(BroadcastOutcome.UNKNOWN, "the node took it under another txid")
        return BroadcastResult(BroadcastOutcome.ACCEPTED)

    async def _judge(self, signed: SignedTx, error: RpcAnswerError) -> BroadcastResult:
        """What an error means; where the nonce is used, whether a block holds these very bytes."""
        outcome, detail = outcome_of(error.message), f"{error.code} {error.message[:300]}"
        if is_nonce_used(error.message):
            try:
                held = await self._rpc.call("eth_getTransactionByHash", signed.txid, result=TxByHash | None)
            except CoinError as trouble:
                return BroadcastResult(BroadcastOutcome.UNKNOWN, f"{detail}; its own block: {trouble}")
            if held is not None and held.hash == signed.txid and held.block_number is not None:
                outcome = BroadcastOutcome.KNOWN
        return BroadcastResult(outcome, detail)


def _prices(quote: FeeQuote) -> tuple[int, int]:
    """Highest price and tip per gas of a payment that should be mined soon."""
    return quote.max_fee_wei, quote.priority_fee_wei


def _check_funds(balance: int, amount: int, fee: int) -> None:
    """Refuse a payout that the account cannot pay. Raises PlanError."""
    if balance < amount:
        raise PlanError(f"the hot account has {balance} wei, the payout needs {amount}", "funds")
    if balance < amount + fee:
        raise PlanError(f"the hot account has {balance} wei, payout and gas need {amount + fee}", "gas")
