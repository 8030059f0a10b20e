"""Named points at which a test may kill the process, as a power cut would.

``CASHIER_FAILPOINT=payout.signed:3`` ends the process with exit code 137 at the third pass of that
point: no clean-up, no flush. Unset, a point costs one comparison. It stands here, in the lowest of the
rooms that have points, and imports nothing of ours: the books, the actors and the signer all pass it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

VARIABLE = "CASHIER_FAILPOINT"
KILLED = 137
"""Exit code of a process that ended at its point."""
STEPS = ("planned", "reserved", "signed", "recorded", "sent", "noted")
"""The way of one chain tx out of the house, for each kind of intent: ``sweep.signed``."""
STATES = ("approved", "signed", "broadcast", "confirmed", "final", "failed")
"""States of a withdrawal, passed within the SQL transaction that gives it this one."""
NAMES = frozenset(
    {
        "before-begin",
        "before-commit",
        "after-commit",
        "before-checkpoint",
        "withdrawal.opened",
        "bump.planned",
        "signer.asked",
        "signer.signed",
        "signer.recorded",
        *(f"{kind}.{step}" for kind in ("payout", "sweep", "top_up", "cancel", "cpfp") for step in STEPS),
        *(
            f"withdrawal.{state}"
            for state in ("approved", "signed", "broadcast", "confirmed", "final", "failed")
        ),
    }
)
"""Every point but those of one command: of the store, of the actors, of the signer, of the books."""
_COMMIT = re.compile(r"(before|after)-commit:[A-Z][A-Za-z]+")
"""``before-commit:RecordSigned``: the SQL transaction with that command in it is about to be committed."""


def _wanted(text: str) -> tuple[str, int] | None:
    """``name:k`` parsed. Raises ValueError for an unknown name or a count that is none."""
    if not text:
        return None
    name, _, count = text.rpartition(":")
    if not is_name(name) or not count.isdecimal() or int(count) < 1:
        names = ", ".join((*sorted(NAMES), "before-commit:Command", "after-commit:Command"))
        raise ValueError(f"{VARIABLE}={text!r} is not one of {names} with :k")
    return name, int(count)


def is_name(name: str) -> bool:
    """Whether a point may be called so; of the commands only their spelling is known here."""
    return name in NAMES or _COMMIT.fullmatch(name) is not None


_target = _wanted(os.environ.get(VARIABLE, ""))
_passed = 0


def failpoint(name: str) -> None:
    """Pass a point; the process ends here when this is the wanted pass of the wanted point."""
    global _passed
    if _target is None or _target[0] != name:
        return
    _passed += 1
    if _passed == _target[1]:
        os._exit(KILLED)


def failpoints(name: str, commands: Iterable[object]) -> None:
    """Pass a point, and the same point of each command by its class."""
    failpoint(name)
    if _target is None:
        return
    for command in commands:
        failpoint(f"{name}:{type(command).__name__}")
