"""The line that tells how far a catch-up has come."""

from __future__ import annotations

from actors.progress import SAY_EVERY_S, Progress


def test_a_line_every_few_seconds_with_rate_and_time_left() -> None:
    progress = Progress()
    told = [progress.step(100.0 + second, 10 * second, 1_000) for second in range(12)]
    assert [line for line in told if line] == [
        "at height 50 of 1000, 10.0 blocks/s, about 95 s left",
        "at height 100 of 1000, 10.0 blocks/s, about 90 s left",
    ]
    assert [second for second, line in enumerate(told) if line] == [5, 10]


def test_the_next_catch_up_begins_anew_and_standing_still_has_no_end() -> None:
    progress = Progress()
    progress.step(0.0, 10, 100)
    progress.done()
    assert progress.step(1_000.0, 500, 900) == ""
    assert progress.step(1_000.0 + SAY_EVERY_S, 500, 900).endswith("0.0 blocks/s, time left unknown")
