"""What went well with the same code is not played again; anything else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash import record as record_module
from tests.crash.points import points_of
from tests.crash.record import Record, code_of
from tests.crash.table import Verdict


def test_only_what_went_well_with_the_same_code_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points, path = points_of("LTC"), tmp_path / "results"
    first, second, third = (
        Verdict(points[0], "", 1.5),
        Verdict(points[1], "twice", 2.0),
        Verdict(points[2], "", 3.0),
    )
    for verdict in (first, second, third):
        Record(path).add("LTC", verdict)
    assert Record(path).well("LTC", points) == [first, third]
    assert Record(path).well("BTC", points_of("BTC")) == []
    Record(path).add("LTC", Verdict(points[0], "never passed", 60.0))
    Record(path).add("LTC", Verdict(points[1], "", 2.5))
    assert Record(path).well("LTC", points) == [Verdict(points[1], "", 2.5), third]
    monkeypatch.setattr(record_module, "code_of", lambda currency, scene: "other")
    assert Record(path).well("LTC", points) == []


def test_a_cell_depends_on_its_own_family_and_its_own_scene() -> None:
    assert code_of("BTC", "pay") == code_of("LTC", "pay")
    assert code_of("BTC", "pay") != code_of("ETH", "pay")
    assert code_of("BTC", "pay") != code_of("BTC", "sweep")


def test_a_line_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.write_text("no json\n")
    with pytest.raises(ValueError, match="Expecting value"):
        Record(path)
