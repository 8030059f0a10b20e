"""Times as they are answered."""

from __future__ import annotations

from gateway.moment import moment, moment_or_none


def test_a_time_is_rfc_3339_in_utc() -> None:
    assert moment(0) == "1970-01-01T00:00:00Z"
    assert moment(1_760_000_000) == "2025-10-09T08:53:20Z"
    assert moment_or_none(None) is None
    assert moment_or_none(1_760_000_000) == moment(1_760_000_000)
