"""The table says of each point what became of it, or why it cannot be reached."""

from __future__ import annotations

from tests.crash.points import POINTS, points_of
from tests.crash.table import Verdict, label, lines


def test_each_point_has_a_row_and_each_empty_field_a_reason() -> None:
    ran = points_of("LTC")
    wrong = ran[3]
    found = {"LTC": [Verdict(point, "twice" if point == wrong else "", 1.0) for point in ran[:-1]], "ETH": []}
    shown = lines(found)
    rows = {row[:43].strip(): row[43:].split() for row in shown[1 : len(POINTS) + 1]}
    assert shown[0].split() == ["scene", "point", "LTC", "ETH"]
    assert rows[label(ran[0].scene, ran[0].name).strip()] == ["once", "not", "run"]
    assert rows[label(wrong.scene, wrong.name).strip()][0] == "FAILED"
    assert rows[label(ran[-1].scene, ran[-1].name).strip()][:2] == ["not", "run"]
    marks = rows[label("sweep", "top_up.sent:1").strip()]
    assert f"{marks[0]} cannot be reached: nothing is swept" in shown
    assert f"{marks[1]} cannot be reached: a sweep of the chain's own currency pays its gas itself" in shown
    assert len([row for row in shown if row.startswith("[")]) == len(
        {reason for point in POINTS for name, reason in point.excluded.items() if name in found}
    )
    assert (
        f"LTC: {len(ran) - 2} of {len(ran) - 1} points: paid once and debited once, or all of it back once"
        in shown
    )
