"""Named points at which a test may kill the process, as a power cut would.

``CASHIER_FAILPOINT=payout.signed:3`` ends the process with exit code 137 at the third pass of that
point: no clean-up, no flush. ``CASHIER_FAILPOINT=@/a/file`` reads the same words from a file, at each
pass: so a point is set for a process that runs already, and for its children. Whoever ends there takes
the file away first: one file ends one process, once. Unset, a point costs one comparison.

It stands here, in the lowest of the rooms that have points, and imports nothing of ours: the books, the
actors and the signer all pass it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

VARIABLE = "CASHIER_FAILPOINT"
IN_FILE = "@"
"""First letter of a value that names a file."""
KILLED = 137
"""Exit code of a process that ended at its point."""
KINDS = ("payout", "cold", "sweep", "top_up", "cancel", "cpfp", "consolidate")
"""Kinds of intents that send a chain tx."""
STEPS = ("planned", "reserved", "signed", "recorded", "sent", "noted")
"""The way of one chain tx out of the house, for each kind of intent: ``sweep.signed``."""
STATES = ("approved", "signed", "broadcast", "confirmed", "final", "rejected", "cancelled", "failed")
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
        *(f"{kind}.{step}" for kind in KINDS for step in STEPS),
        *(f"withdrawal.{state}" for state in STATES),
    }
)
"""Every point but those of one command: of the store, of the actors, of the signer, of the books."""
_COMMIT = re.compile(r"(before|after)-commit:[A-Z][A-Za-z]+")
"""``before-commit:RecordSigned``: the SQL transaction with that command in it is about to be committed."""


def _wanted(text: str) -> tuple[str, int] | None:
    """``name:k`` parsed. Raises ValueError for an unknown name or a count that is none."""
    if not text or text.startswith(IN_FILE):
        return None
    name, _, count = text.rpartition(":")
    if not is_name(name) or not count.isdecimal() or int(count) < 1:
        names = ", ".join((*sorted(NAMES), "before-commit:Command", "after-commit:Command"))
        raise ValueError(f"{VARIABLE}={text!r} is not one of {names} with :k, or of {IN_FILE}file with it")
    return name, int(count)


def is_name(name: str) -> bool:
    """Whether a point may be called so; of the commands only their spelling is known here."""
    return name in NAMES or _COMMIT.fullmatch(name) is not None


_value = os.environ.get(VARIABLE, "")
_file = _value[len(IN_FILE) :] if _value.startswith(IN_FILE) else None
_target = _wanted(_value)
_passed = 0


def failpoint(name: str) -> None:
    """Pass a point; the process ends here when this is the wanted pass of the wanted point."""
    if _value:
        _pass(name)


def failpoints(name: str, commands: Iterable[object]) -> None:
    """Pass a point, and the same point of each command by its class."""
    if not _value:
        return
    _pass(name)
    for command in commands:
        _pass(f"{name}:{type(command).__name__}")


def _pass(name: str) -> None:
    """Count a pass of the wanted point, and end at the wanted one."""
    global _passed
    target = _target if _file is None else _in_file(_file)
    if target is None or target[0] != name:
        return
    _passed += 1
    if _passed == target[1] and (_file is None or _take(_file)):
        os._exit(KILLED)


def _in_file(path: str) -> tuple[str, int] | None:
    """What the file says now; without one nothing is wanted, and counting begins anew.

    Raises ValueError as :func:`_wanted`.
    """
    global _passed
    try:
        with open(path, encoding="ascii") as file:
            return _wanted(file.read().strip())
    except FileNotFoundError:
        _passed = 0
        return None


def _take(path: str) -> bool:
    """Take the file away; False when another process of the same file was first."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True
