"""The log: one record per line, JSON for machines or plain text for people, secrets masked.

Our own records and those of the libraries (standard logging) take the same way, so that no library can
write a secret past the redaction. Tracebacks never hold local variables.
"""

import logging
import sys
import traceback
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from monitoring.redaction import Redactor, escape

__all__ = ["configure", "get_logger", "register_secrets", "request_context"]

_redactor = Redactor()
_FRAMES = 30
_RESERVED = ("timestamp", "level", "logger", "event")


def configure(
    level: Literal["debug", "info", "warning", "error"],
    form: Literal["json", "console"],
    *,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Set the log of the process up; may be called again. `secrets` are masked wherever they appear."""
    register_secrets(secrets)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=True, default=str)
        if form == "json"
        else _render_console
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _format_exception,
            _clean,
            renderer,
        ],
    )
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def register_secrets(values: Iterable[str]) -> None:
    """Mask these values wherever they appear from now on."""
    _redactor.register(values)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Give a logger; the event is a short fixed text, what varies goes into keywords."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


@contextmanager
def request_context(request_id: str, **values: str) -> Iterator[None]:
    """Let every record written inside carry the request id (and more)."""
    with structlog.contextvars.bound_contextvars(request_id=request_id, **values):
        yield


class _Handler(logging.StreamHandler[TextIO]):
    """Writes a line; when a record cannot be written, says so without showing the record."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (the standard library's name)
        kind = sys.exc_info()[0]
        name = kind.__name__ if kind else "error"
        sys.stderr.write(f"log record of {escape(record.name)} lost: {name}\n")


def _format_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace the exception by its type, text and frames: file, line and function, no variables."""
    info = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if isinstance(info, tuple) and info[0] is not None:
        event["exception"] = _chain(traceback.TracebackException(*info, limit=-_FRAMES, lookup_lines=False))
    return event


def _chain(error: traceback.TracebackException) -> list[dict[str, Any]]:
    """Describe an exception and those it came from, the last one first."""
    chain: list[dict[str, Any]] = []
    current: traceback.TracebackException | None = error
    while current is not None and len(chain) < _FRAMES:
        text = "".join(current.format_exception_only()).strip()
        frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in current.stack]
        chain.append({"error": text, "frames": frames})
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain


def _clean(_: WrappedLogger, __: str, event: EventDict) -> MutableMapping[str, Any]:
    """Mask secrets in every value and put the fixed keys first."""
    cleaned = {name: _redactor.value(event.pop(name)) for name in _RESERVED if name in event}
    for key in event:
        cleaned[_redactor.text(key)] = _redactor.entry(key, event[key])
    return cleaned


def _render_console(_: WrappedLogger, __: str, event: EventDict) -> str:
    """Write a record for people; only the frames of an exception take lines of their own, indented."""
    chain = event.pop("exception", [])
    head = " ".join(escape(str(event.pop(name, ""))) for name in _RESERVED)
    rest = "".join(f" {escape(key)}={escape(str(value))}" for key, value in event.items())
    lines = [head + rest]
    for item in chain:
        lines.append("    " + escape(str(item["error"])))
        lines += ["      " + escape(str(frame)) for frame in item["frames"]]
    return "\n".join(lines)
