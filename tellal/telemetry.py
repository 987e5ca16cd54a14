"""Logs as JSON, one object a line: a constant event text, and ids in fields of their own.

Nothing is redacted here, because nothing that needs it may come here: ids are logged, people never
are. For the same reason an error is written as its class and its place. Drivers and validators
quote the values that they choke on in their messages, and those may be a person's.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import IO

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}
# They log addresses of requests, and those name people (Twilio's look-up: `?To=+90…`).
_TALKATIVE = ("httpx", "httpcore", "twilio", "urllib3", "mail.log", "aiosmtplib")
_FRAMES = 12


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _PLAIN}
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = describe(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


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


def configure(level: str, stream: IO[str] | None = None) -> None:
    """Send every log of this process to the stream (standard error) as JSON."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
