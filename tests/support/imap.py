"""A real IMAP server (pymap, with its mails in memory), and how mails come into it."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from imapclient import IMAPClient
from pydantic import SecretStr

from tellal.settings import MailboxSettings
from tests.support.waiting import until

USER, PASSWORD = "basvuru@porsuk.example", "gizli"
_LONG_S = 20.0
_SERVE = "from pymap.main import main; main()"


@dataclass
class MailServer:
    """The server, at a port of loopback; tests look into it over one connection (RFC 9051)."""

    port: int

    @cached_property
    def client(self) -> Any:  # noqa: ANN401 - imapclient says nothing of its types
        # Signing in is slow, as it should be: the server hashes the password.
        client = IMAPClient("127.0.0.1", port=self.port, ssl=False, timeout=_LONG_S)
        client.login(USER, PASSWORD)
        return client

    def settings(self, brand: str, **said: object) -> MailboxSettings:
        values: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "username": USER,
            "password": SecretStr(PASSWORD),
            "tls": "none",
            "brand": brand,
            "channel": "info",
            "timeout_s": 5.0,
        }
        return MailboxSettings(**(values | said))

    async def empty(self) -> None:
        """Have all mails gone."""

        def empty() -> None:
            for _, _, name in self.client.list_folders():
                self.client.select_folder(name)
                self.client.delete_messages(self.client.search(["ALL"]))
                self.client.expunge()

        await asyncio.to_thread(empty)

    async def put(self, *mails: bytes, folder: str = "INBOX") -> None:
        """Have mails arrive."""

        def put() -> None:
            for mail in mails:
                self.client.append(folder, mail)

        await asyncio.to_thread(put)

    async def held(self) -> dict[str, list[tuple[str, bool]]]:
        """Return what is in each folder: the subject of each mail, and whether it is seen."""

        def look() -> dict[str, list[tuple[str, bool]]]:
            found = {}
            for _, _, name in self.client.list_folders():
                self.client.select_folder(name, readonly=True)
                mails = self.client.fetch(self.client.search(["ALL"]), ["FLAGS", "ENVELOPE"])
                found[name] = [
                    ((one[b"ENVELOPE"].subject or b"").decode(), b"\\Seen" in one[b"FLAGS"])
                    for _, one in sorted(mails.items())
                ]
            return {name: mails for name, mails in found.items() if mails}

        return await asyncio.to_thread(look)


@asynccontextmanager
async def mail_server(*tls: str) -> AsyncIterator[MailServer]:
    """Run a server with one empty account, for the length of a block; `tls` are its options."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    account = ["dict", "--demo-user", USER, "--demo-password", PASSWORD]
    where = ["--host", "127.0.0.1", "--port", str(port), *(tls or ("--no-tls",))]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", _SERVE, *where, *account),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server = MailServer(port)
    try:
        await until(partial(_answers, port))
        yield server
    finally:
        if "client" in vars(server):
            await asyncio.to_thread(server.client.logout)
        process.terminate()
        await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
