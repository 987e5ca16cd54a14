"""The rule engine's process: questions in on standard input, answers out on standard output.

A frame is four bytes of length and JSON. The first frame has the programs; every other one is a
batch of questions. The process ends with its parent (end of input, and a signal on Linux, since a
loop in C reads no input), on any error of the engine, and by an alarm if one batch takes for ever.
"""

import ctypes
import json
import os
import signal
import sys
from typing import Any

from rules.engine import FencedRules

_HEAD = 4
_TOGETHER = 8
"""Answers that go back at once: the server takes them in while the next ones are worked out."""
_ALARM_S = 10
_DIE_WITH_PARENT = 1


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends us
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _die_with_parent()
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing else may come between the frames
    programs = _read()
    if programs is None:
        return
    topics = {topic: FencedRules(topic, program) for topic, program in programs.items()}
    _write(answers, "ready")
    while (batch := _read()) is not None:
        signal.alarm(_ALARM_S)
        done = []
        for number, topic, values in batch:
            done.append((number, *topics[topic].ask(values)))
            if len(done) == _TOGETHER:
                _write(answers, done)
                done = []
        if done:
            _write(answers, done)
        signal.alarm(0)


def _read() -> Any:  # noqa: ANN401 - JSON is any of these
    head = sys.stdin.buffer.read(_HEAD)
    if len(head) < _HEAD:
        return None
    return json.loads(sys.stdin.buffer.read(int.from_bytes(head, "big")))


def _write(to: int, frame: object) -> None:
    body = json.dumps(frame, ensure_ascii=False).encode()
    left = memoryview(len(body).to_bytes(_HEAD, "big") + body)
    while left:
        left = left[os.write(to, left) :]


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


if __name__ == "__main__":
    main()
