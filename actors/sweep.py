"""Sweeps of one account chain: deposit addresses to the hot wallet, tokens first."""

from __future__ import annotations

import logging

from actors.withdrawal import PayingActor
from coins.errors import PlanError, SignerError
from coins.types import PayoutWork, StuckWork
from config.schema import EvmCoinSettings
from ledger.commands import GetSweepWork, OpenTopUp

logger = logging.getLogger(__name__)


class SweepActor(PayingActor):
    """Moves final deposits above the threshold to the hot account, each from its own nonce lane.

    No more are under way at once than configured. A token's sweep needs gas at the deposit account: what is
    missing is asked for, and the hot account sends it.
    """

    KINDS = frozenset({"sweep"})

    async def _work(self) -> bool:
        """Resume, then sweep what is worth it; an account that cannot pay its gas waits."""
        settings = self._slot.settings
        if not isinstance(settings, EvmCoinSettings):
            return False
        under_way = await self._payer.resume()
        if under_way:
            await self._bump_stuck()
        free = settings.sweeps_parallel_max - under_way
        for currency in reversed(self._slot.currencies):
            if free <= 0:
                break
            command = GetSweepWork(
                currency, min(free, self._batch), settings.sweep_retry_s, settings.failed_sweep_gas_max
            )
            for work in await self._directory.ask("ledger", command, timeout_s=self._timeout_s):
                free -= await self._sweep(work)
        return False

    async def _cannot_bump(self, work: StuckWork, error: PlanError | SignerError) -> None:
        """A token's sweep that waits for dearer gas is sent some."""
        await super()._cannot_bump(work, error)
        if isinstance(error, PlanError) and error.gas_missing:
            command = OpenTopUp(work.plan.intent_id, error.gas_missing)
            await self._directory.ask("ledger", command, timeout_s=self._timeout_s)

    async def _sweep(self, work: PayoutWork) -> bool:
        """Send one sweep; False when it has to wait."""
        try:
            return await self._payer.pay(work)
        except PlanError as error:
            logger.info("%s: %s is not swept now: %s", work.currency, work.intent_id, error)
            if error.gas_missing:
                command = OpenTopUp(work.intent_id, error.gas_missing)
                await self._directory.ask("ledger", command, timeout_s=self._timeout_s)
            return False
