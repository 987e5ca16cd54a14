"""Files that are handed out while they are written: to the disk first, as fast as they come.

Who reads slowly keeps nothing but a file on the disk waiting, and no connection of the database.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from tempfile import TemporaryFile
from typing import IO

from tellal.supervision import rest

_CHUNK = 1 << 16
_LOOK_EVERY_S = 0.05

Write = Callable[[IO[bytes]], Awaitable[object]]


async def written(write: Write) -> AsyncIterator[bytes]:
    """Write a file, and yield it as it grows; what fails breaks the answer off.

    Nobody takes a part for the whole: an answer of unknown length that breaks off is an error.
    """
    file = TemporaryFile()  # noqa: SIM115 - the task that writes it closes it
    reading = os.dup(file.fileno())
    done = asyncio.Event()
    writing = asyncio.create_task(_write(write, file, done))
    place = 0
    try:
        while True:
            whole = done.is_set()
            chunk = await asyncio.to_thread(os.pread, reading, _CHUNK, place)
            if chunk:
                place += len(chunk)
                yield chunk
            elif whole:
                break
            else:
                await rest(done, _LOOK_EVERY_S)
        await writing
    finally:
        writing.cancel()
        os.close(reading)


async def _write(write: Write, file: IO[bytes], done: asyncio.Event) -> None:
    try:
        with file:
            await write(file)
    finally:
        done.set()
