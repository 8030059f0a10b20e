"""The first block at which something turned bad, by halving. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


async def first_bad(good: int, bad: int, is_bad: Callable[[int], Awaitable[bool]]) -> int:
    """The lowest height above ``good`` that is bad while the one below it is not.

    ``good`` is known to be good and ``bad`` to be bad; asked are as many heights as the distance halves
    (14 for 10,000 blocks). Where things turned bad and good again in between, it is one of those turns.
    Raises ValueError unless ``good`` lies below ``bad``, and what ``is_bad`` raises.
    """
    if good >= bad:
        raise ValueError(f"{good} is not below {bad}")
    while bad - good > 1:
        middle = (good + bad) // 2
        if await is_bad(middle):
            bad = middle
        else:
            good = middle
    return bad
