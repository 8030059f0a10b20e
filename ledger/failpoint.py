"""Named points at which a test may kill the process, as a power cut would.

``CASHIER_FAILPOINT=after-commit:3`` ends the process with exit code 137 at the third pass of that
point: no clean-up, no flush. Unset, a point costs one comparison.
"""

from __future__ import annotations

import os

VARIABLE = "CASHIER_FAILPOINT"
NAMES = (
    "before-begin",
    "before-commit",
    "after-commit",
    "before-checkpoint",
    "withdrawal.opened",
    "payout.planned",
    "payout.reserved",
    "payout.signed",
    "payout.recorded",
    "payout.sent",
    "payout.noted",
    "bump.planned",
)
"""Every point there is: those of the store, then those on the way of a payout (``actors``)."""


def _wanted(text: str) -> tuple[str, int] | None:
    """``name:k`` parsed. Raises ValueError for an unknown name or a count that is none."""
    if not text:
        return None
    name, _, count = text.partition(":")
    if name not in NAMES or not count.isdecimal() or int(count) < 1:
        raise ValueError(f"{VARIABLE}={text!r} is not one of {', '.join(NAMES)} with :k")
    return name, int(count)


_target = _wanted(os.environ.get(VARIABLE, ""))
_passed = 0


def failpoint(name: str) -> None:
    """Pass a point; the process ends here when this is the wanted pass of the wanted point."""
    global _passed
    if _target is None or _target[0] != name:
        return
    _passed += 1
    if _passed == _target[1]:
        os._exit(137)
