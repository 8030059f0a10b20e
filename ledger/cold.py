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
from ledger.commands import ProposeCold, RefusePayout
from ledger.context import Tx
from ledger.machine import Who
from ledger.payout import queue_payout, refuse_payout
from ledger.views import WithdrawalView
from ledger.withdrawal import WithdrawalState
from ledger.withdrawal_row import COLD, WithdrawalRow, new_withdrawal, read_withdrawals
from ledger.work import ACCOUNT_FAMILIES, free_balance, hold_of, hot_script, spendable

MATERIAL = 10
"""By more than one part in ten a movement is another one: proposed again though one was rejected, and taken
back where it has become too much."""

_LATEST = "w.currency = ? AND w.kind = 'cold' ORDER BY w.ordinal DESC LIMIT 1"
_OWED = (
    "SELECT amount FROM withdrawal WHERE currency = ? AND kind = 'payout' AND block_height IS NULL"
    " AND status IN ('held', 'approved', 'signed', 'broadcast')"
)


def propose_cold(tx: Tx, command: ProposeCold) -> WithdrawalView | None:
    """Propose what there is above the ceiling, as :class:`ProposeCold` says; None when there is nothing."""
    coin = tx.coin(command.currency)
    if not coin.is_configured or hold_of(tx, coin) is not None:
        return None
    hot = _hot(tx, coin)
    excess = _above(hot - _owed(tx, coin), command)
    latest = next(iter(read_withdrawals(tx.db, _LATEST, (coin.currency,))), None)
    if latest is not None and latest.status is WithdrawalState.HELD and _is_outdated(latest, command, hot):
        refuse_payout(tx, RefusePayout(f"pay_{latest.id}", "the hot wallet or the cold address is another"))
        latest = None
    own = tx.db.execute(
        "SELECT 1 FROM own_script WHERE chain = ? AND script = ? AND location = 'cold'",
        (coin.chain, command.script),
    ).fetchone()
    amount = min(excess, _movable(tx, coin)) if excess else 0
    if own is None or amount < max(coin.dust, 1) or not _is_news(tx, latest, command, amount):
        return None
    payee = ForeignAddress(command.address, command.script)
    row = new_withdrawal(command.id, tx.next_ordinal(), coin.currency, amount, payee, tx.now_s, kind=COLD)
    return queue_payout(tx, coin, row, Who.SENDER, Who.SENDER.value, "above the ceiling of the hot wallet")


def _above(hot: int, command: ProposeCold) -> int:
    """What of ``hot`` is too much."""
    return hot - command.target if hot > command.ceiling else 0


def _is_outdated(row: WithdrawalRow, command: ProposeCold, hot: int) -> bool:
    """Whether what nobody has approved yet goes elsewhere than it would now, or is far too much by now.

    What left by blocks counts, not what was asked for: to ask and to cancel costs a client nothing.
    """
    return row.script != command.script or (row.amount - _above(hot, command)) * MATERIAL > row.amount


def _hot(tx: Tx, coin: CoinRow) -> int:
    """What the hot wallet holds by the last block."""
    held = tx.balance(accounts.onchain(coin.currency, Location.HOT))
    if coin.family not in ACCOUNT_FAMILIES:  # payouts spend the outputs of deposits as well
        held += tx.balance(accounts.onchain(coin.currency, Location.DEPOSIT))
    return held


def _owed(tx: Tx, coin: CoinRow) -> int:
    """What the payouts take of it that were asked for and are not mined."""
    return sum(int(amount) for (amount,) in tx.db.execute(_OWED, (coin.currency,)))


def _movable(tx: Tx, coin: CoinRow) -> int:
    """What one chain tx could take now."""
    if coin.family not in ACCOUNT_FAMILIES:
        return sum(utxo.amount for utxo in spendable(tx, coin))
    source = hot_script(tx, coin.chain)
    return free_balance(tx, coin.currency, coin.chain, source.script) if source is not None else 0


def _is_news(tx: Tx, latest: WithdrawalRow | None, command: ProposeCold, amount: int) -> bool:
    """Whether none is under way, and operators rejected none like it last."""
    if latest is None or latest.status in (WithdrawalState.FINAL, WithdrawalState.FAILED):
        return True
    if latest.status is not WithdrawalState.REJECTED:
        return False
    (by,) = tx.db.execute(
        "SELECT by FROM withdrawal_history WHERE withdrawal_id = ? ORDER BY id DESC LIMIT 1", (latest.id,)
    ).fetchone()
    is_other = latest.script != command.script or abs(amount - latest.amount) * MATERIAL > latest.amount
    return is_other or by == Who.SENDER.value


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {ProposeCold: propose_cold}
