"""Where rates come from: one source, named well."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from config.rates import RatesSettings


def test_without_anything_there_is_no_source() -> None:
    settings = RatesSettings()
    assert (settings.file, settings.url, settings.quote) == (None, None, "EUR")


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://rates.example/"},
        {"url": "https://user:secret@rates.example/", "file": "rates.json"},
        {"quote": "eur"},
        {"quote": "=EUR"},
        {"poll_s": 1},
        {"max_age_s": 0},
        {"source": "x"},
    ],
)
def test_what_is_no_source_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RatesSettings.model_validate(wrong)


def test_two_sources_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="file and url are both set"):
        RatesSettings.model_validate(
            {"url": "https://rates.example/", "file": "rates.json"}, context={"folder": tmp_path}
        )
