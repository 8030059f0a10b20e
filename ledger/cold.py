"""Money above the ceiling of the hot wallet: its way to the cold address, proposed to operators.

A movement is a withdrawal of the house that reserves nothing and is always held: it needs approvals as a
payout of its amount does, and at least one. It is planned, signed, sent and followed as payouts are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from coins.types import ForeignAddress, Location
from ledger import accounts
from ledger.coin_row import CoinRow
from ledger.commands import ProposeCold
from ledger.context import Tx
from ledger.machine import Who
from ledger.payout import queue_payout
from ledger.views import WithdrawalView
from ledger.withdrawal import WithdrawalState
from ledger.withdrawal_row import COLD, new_withdrawal, read_withdrawals
from ledger.work import ACCOUNT_FAMILIES, free_balance, hold_of, hot_script, spendable

MATERIAL = 10
"""After a rejection a movement is proposed again when it would be another by more than one part in ten."""

_LATEST = "w.currency = ? AND w.kind = 'cold' ORDER BY w.ordinal DESC LIMIT 1"
_OWED = (
    "SELECT amount FROM withdrawal WHERE currency = ? AND kind = 'payout' AND block_height IS NULL"
    " AND status IN ('held', 'approved', 'signed', 'broadcast')"
)


def propose_cold(tx: Tx, command: ProposeCold) -> WithdrawalView | None:
    """Propose what there is above the ceiling, as :class:`ProposeCold` says; None when there is nothing."""
    coin = tx.coin(command.currency)
    excess = _hot(tx, coin) - command.ceiling
    if excess <= 0 or not coin.is_configured or hold_of(tx, coin) is not None:
        return None
    excess += command.ceiling - command.target
    own = tx.db.execute(
        "SELECT 1 FROM own_script WHERE chain = ? AND script = ? AND location = 'cold'",
        (coin.chain, command.script),
    ).fetchone()
    amount = min(excess, _movable(tx, coin))
    if own is None or amount < max(coin.dust, 1) or not _is_news(tx, coin, amount):
        return None
    payee = ForeignAddress(command.address, command.script)
    row = new_withdrawal(command.id, tx.next_ordinal(), coin.currency, amount, payee, tx.now_s, kind=COLD)
    return queue_payout(tx, coin, row, Who.SENDER, Who.SENDER.value, "above the ceiling of the hot wallet")


def _hot(tx: Tx, coin: CoinRow) -> int:
    """What the hot wallet has beyond the payouts that were asked for and are not mined."""
    held = tx.balance(accounts.onchain(coin.currency, Location.HOT))
    if coin.family not in ACCOUNT_FAMILIES:  # payouts spend the outputs of deposits as well
        held += tx.balance(accounts.onchain(coin.currency, Location.DEPOSIT))
    return held - sum(int(amount) for (amount,) in tx.db.execute(_OWED, (coin.currency,)))


def _movable(tx: Tx, coin: CoinRow) -> int:
    """What one chain tx could take now."""
    if coin.family not in ACCOUNT_FAMILIES:
        return sum(utxo.amount for utxo in spendable(tx, coin))
    source = hot_script(tx, coin.chain)
    return free_balance(tx, coin.currency, coin.chain, source.script) if source is not None else 0


def _is_news(tx: Tx, coin: CoinRow, amount: int) -> bool:
    """Whether none is under way, and none of about this amount was rejected last."""
    latest = read_withdrawals(tx.db, _LATEST, (coin.currency,))
    if not latest or latest[0].status in (WithdrawalState.FINAL, WithdrawalState.FAILED):
        return True
    rejected = latest[0].status is WithdrawalState.REJECTED
    return rejected and abs(amount - latest[0].amount) * MATERIAL > latest[0].amount


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {ProposeCold: propose_cold}
