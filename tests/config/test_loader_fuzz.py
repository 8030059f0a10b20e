"""Whatever stands in the files: settings, or errors that an operator can read. Never anything else."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import ConfigError, Problem
from config.loader import load
from config.reference import EXAMPLE
from config.toml_lines import lines_of

from .conftest import COINS

MAIN = EXAMPLE.read_bytes()
COIN = (COINS / "BTC.toml").read_bytes()
CHAIN, TOKEN = [
    (COINS / name).read_bytes().replace(b"enabled = false", b"enabled = true")
    for name in ("ETH.toml", "USDT-ETH.toml")
]

VALUES = (
    b"nan",
    b"-1",
    b"1e400",
    b"[]",
    b"{}",
    b'""',
    b"true",
    b"1979-05-27",
    b'"\\u0000"',
    b"9" * 400,
    b"[[[1]]]",
)


def problems_of(file: Path | None, environ: Mapping[str, str]) -> tuple[Problem, ...]:
    """Load a configuration and give its problems, none when it is good."""
    try:
        load(file, environ)
    except ConfigError as error:
        return error.problems
    return ()


@st.composite
def spoilt(draw: st.DrawFn, text: bytes) -> bytes:
    """Cut a piece out of a text, put one in, or give another value to a key."""
    if draw(st.booleans()):
        lines = text.split(b"\n")
        numbers = [number for number, line in enumerate(lines) if b" = " in line]
        number = draw(st.sampled_from(numbers))
        key = lines[number].partition(b" = ")[0]
        lines[number] = key + b" = " + draw(st.sampled_from(VALUES))
        return b"\n".join(lines)
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 40)))
    return text[:start] + draw(st.binary(max_size=6)) + text[end:]


@settings(max_examples=150)
@given(main=st.just(MAIN) | spoilt(MAIN), coin=st.just(COIN) | spoilt(COIN))
def test_spoilt_files_give_settings_or_readable_errors(main: bytes, coin: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "coins").mkdir()
        (folder / "cashier.toml").write_bytes(main)
        (folder / "coins" / "BTC.toml").write_bytes(coin)
        for problem in problems_of(folder / "cashier.toml", {}):
            assert problem.origin.startswith(name)
            assert problem.reason
            assert "\n" not in str(problem)


@settings(max_examples=150)
@given(token=spoilt(TOKEN), chain=st.just(CHAIN) | spoilt(CHAIN))
def test_spoilt_tokens_give_settings_or_readable_errors(token: bytes, chain: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "coins").mkdir()
        (folder / "coins" / "ETH.toml").write_bytes(chain)
        (folder / "coins" / "USDT-ETH.toml").write_bytes(token)
        (folder / "cashier.toml").write_bytes(MAIN)
        for problem in problems_of(folder / "cashier.toml", {}):
            assert problem.origin.startswith(name)
            assert problem.reason
            assert "\n" not in str(problem)


@given(
    names=st.lists(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789", max_size=20), max_size=4), value=st.text()
)
def test_any_variable_gives_settings_or_readable_errors(names: list[str], value: str) -> None:
    problems = problems_of(None, {"CASHIER__" + "__".join(names): value})
    assert len(problems) <= 1
    assert all("\n" not in str(problem) for problem in problems)


@given(text=st.text("ab.=\"'[]{}#\n \\1,"))
def test_line_finder_ends_on_any_text(text: str) -> None:
    assert all(1 <= line <= text.count("\n") + 1 for line in lines_of(text).values())
