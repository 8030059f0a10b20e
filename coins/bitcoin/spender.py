"""Payouts: the price, the plan, the signature, the broadcast. Holds no key."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

from coins.bitcoin.answer import as_bool, as_hash, as_list, as_object, as_text
from coins.bitcoin.broadcast import blames_payee, decide, is_too_cheap
from coins.bitcoin.bump import bump_plan
from coins.bitcoin.child import child_plan
from coins.bitcoin.consolidate import FeeBounds, consolidation_plan, input_cost
from coins.bitcoin.plan import Terms, check_signed, plan_payout, probes, unsigned_tx
from coins.bitcoin.rpc import RpcClient, RpcError
from coins.bitcoin.select import Limits
from coins.errors import CoinError, NodeDataError, PayeeRefusedError, PlanError, SignerError
from coins.family import Signer
from coins.types import (
    AttemptPlan,
    BroadcastOutcome,
    BroadcastResult,
    ConsolidationTerms,
    ConsolidationWork,
    FeeQuote,
    PayoutWork,
    SignedTx,
    StuckWork,
)
from config.schema import BitcoinCoinSettings

_REJECTED_CODE = -26
_NO_WALLET_ANSWERS = {-4, -5, -8, -13, -22}  # the wallet answered, and it is no


class BitcoinSpender:
    """Spender of one currency. The node's wallet signs with custody ``node``, else ``signer``."""

    def __init__(self, settings: BitcoinCoinSettings, rpc: RpcClient, signer: Signer) -> None:
        self._settings = settings
        self._rpc = rpc
        self._signer = signer

    async def quote(self) -> FeeQuote:
        """See Spender."""
        fees = self._settings.fee_rate
        target = self._settings.fee_target_blocks
        answer = as_object(await self._rpc.call("estimatesmartfee", target), "estimatesmartfee")
        rate = fees.fallback if answer.get("feerate") is None else fee_rate_sat_vb(answer["feerate"])
        return FeeQuote(fee_rate_sat_vb=min(max(rate, fees.min), fees.max))

    def plan(self, work: PayoutWork, quote: FeeQuote) -> AttemptPlan:
        """See Spender."""
        return plan_payout(work, self._terms(quote))

    def bump(self, work: StuckWork, quote: FeeQuote) -> AttemptPlan | None:
        """See Bumper."""
        plan = bump_plan if self._settings.rbf else child_plan
        return plan(work, self._terms(quote))

    def consolidation(self, quote: FeeQuote) -> ConsolidationTerms | None:
        """See Consolidator."""
        settings, rate = self._settings, quote.fee_rate_sat_vb
        most = settings.consolidate_fee_rate_max_sat_vb
        if most is None or rate > most:
            return None
        above, below = input_cost(rate), settings.consolidate_below
        return ConsolidationTerms(above, below, settings.consolidate_count, settings.consolidate_inputs_max)

    def consolidate(self, work: ConsolidationWork, quote: FeeQuote) -> AttemptPlan:
        """See Consolidator."""
        settings = self._settings
        if self.consolidation(quote) is None:
            raise PlanError(f"{quote.fee_rate_sat_vb} a virtual byte is not low any more", "node")
        bounds = FeeBounds(settings.signer_fee_percent_max, settings.plain_fee_max)
        return consolidation_plan(work, self._terms(quote), bounds)

    def _terms(self, quote: FeeQuote) -> Terms:
        settings = self._settings
        limits = Limits(quote.fee_rate_sat_vb, settings.dust, settings.max_tx_fee, settings.fee_rate.fallback)
        return Terms(limits, settings.signer_tx_cap, settings.rbf)

    async def vet(self, plan: AttemptPlan) -> None:
        """See Spender. Nodes judge the outputs before they look at signatures, so none is needed.

        Signatures only make it longer: what is too cheap without them is so with them. Whatever else nodes
        say of unsigned bytes says nothing about the signed ones.
        """
        refused = await self._refusal(unsigned_tx(plan).serialize().hex())
        if refused is not None and is_too_cheap(refused):
            raise PlanError(f"the node takes nothing at this price: {refused}", "node")
        if refused is None or not blames_payee(refused):
            return
        reasons = {}
        for intent_id, probe in probes(plan):
            reason = await self._refusal(probe.serialize().hex())
            if reason is not None and blames_payee(reason):
                reasons[intent_id] = f"the node does not relay this payment: {reason}"
        if reasons:
            raise PayeeRefusedError(reasons)
        raise PlanError(f"the node does not relay the chain tx: {refused}", "node")

    async def sign(self, plan: AttemptPlan) -> SignedTx:
        """See Spender."""
        if self._settings.custody == "node":
            return check_signed(plan, await self._sign_by_wallet(plan))
        signed = await self._signer.sign(plan)
        checked = check_signed(plan, signed.raw)
        if checked.txid != signed.txid:
            raise SignerError(f"the signer named txid {signed.txid}, its bytes have {checked.txid}")
        return checked

    async def broadcast(self, signed: SignedTx) -> BroadcastResult:
        """See Spender. The node's own check comes first, so that a bad chain tx is never sent on."""
        try:
            reason = await self._refusal(signed.raw)
            refusal = None if reason is None else decide(_REJECTED_CODE, reason)
            if refusal is not None and refusal.outcome is BroadcastOutcome.REJECTED:
                return refusal
            txid = as_hash(await self._rpc.call("sendrawtransaction", signed.raw), "sendrawtransaction")
        except RpcError as error:
            return decide(error.code, error.message)
        except CoinError as error:
            return BroadcastResult(BroadcastOutcome.UNKNOWN, str(error))
        if txid != signed.txid:
            return BroadcastResult(
                BroadcastOutcome.UNKNOWN, f"the node calls it {txid} instead of {signed.txid}"
            )
        if refusal is not None and refusal.outcome is BroadcastOutcome.KNOWN:
            return refusal
        return BroadcastResult(BroadcastOutcome.ACCEPTED)

    async def _refusal(self, raw: str) -> str | None:
        """What ``testmempoolaccept`` says against some bytes (older nodes take exactly one per call)."""
        answers = as_list(await self._rpc.call("testmempoolaccept", [raw]), "testmempoolaccept")
        if len(answers) != 1:
            raise NodeDataError(f"testmempoolaccept: one chain tx asked, {len(answers)} answers")
        answer = as_object(answers[0], "testmempoolaccept")
        if as_bool(answer.get("allowed"), "allowed"):
            return None
        return as_text(answer.get("reject-reason"), "reject-reason")

    async def _sign_by_wallet(self, plan: AttemptPlan) -> str:
        """Raw hex signed by the node's wallet."""
        unsigned = unsigned_tx(plan).serialize().hex()
        spent = [
            _spent_output(utxo.outpoint.txid, utxo.outpoint.index, utxo.own.script, utxo.amount)
            for utxo in plan.inputs
        ]
        try:
            answer = as_object(
                await self._rpc.call(
                    "signrawtransactionwithwallet", unsigned, spent, wallet=self._settings.wallet
                ),
                "signrawtransactionwithwallet",
            )
        except RpcError as error:
            if error.code in _NO_WALLET_ANSWERS:
                raise SignerError(f"the node's wallet refuses to sign: {error.message}") from None
            raise
        if not as_bool(answer.get("complete"), "complete"):
            raise SignerError(
                f"the node's wallet cannot sign every input{_first_error(answer.get('errors'))}"
            )
        return as_text(answer.get("hex"), "hex")


def fee_rate_sat_vb(coins_per_kvb: object) -> int:
    """Base units per virtual byte, rounded up, of the node's whole coins per 1000 virtual bytes.

    Raises NodeDataError for anything but a positive number below 100 coins.
    """
    is_number = isinstance(coins_per_kvb, int | Decimal) and not isinstance(coins_per_kvb, bool)
    if not is_number or not 0 < Decimal(str(coins_per_kvb)) < 100:
        raise NodeDataError(f"feerate: a positive number expected, the node says {repr(coins_per_kvb)[:40]}")
    return int((Decimal(str(coins_per_kvb)) * 10**5).to_integral_value(ROUND_CEILING))


def _spent_output(txid: str, index: int, script: bytes, amount: int) -> dict[str, object]:
    """A spent output as the wallet wants it told; the amount as text, never as a float."""
    whole, rest = divmod(amount, 10**8)
    return {"txid": txid, "vout": index, "scriptPubKey": script.hex(), "amount": f"{whole}.{rest:08d}"}


def _first_error(errors: Any) -> str:
    """The wallet's reason, if it gave one."""
    if isinstance(errors, Sequence) and errors and isinstance(errors[0], dict):
        return f": {str(errors[0].get('error'))[:200]}"
    return ""
