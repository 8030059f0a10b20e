"""The way of one chain tx out of the house: reserve, sign, record, send. Used for payouts and sweeps.

Nothing leaves before its bytes are committed, and only the same bytes are ever sent again. A crash
anywhere is picked up from the ledger's attempt rows by :meth:`Payer.resume`.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from actors.clock import Clock
from actors.directory import Directory
from actors.identity import Ids
from actors.messages import IssueScript
from actors.slot import CoinSlot
from coins.errors import (
    CoinError,
    NodeUnavailableError,
    PayeeRefusedError,
    PlanError,
    SignerError,
    SignerSilentError,
)
from coins.failpoint import failpoint
from coins.types import (
    CPFP,
    AttemptPlan,
    Branch,
    BroadcastOutcome,
    BroadcastResult,
    ConsolidationWork,
    OwnScript,
    PayoutWork,
    SignedTx,
    StuckWork,
)
from ledger.commands import (
    AbandonAttempt,
    GetUnsettledAttempts,
    RecordBroadcast,
    RecordSigned,
    RefusePayout,
    ReserveAttempt,
    StartNonceLane,
)
from ledger.errors import (
    CurrencyUnavailableError,
    IllegalTransitionError,
    InputsTakenError,
    PayoutsHeldError,
)
from ledger.views import AttemptWork
from monitoring.metrics import Metrics

logger = logging.getLogger(__name__)

RECHECK_S = 15.0
"""Least pause between two questions whether the node still holds a sent chain tx."""


class Payer:
    """Takes attempts through their states for one chain and its tokens; one at a time, in one task."""

    def __init__(
        self,
        slot: CoinSlot,
        directory: Directory,
        clock: Clock,
        ids: Ids,
        timeout_s: float,
        metrics: Metrics,
        kinds: frozenset[str],
    ) -> None:
        """Only attempts of these ``kinds`` of intents are resumed."""
        self._slot = slot
        self._directory = directory
        self._clock = clock
        self._checked: dict[str, float] = {}
        self._ids = ids
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._kinds = kinds

    async def resume(self) -> int:
        """Bring every attempt that is not settled one step on; answers how many there are.

        The same bytes may be sent again.
        Raises NodeUnavailableError, WrongNetworkError or SignerError: the rest is tried on the next tick.
        """
        mine: list[AttemptWork] = []
        for currency in self._slot.currencies:
            attempts = await self._directory.ask(
                "ledger", GetUnsettledAttempts(currency), timeout_s=self._timeout_s
            )
            mine += [attempt for attempt in attempts if attempt.plan.kind in self._kinds]
        for attempt in mine:
            if attempt.signed is None:
                await self._check_node()
                await self._sign_and_send(attempt)
            elif attempt.state == "signed":
                await self._check_node()
                await self._record_and_send(attempt, attempt.signed)
            elif await self._is_lost(attempt):
                await self._check_node()
                await self._send(attempt)
        self._forget_checked({attempt.attempt_id for attempt in mine})
        return len(mine)

    async def _check_node(self) -> None:
        """Nothing is signed for, or sent to, a node of another chain, even if it was swapped a moment ago."""
        await self._slot.coin.reader.identify()

    async def pay(self, work: PayoutWork) -> bool:
        """Plan, reserve, sign, record and send one chain tx; False when it has to be planned again.

        What can never be paid is given back first, and the rest planned again.

        Raises PlanError (nothing was reserved), NodeUnavailableError, WrongNetworkError, SignerError.
        """
        await self._check_node()
        if work.source is not None and work.nonce == 0 and await self._was_used(work.source):
            return False
        spender = self._slot.coin.spender
        quote = await spender.quote()
        if work.change is None and work.source is None:
            work = replace(work, change=await self._change_for(work.intent_id))
        try:
            plan = spender.plan(work, quote)
            await spender.vet(plan)
        except PayeeRefusedError as error:
            await self._refuse(error)
            return False
        failpoint(f"{plan.kind}.planned")
        return await self._reserve_and_send(plan)

    async def consolidate(self, work: ConsolidationWork) -> bool:
        """Send one chain tx that makes small outputs of ours one; False when the books refuse it now.

        Raises PlanError (nothing was reserved), NodeUnavailableError, WrongNetworkError, SignerError.
        """
        coin = self._slot.coin
        if coin.consolidator is None:
            return False
        await self._check_node()
        quote = await coin.spender.quote()
        work = replace(work, change=await self._change_for(work.intent_id))
        plan = coin.consolidator.consolidate(work, quote)
        await coin.spender.vet(plan)
        failpoint(f"{plan.kind}.planned")
        amount, count = plan.outputs[0].amount, len(plan.inputs)
        logger.info("%s: %d outputs of %d base units become one", self._slot.currency, count, amount)
        return await self._reserve_and_send(plan)

    async def bump(self, work: StuckWork) -> bool:
        """Send a further candidate, or a child, of a payment that is not mined; False when it needs none now.

        Raises PlanError (nothing was reserved), NodeUnavailableError, WrongNetworkError, SignerError.
        """
        coin = self._slot.coin
        if coin.bumper is None:
            return False
        await self._check_node()
        plan = coin.bumper.bump(work, await coin.spender.quote())
        if plan is None:
            return False
        failpoint("bump.planned" if plan.kind == work.plan.kind else f"{plan.kind}.planned")
        how = "gets a child that pays for both" if plan.kind == CPFP else "is sent again at a higher price"
        logger.info("%s: %s %s", self._slot.currency, work.plan.intent_id, how)
        return await self._reserve_and_send(plan)

    async def _reserve_and_send(self, plan: AttemptPlan) -> bool:
        """Reserve a plan, then sign, record and send it; False when the books refuse the plan."""
        try:
            attempt = await self._directory.ask(
                "ledger", ReserveAttempt(self._ids.new("at"), plan), timeout_s=self._timeout_s
            )
        except (InputsTakenError, IllegalTransitionError) as error:
            logger.info("%s: %s has to be planned again: %s", self._slot.currency, plan.intent_id, error)
            return False
        failpoint(f"{plan.kind}.reserved")
        await self._sign_and_send(attempt)
        return True

    async def _refuse(self, error: PayeeRefusedError) -> None:
        """Give back what can never be paid as it is, so that it holds nobody else; nothing was signed."""
        for intent_id, reason in error.reasons.items():
            logger.error("%s: %s is given back: %s", self._slot.currency, intent_id, reason)
            await self._directory.ask("ledger", RefusePayout(intent_id, reason), timeout_s=self._timeout_s)

    async def _change_for(self, intent_id: str) -> OwnScript:
        """A script of ours for the change. Raises NodeUnavailableError while the node's wallet gives none."""
        try:
            return await self._directory.ask(
                f"address:{self._slot.currency}",
                IssueScript(Branch.CHANGE, f"change:{intent_id}"),
                timeout_s=self._timeout_s,
            )
        except CurrencyUnavailableError as error:
            raise NodeUnavailableError(f"no address for the change: {error.detail}") from error

    async def _was_used(self, source: OwnScript) -> bool:
        """Whether an account that is new to the books has sent before: then it goes on where it stands.

        So it is when a seed gets a new database; a nonce from the beginning could never be mined.
        """
        count = await self._slot.coin.reader.sent_count(source.script)
        if count:
            name = self._slot.currency
            logger.warning("%s: %s was used before, its next nonce is %d", name, source.address, count)
            command = StartNonceLane(name, source.script, count)
            await self._directory.ask("ledger", command, timeout_s=self._timeout_s)
        return count > 0

    async def _sign_and_send(self, attempt: AttemptWork) -> None:
        """Sign a reserved attempt; a refusal releases it, for nothing has left.

        Without an answer it stays reserved and the same is asked again: the signer may have signed it.
        """
        try:
            signed = await self._slot.coin.spender.sign(attempt.plan)
        except SignerSilentError:
            self._count(attempt, "failed")
            raise
        except SignerError as error:
            self._count(attempt, "refused")
            logger.error("%s: %s was not signed: %s", self._slot.currency, attempt.attempt_id, error)
            await self._directory.ask(
                "ledger", AbandonAttempt(attempt.attempt_id, str(error)), timeout_s=self._timeout_s
            )
            raise
        self._count(attempt, "signed")
        failpoint(f"{attempt.plan.kind}.signed")
        await self._record_and_send(attempt, signed)

    async def _record_and_send(self, attempt: AttemptWork, signed: SignedTx) -> None:
        """Have the bytes on disk, then send them for the first time, unless operators stopped payouts."""
        recorded = await self._directory.ask(
            "ledger", RecordSigned(attempt.attempt_id, signed.txid, signed.raw), timeout_s=self._timeout_s
        )
        failpoint(f"{attempt.plan.kind}.recorded")
        if recorded.is_stopped:
            logger.warning("%s: %s is not sent: payouts are stopped", self._slot.currency, signed.txid)
            return
        await self._send(recorded)

    def _count(self, attempt: AttemptWork, outcome: str) -> None:
        """One more answer of the signer, by currency."""
        currency = attempt.plan.currency
        self._metrics.currency(currency, self._slot.currencies[currency].decimals).signature(outcome)

    async def _send(self, attempt: AttemptWork) -> None:
        """Send the recorded bytes and note what the node said; only the chain settles it."""
        if attempt.signed is None:
            raise AssertionError("unsigned bytes do not leave")
        result = await self._slot.coin.spender.broadcast(attempt.signed)
        failpoint(f"{attempt.plan.kind}.sent")
        if result.outcome in (BroadcastOutcome.UNKNOWN, BroadcastOutcome.REJECTED):
            logger.warning("%s: %s: %s", self._slot.currency, attempt.signed.txid, result.detail)
        await self._directory.ask(
            "ledger", RecordBroadcast(attempt.attempt_id, result), timeout_s=self._timeout_s
        )
        failpoint(f"{attempt.plan.kind}.noted")

    async def _is_lost(self, attempt: AttemptWork) -> bool:
        """Whether to send the same bytes again: the node does not surely hold them any more.

        Sending again what was mined meanwhile does no harm. Asked now and then only.
        """
        now = self._clock.monotonic()
        if attempt.signed is None or now - self._checked.get(attempt.attempt_id, -RECHECK_S) < RECHECK_S:
            return False
        self._checked[attempt.attempt_id] = now
        is_held = await self._slot.coin.reader.is_in_chain_or_mempool(attempt.signed.txid)
        if is_held and attempt.state == "unknown":
            await self._directory.ask(
                "ledger",
                RecordBroadcast(attempt.attempt_id, BroadcastResult(BroadcastOutcome.KNOWN, "found again")),
                timeout_s=self._timeout_s,
            )
        return not is_held

    def _forget_checked(self, open_ids: set[str]) -> None:
        """Settled attempts are not asked for again."""
        self._checked = {key: at for key, at in self._checked.items() if key in open_ids}


def waiting_for(error: CoinError | PayoutsHeldError) -> str:
    """What a payout waits for, in the words of the contract: ``node`` unless planning says otherwise."""
    return error.waiting_for if isinstance(error, PlanError | PayoutsHeldError) else "node"
