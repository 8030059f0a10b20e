"""The log: one line for each record, and no secret in any of them."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest

from monitoring import log
from monitoring.redaction import MASK, Redactor

CANARY = "canary-4f1c9e"
Form = Literal["json", "console"]


@pytest.fixture
def configured() -> Iterator[Callable[[Form], io.StringIO]]:
    """Set the log up on a text in memory; the root logger is as before afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)

    def run(form: Form) -> io.StringIO:
        stream = io.StringIO()
        log.configure("debug", form, secrets=[CANARY], stream=stream)
        return stream

    yield run
    root.handlers[:], root.level = before
    logging.captureWarnings(False)


def records(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_record_is_one_json_line_with_the_request_id(configured: Callable[[Form], io.StringIO]) -> None:
    stream = configured("json")
    with log.request_context("req_1", currency="BTC"):
        log.get_logger("gateway").info("deposit credited", amount=10**30, height=5)
    log.get_logger("gateway").info("outside")
    first, second = records(stream)
    assert list(first)[:4] == ["timestamp", "level", "logger", "event"]
    assert first["timestamp"].endswith("Z")
    assert (first["level"], first["logger"], first["event"]) == ("info", "gateway", "deposit credited")
    assert (first["request_id"], first["currency"], first["amount"]) == ("req_1", "BTC", 10**30)
    assert "request_id" not in second


def test_records_of_libraries_take_the_same_form(configured: Callable[[Form], io.StringIO]) -> None:
    stream = configured("json")
    with log.request_context("req_2"):
        logging.getLogger("aiohttp.server").warning("bad %s of %d", CANARY, 3)
    (record,) = records(stream)
    assert record["event"] == f"bad {MASK} of 3"
    assert (record["level"], record["logger"], record["request_id"]) == ("warning", "aiohttp.server", "req_2")


class Holder:
    """An object whose text holds a secret."""

    def __repr__(self) -> str:
        return f"Holder({CANARY})"


@pytest.mark.parametrize("form", ["json", "console"])
def test_canary_never_appears(configured: Callable[[Form], io.StringIO], form: Form) -> None:
    stream = configured(form)
    logger = log.get_logger("canary")
    logger.info(f"event {CANARY}", value=CANARY, deep={"a": [{"b": (CANARY, {CANARY})}]}, obj=Holder())
    logger.info("bytes", raw=CANARY.encode(), **{CANARY: 1})
    logging.getLogger("lib").error("args %s %r", CANARY, {"x": CANARY}, extra={"more": CANARY})
    try:
        local = CANARY
        raise ValueError(f"wrong: {local}")
    except ValueError:
        logger.exception("failed")
        logging.getLogger("lib").exception("failed too")
    try:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise RuntimeError("outer") from error
    except RuntimeError:
        logger.exception("chained")
    text = stream.getvalue()
    assert CANARY not in text
    assert text.count(MASK) >= 10


@pytest.mark.parametrize("form", ["json", "console"])
def test_local_variables_are_in_no_traceback(configured: Callable[[Form], io.StringIO], form: Form) -> None:
    stream = configured(form)

    def failing(private: str) -> None:
        raise OSError(f"no {len(private)}")

    try:
        failing("unregistered-private-text")
    except OSError:
        log.get_logger("x").exception("failed")
    text = stream.getvalue()
    assert "unregistered-private-text" not in text
    assert "OSError: no 25" in text
    assert "test_log.py" in text
    assert " failing" in text


def test_exception_names_its_causes(configured: Callable[[Form], io.StringIO]) -> None:
    stream = configured("json")
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise RuntimeError("outer") from error
    except RuntimeError:
        log.get_logger("x").exception("failed")
    (record,) = records(stream)
    assert [item["error"] for item in record["exception"]] == ["RuntimeError: outer", "KeyError: 'inner'"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_s29_newlines_and_ansi_are_escaped(configured: Callable[[Form], io.StringIO], form: Form) -> None:
    stream = configured(form)
    forged = 'x\n{"level":"info"}\r\x1b[31mred\u2028\u202e\x85\x00'
    log.get_logger("x").info(f"event {forged}", user=forged, **{"k\ney": 1})
    logging.getLogger("lib").info(forged)
    lines = stream.getvalue().split("\n")
    assert len(lines) == 3
    assert lines[2] == ""
    for char in "\r\x1b\u2028\u202e\x85\x00":
        assert char not in stream.getvalue()


def test_s29_exception_text_cannot_forge_a_line(configured: Callable[[Form], io.StringIO]) -> None:
    stream = configured("console")
    try:
        raise ValueError("a\n2026-01-01 info gateway paid")
    except ValueError:
        log.get_logger("x").exception("failed")
    lines = stream.getvalue().splitlines()
    assert all(line.startswith("    ") for line in lines[1:])
    assert not any(line.startswith("2026-01-01 info") for line in lines)


@pytest.mark.parametrize(
    ("key", "is_masked"),
    [
        ("password", True),
        ("rpc_password", True),
        ("passphrase", True),
        ("Authorization", True),
        ("token", True),
        ("session_token", True),
        ("api_key", True),
        ("signing_key", True),
        ("mnemonic", True),
        ("seed", True),
        ("set-cookie", True),
        ("idempotency_key", False),
        ("currency", False),
        ("seed_file", False),
        ("tokens", False),
    ],
)
def test_values_are_masked_by_their_key(key: str, is_masked: bool) -> None:
    assert (Redactor().value({key: "visible-value"})[key] == MASK) == is_masked
    assert Redactor().value({key: None})[key] is None


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdefghijklmnop",
        "basic dXNlcjpwYXNzd29yZA==",
        "key ck_live_0123456789abcdef used",
        "cs_0123456789abcdef",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "AGE-SECRET-KEY-1QQPQYRZR8Z5VQPQYRZR8Z5VQPQYRZR8Z5V",
        "xprv" + "9" * 107,
        "http://user:passw0rd@127.0.0.1:8332/",
    ],
)
def test_what_looks_like_a_secret_is_masked_inside_a_text(text: str) -> None:
    masked = Redactor().text(text)
    assert MASK in masked
    for part in ("abcdefghijklmnop", "0123456789abcdef", "dXNlc", "MfKQ9", "QQPQY", "9999", "passw0rd"):
        assert part not in masked


def test_plain_texts_are_left_alone() -> None:
    for text in (
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "http://127.0.0.1:8332/",
        "a basic thing",
        "check_it",
    ):
        assert Redactor(["abc"]).text(text + " abc") == text + " abc"


def test_longer_secret_is_masked_whole_when_it_holds_a_shorter_one() -> None:
    assert Redactor(["secret-one", "secret-one-two"]).text("x secret-one-two y") == f"x {MASK} y"


def test_record_that_cannot_be_written_is_named_without_its_content(
    configured: Callable[[Form], io.StringIO], capsys: pytest.CaptureFixture[str]
) -> None:
    configured("json")
    logging.getLogger("lib").error("wrong %d", CANARY)
    shown = capsys.readouterr().err
    assert shown == "log record of lib lost: TypeError\n"
