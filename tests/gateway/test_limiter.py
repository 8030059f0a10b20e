"""Token buckets: burst, refill, and a bounded memory."""

from __future__ import annotations

from gateway.limiter import Rate, RateLimiter

RATE = Rate(per_s=2.0, burst=3)


def test_a_burst_then_the_rate() -> None:
    limiter = RateLimiter(10)
    assert [limiter.take("a", RATE, 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert limiter.take("a", RATE, 0.5) == 0.0
    assert limiter.take("a", RATE, 0.5) == 0.5
    assert [limiter.take("a", RATE, 100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_looking_takes_nothing() -> None:
    limiter = RateLimiter(10)
    assert [limiter.wait_s("a", RATE, 0.0) for _ in range(9)] == [0.0] * 9


def test_callers_do_not_share_and_the_oldest_is_forgotten() -> None:
    limiter = RateLimiter(2)
    for _ in range(3):
        limiter.take("a", RATE, 0.0)
    assert limiter.take("a", RATE, 0.0) > 0
    for name in ("b", "c"):
        assert limiter.take(name, RATE, 0.0) == 0.0
    assert limiter.take("a", RATE, 0.0) == 0.0  # forgotten: full again


def test_a_clock_that_goes_back_gives_nothing() -> None:
    limiter = RateLimiter(2)
    for _ in range(3):
        limiter.take("a", RATE, 10.0)
    assert limiter.take("a", RATE, 0.0) == 0.5
