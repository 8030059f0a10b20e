"""The Accept header, also a hostile one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accept import preferred

OFFERED = ("application/json", "text/csv", "text/html")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ([], "application/json"),
        ([""], "application/json"),
        (["*/*"], "application/json"),
        (["text/csv"], "text/csv"),
        (["TEXT/CSV"], "text/csv"),
        (["text/*"], "text/csv"),
        (["text/csv;q=0.1, text/html"], "text/html"),
        (["text/csv; charset=utf-8; q=0.9", "application/json;q=0.8"], "text/csv"),
        (["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], "text/html"),
        (["application/json;q=0, */*"], "text/csv"),
        (["image/png"], None),
        (["application/json;q=0"], None),
        (["text/csv;q=2, text/html;q=0.001"], "text/html"),
        (["text/csv;q=nan"], "application/json"),
        (["*/*;q=0"], None),
    ],
)
def test_what_is_liked_best_is_chosen(accept: list[str], chosen: str | None) -> None:
    assert preferred(accept, OFFERED) == chosen


@given(st.lists(st.text(alphabet=",;=*/q.01 texhmlcsv\u0665é\n"), max_size=5))
def test_any_text_gives_an_offer_or_none(accept: list[str]) -> None:
    assert preferred(accept, OFFERED) in (*OFFERED, None)
