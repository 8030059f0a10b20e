"""The table of the matrix: every point, how it is reached, and for which currencies it means nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coins.failpoint import STEPS

CURRENCIES = ("BTC", "LTC", "ETH", "USDT-ETH")
UTXO = ("BTC", "LTC")
EVM = ("ETH", "USDT-ETH")


@dataclass(frozen=True, slots=True)
class Point:
    """``name`` is the failpoint with its count, ``scene`` what is played while it is set.

    ``excluded`` says, by currency, why the point cannot be reached there.
    """

    scene: str
    name: str
    excluded: Mapping[str, str] = field(default_factory=dict, hash=False)


def _points(scene: str, *names: str, **excluded: str) -> tuple[Point, ...]:
    """Points of one scene; ``excluded`` by ``utxo``, ``evm`` or a currency in small letters."""
    groups = {"utxo": UTXO, "evm": EVM}
    reasons = {
        currency: reason
        for group, reason in excluded.items()
        for currency in groups.get(group, (group.upper(),))
    }
    return tuple(Point(scene, name if name[-1].isdigit() else f"{name}:1", reasons) for name in names)


def _commits(*commands: str) -> tuple[str, ...]:
    return tuple(f"{when}-commit:{command}" for command in commands for when in ("before", "after"))


def _way(kind: str) -> tuple[str, ...]:
    return tuple(f"{kind}.{step}" for step in STEPS)


POINTS = (
    *_points("pay", *_commits("OpenWithdrawal"), "withdrawal.opened"),
    *_points(
        "pay", *_commits("ReserveScript", "RecordScript"), evm="an account has no change, so no new script"
    ),
    *_points("pay", "payout.planned", *_commits("ReserveAttempt"), "payout.reserved"),
    *_points("pay", "signer.asked", "signer.signed", "signer.recorded", "payout.signed"),
    *_points("pay", *_commits("RecordSigned"), "withdrawal.signed", "payout.recorded", "payout.sent"),
    *_points("pay", *_commits("RecordBroadcast"), "withdrawal.broadcast", "payout.noted"),
    *_points("late", "payout.planned", *_commits("ReserveAttempt"), "payout.reserved", "payout.signed"),
    *_points("late", *_commits("RecordSigned"), "payout.recorded"),
    *_points("alone", "signer.asked", "signer.signed", "signer.recorded"),
    *_points("settle", *_commits("ApplyChainDelta"), "withdrawal.confirmed", "withdrawal.final"),
    *_points("approve", *_commits("DecideWithdrawal"), "withdrawal.approved", "payout.recorded"),
    *_points("reject", *_commits("DecideWithdrawal"), "withdrawal.rejected"),
    *_points("cancel", *_commits("DecideWithdrawal"), "withdrawal.cancelled"),
    *_points(
        "batch",
        *_commits("ReserveAttempt"),
        "payout.signed",
        "payout.sent",
        evm="one chain tx of an account pays one payee",
    ),
    *_points(
        "bump",
        "bump.planned",
        *_way("payout")[1:],
        *_commits("ReserveAttempt", "RecordSigned"),
        ltc="its nodes refuse replacements (rbf = false): what is sent gets a child",
    ),
    *_points(
        "child",
        *_way("cpfp"),
        *_commits("ReserveAttempt"),
        btc="what is sent is replaced (rbf = true)",
        evm="a chain tx of an account is replaced by its nonce",
    ),
    *_points("refund", *_commits("RefundCase"), "payout.reserved", "payout.recorded", "payout.sent"),
    *_points("sweep", *_way("sweep"), utxo="payouts spend deposits themselves: nothing is swept"),
    *_points(
        "sweep",
        *_commits("OpenTopUp"),
        *_way("top_up"),
        utxo="nothing is swept",
        eth="a sweep of the chain's own currency pays its gas itself",
    ),
    *_points(
        "stop",
        *_commits("StopWithdrawal"),
        *_way("cancel"),
        "withdrawal.failed",
        utxo="a signed payout is not taken back there: only a payout that is not signed is stopped",
    ),
    *_points("cold", *_commits("DecideWithdrawal"), "withdrawal.approved", *_way("cold")),
    *_points("cold", *_commits("ReserveAttempt", "RecordSigned", "RecordBroadcast")),
    *_points("cold", "signer.recorded", "withdrawal.signed", "withdrawal.broadcast"),
    *_points("cold", "withdrawal.confirmed", "withdrawal.final"),
    *_points("propose", *_commits("ProposeCold")),
    *_points("gather", *_way("consolidate"), evm="an account is one balance: there is nothing to gather"),
    *_points("gather", *_commits("ReserveAttempt", "RecordSigned"), evm="there is nothing to gather"),
)


def points_of(currency: str) -> tuple[Point, ...]:
    """The points that can be reached on a currency."""
    return tuple(point for point in POINTS if currency not in point.excluded)
