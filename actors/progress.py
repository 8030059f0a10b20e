"""How far a watcher has come that catches up: a line every few seconds, with rate and time left."""

from __future__ import annotations

SAY_EVERY_S = 5.0


class Progress:
    """One catching up after the other; times are handed in, in seconds of any clock that only rises."""

    def __init__(self) -> None:
        """Nothing to tell yet."""
        self._begun: tuple[float, int] | None = None
        self._said_at = 0.0

    def step(self, now_s: float, height: int, target: int) -> str:
        """Note that ``height`` of ``target`` is applied; the line to tell now, empty for none."""
        if self._begun is None:
            self._begun, self._said_at = (now_s, height), now_s
            return ""
        if now_s - self._said_at < SAY_EVERY_S:
            return ""
        self._said_at = now_s
        begun_at, begun = self._begun
        rate = (height - begun) / (now_s - begun_at)
        left = f"about {max(0, target - height) / rate:.0f} s left" if rate > 0 else "time left unknown"
        return f"at height {height} of {target}, {rate:.1f} blocks/s, {left}"

    def done(self) -> None:
        """The head is reached."""
        self._begun = None
