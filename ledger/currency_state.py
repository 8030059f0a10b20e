"""States of a currency: what its watcher finds, which state that is, and what the state holds. Pure.

Each look at the node ends with one finding, whatever the state was before; the last look counts. Watcher,
ledger, diagram and tests read the same tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class CurrencyState(StrEnum):
    """What website and operators are told of a currency."""

    OPEN = "open"
    DRAINING = "draining"
    BEHIND = "behind"
    STALLED = "stalled"
    DISAGREE = "disagree"
    DOWN = "down"
    HALTED = "halted"
    PAUSED = "paused"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a state allows.

    ``pays``: payouts and sweeps are given out to be signed. ``issues``: a client may get a fresh address.
    ``takes``: new withdrawals are taken (and queued while nothing is paid).
    """

    pays: bool
    issues: bool
    takes: bool


_S = CurrencyState

RULES: Mapping[CurrencyState, Rule] = {
    _S.OPEN: Rule(pays=True, issues=True, takes=True),
    _S.DRAINING: Rule(pays=True, issues=False, takes=False),
    # The node's absence, or doubt about it, only delays what is paid to an address.
    _S.BEHIND: Rule(pays=False, issues=True, takes=True),
    _S.STALLED: Rule(pays=False, issues=True, takes=True),
    _S.DISAGREE: Rule(pays=False, issues=True, takes=True),
    _S.DOWN: Rule(pays=False, issues=True, takes=True),
    _S.HALTED: Rule(pays=False, issues=False, takes=False),
    _S.PAUSED: Rule(pays=False, issues=False, takes=False),
    _S.DISABLED: Rule(pays=False, issues=False, takes=False),
}


class Finding(StrEnum):
    """How a look at the node ends."""

    AT_HEAD = "at the node's head"
    CATCHING_UP = "blocks are left to read"
    NODE_BEHIND = "the node syncs, has less work than was applied, or is far behind the second node"
    WITNESS_BEHIND = "the second node, which is required, has not come as far"
    OLD_TIP = "no block for longer than stalled_after_s"
    FEW_PEERS = "the node has fewer peers than peers_min"
    FORK = "the second node has another block at the depth that is credited"
    NO_ANSWER = "the node gives no usable answer"
    WITNESS_AWAY = "the second node, which is required, gives no usable answer"
    NONSENSE = "another chain, an impossible answer, or a reorg below the guard"


class Credits(StrEnum):
    """Which deposits may be credited."""

    ALL = "all that are deep enough"
    AGREED = "those below the fork"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state a finding leads to, and the credits it leaves."""

    state: CurrencyState
    credits: Credits


VERDICTS: Mapping[Finding, Verdict] = {
    Finding.AT_HEAD: Verdict(_S.OPEN, Credits.ALL),  # ``draining`` where the configuration says so
    Finding.CATCHING_UP: Verdict(_S.BEHIND, Credits.ALL),
    Finding.NODE_BEHIND: Verdict(_S.BEHIND, Credits.NONE),
    Finding.WITNESS_BEHIND: Verdict(_S.BEHIND, Credits.AGREED),
    Finding.OLD_TIP: Verdict(_S.STALLED, Credits.NONE),
    Finding.FEW_PEERS: Verdict(_S.STALLED, Credits.NONE),
    Finding.FORK: Verdict(_S.DISAGREE, Credits.AGREED),
    Finding.NO_ANSWER: Verdict(_S.DOWN, Credits.NONE),
    Finding.WITNESS_AWAY: Verdict(_S.DOWN, Credits.NONE),
    Finding.NONSENSE: Verdict(_S.HALTED, Credits.NONE),
}
"""The only list of what leads to which state. Several findings at once: see :data:`GRAVEST_FIRST`."""

GRAVEST_FIRST = (
    Finding.FORK,
    Finding.FEW_PEERS,
    Finding.OLD_TIP,
    Finding.NODE_BEHIND,
    Finding.WITNESS_AWAY,
    Finding.WITNESS_BEHIND,
)
"""Doubts about a node that answers; the first one that is found is shown, all of them hold."""


def state_of(watched: str, watched_detail: str, hold: str | None, hold_reason: str) -> tuple[str, str]:
    """State and detail of a currency as others see them: what was watched, and what an operator holds it for.

    A pause stands above whatever the node does. Draining is told only of a currency that pays: a node that
    is down or lies is the graver news, and holds the payouts too. What is not configured is ``disabled``.
    """
    if hold is None or watched == CurrencyState.DISABLED:
        return watched, watched_detail
    pays = RULES[CurrencyState(watched)].pays
    if hold == CurrencyState.PAUSED:
        trouble = "" if pays else f"{watched}: {watched_detail}"
        return hold, "; ".join(text for text in (hold_reason, trouble) if text)
    return (hold, hold_reason) if pays else (watched, watched_detail)


def allowing(permission: str) -> frozenset[str]:
    """The states whose rule has this permission (``pays``, ``issues`` or ``takes``)."""
    return frozenset(state for state, rule in RULES.items() if getattr(rule, permission))


def diagram() -> str:
    """The findings as a Mermaid state diagram: whatever the state, the next look decides anew."""
    followed = list(dict.fromkeys(verdict.state for verdict in VERDICTS.values()))
    lines = ["stateDiagram-v2", "    state look <<choice>>", "    [*] --> look: start"]
    lines += [f"    look --> {verdict.state}: {finding}" for finding, verdict in VERDICTS.items()]
    lines += [f"    {state} --> look" for state in followed]
    return "\n".join(lines)


def table() -> str:
    """The findings with what they hold, as Markdown."""
    lines = ["| A look finds | State | Credited are | Payouts |", "|---|---|---|---|"]
    for finding, verdict in VERDICTS.items():
        payouts = "leave" if RULES[verdict.state].pays else "held"
        lines.append(f"| {finding} | `{verdict.state}` | {verdict.credits} | {payouts} |")
    return "\n".join(lines)
