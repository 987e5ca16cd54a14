"""Logs as JSON, one object a line: a constant event text, and ids in fields of their own.

Ids that are known from some point on (the request, the workflow, the outcome) are bound once there
and stand in every line that is logged further down, whoever logs it.

Nothing is redacted here, because nothing that needs it may come here: ids are logged, people never
are. For the same reason an error is written as its class and its place. Drivers and validators
quote the values that they choke on in their messages, and those may be a person's.
"""

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import IO, Literal

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}
# They log addresses of requests, and those name people (Twilio's look-up: `?To=+90…`).
_TALKATIVE = ("httpx", "httpcore", "twilio", "urllib3", "mail.log", "aiosmtplib")
_FRAMES = 12
_NOTHING: Mapping[str, str] = {}

_ids: ContextVar[Mapping[str, str]] = ContextVar("ids", default=_NOTHING)


def begin(**ids: str) -> None:
    """Have these ids, and no earlier ones, in what is logged from here on in this task."""
    _ids.set(ids)


def bind(**ids: str) -> None:
    """Add ids of ours to what is logged from here on in this task and in those that it starts."""
    _ids.set({**_ids.get(), **ids})


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "at": _at(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        return json.dumps(line | _fields(record), ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """Writes a record as one line for a person who watches, with the same fields as the JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = _at(record).isoformat(sep=" ", timespec="milliseconds")
        said = [f"{at} {record.levelname:<7} {record.name}: {record.getMessage()}"]
        said += [
            f"{name}={json.dumps(value, ensure_ascii=False, default=str)}"
            for name, value in _fields(record).items()
        ]
        return "  ".join(said)


def _at(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Return what stands beside the event: bound ids, what the place added, the error."""
    fields: dict[str, object] = dict(_ids.get())
    fields |= {name: value for name, value in vars(record).items() if name not in _PLAIN}
    if record.exc_info and record.exc_info[1] is not None:
        fields["error"] = describe(record.exc_info[1])
    return fields


def describe(error: BaseException) -> list[dict[str, object]]:
    """Return the error and its causes by class and place, without their messages."""
    chain: list[dict[str, object]] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = traceback.extract_tb(current.__traceback__)[-_FRAMES:]
        chain.append(
            {
                "class": f"{type(current).__module__}.{type(current).__qualname__}",
                "where": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
            }
        )
        current = current.__cause__ or current.__context__
    return chain


def configure(
    level: str, stream: IO[str] | None = None, *, form: Literal["json", "text"] = "json"
) -> None:
    """Send every log of this process to the stream (standard error), a line for each."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
