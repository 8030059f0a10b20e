"""What the ledger must know of a currency, from its settings."""

from __future__ import annotations

import hashlib
import json

from actors.slot import AnyCoinSettings
from coins.family import Coin
from coins.types import Branch
from config.schema import BitcoinCoinSettings, TokenSettings
from ledger.commands import RegisterCoin
from ledger.policy import Finality, Tier


async def identity_fingerprint(settings: AnyCoinSettings, coin: Coin) -> str:
    """SHA-256 (hex) of what may never change: network, address form and, with a seed, the keys.

    The keys are told by their first deposit address, so that an account key may be written into the
    configuration later without becoming another identity. Where the hot wallet's keys are held apart, by a
    cold wallet for deposits or a keystore, its first address is told as well.
    """
    identity = {key: value for key, value in settings.identity().items() if not key.endswith("_xpub")}
    if settings.has_seed:
        identity["first_address"] = (await coin.deriver.derive(Branch.DEPOSIT, 0)).address
    if settings.has_hot_apart:
        identity["first_hot_address"] = (await coin.deriver.derive(Branch.HOT, 0)).address
    return hashlib.sha256(json.dumps(identity, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def registration(settings: AnyCoinSettings | TokenSettings, fingerprint: str) -> RegisterCoin:
    """What the ledger must know of a chain's own currency, or of a token: its chain is its parent's."""
    is_draining = settings.draining
    return RegisterCoin(
        currency=settings.currency,
        chain=settings.parent if isinstance(settings, TokenSettings) else settings.currency,
        name=settings.name,
        family=settings.family,
        network=settings.network,
        decimals=settings.decimals,
        fingerprint=fingerprint,
        confirmations=settings.confirmations,
        final_depth=settings.final_depth,
        max_reorg=settings.max_reorg,
        minimum_deposit=settings.minimum_deposit,
        minimum_withdrawal=settings.minimum_withdrawal,
        maximum_withdrawal=settings.maximum_withdrawal,
        withdrawal_fee=settings.withdrawal_fee,
        approval_above=settings.approval_above,
        second_approval_above=settings.second_approval_above,
        destination_cooling_s=settings.destination_cooling_s,
        session_withdrawal_cap=settings.session_withdrawal_cap,
        client_day_limit=settings.client_day_limit,
        client_month_limit=settings.client_month_limit,
        day_limit=settings.day_limit,
        deposits="closed" if is_draining else settings.deposits,
        withdrawals="closed" if is_draining else settings.withdrawals,
        dust=settings.dust if isinstance(settings, BitcoinCoinSettings) else 0,
        sweep_threshold=0 if isinstance(settings, BitcoinCoinSettings) else settings.sweep_threshold,
        tiers=tuple(Tier(tier.above, tier.confirmations) for tier in settings.tiers),
        withdrawable_depth=settings.withdrawable_after,
        finality=(
            Finality.CONFIRMATIONS
            if isinstance(settings, BitcoinCoinSettings)
            else Finality(settings.finality)
        ),
    )
