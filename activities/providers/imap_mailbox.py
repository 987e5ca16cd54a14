"""A mailbox over IMAP (RFC 9051), by imapclient, which blocks: every call goes to a thread."""

import asyncio
import ssl
from contextlib import suppress
from typing import Any

from imapclient import IMAPClient

from tellal.domain.mails import Became
from tellal.services.mail_polling import Waiting
from tellal.settings import FolderSettings

_FIRST_BYTES = 4 * 1024 * 1024
"""How much of a mail is read: its words come before what is attached, which is not kept."""
_SEEN = b"\\Seen"


class ImapMailbox:
    """One folder of one account; a connection lasts from a look until it is left."""

    def __init__(self, settings: FolderSettings) -> None:
        self._settings = settings
        self._client: IMAPClient | None = None

    @property
    def name(self) -> str:
        """Return which mailbox it is."""
        said = self._settings
        return f"{said.username}@{said.host}/{said.folder}"

    async def look(self) -> Waiting:
        """Sign in and say what is in the folder, the oldest first.

        Raises:
            IMAPClientError: The server refuses the user, or the folder is not there.
            OSError: The server does not answer.
        """
        return await asyncio.to_thread(self._look)

    async def fetch(self, uid: int) -> bytes | None:
        """Return a mail's first four megabytes; None if it has gone."""
        return await asyncio.to_thread(self._fetch, uid)

    async def put_away(self, uid: int, became: Became) -> None:
        """Mark a mail as seen and move it, by MOVE (RFC 6851) where the server has it."""
        await asyncio.to_thread(self._put_away, uid, became)

    async def leave(self) -> None:
        """Sign out."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(_sign_out, client)

    def _look(self) -> Waiting:
        client = self._connect()
        for folder in {self._folder(became) for became in Became}:
            if not client.folder_exists(folder):
                client.create_folder(folder)
        chosen = client.select_folder(self._settings.folder)
        return Waiting(validity=int(chosen[b"UIDVALIDITY"]), uids=sorted(client.search(["ALL"])))

    def _connect(self) -> Any:  # noqa: ANN401 - imapclient says nothing of its types
        said = self._settings
        context = None if said.tls == "none" else ssl.create_default_context()
        client = IMAPClient(
            said.host,
            port=said.port,
            ssl=said.tls == "implicit",
            ssl_context=context,
            timeout=said.timeout_s,
        )
        self._client = client
        if said.tls == "starttls":
            client.starttls(context)
        client.login(said.username, said.password.get_secret_value())
        return client

    def _fetch(self, uid: int) -> bytes | None:
        part = f"BODY.PEEK[]<0.{_FIRST_BYTES}>"
        found = self._held().fetch([uid], [part]).get(uid, {})
        mail: bytes | None = found.get(b"BODY[]<0>", found.get(b"BODY[]"))
        return mail

    def _put_away(self, uid: int, became: Became) -> None:
        client, folder = self._held(), self._folder(became)
        client.add_flags([uid], [_SEEN], silent=True)
        if client.has_capability("MOVE"):
            client.move([uid], folder)
            return
        client.copy([uid], folder)
        client.delete_messages([uid], silent=True)
        # Without UIDPLUS this removes what others have marked, too: there is no other way then.
        client.expunge([uid] if client.has_capability("UIDPLUS") else None)

    def _folder(self, became: Became) -> str:
        match became:
            case Became.CASE | Became.REPEAT | Became.BOUNCE:
                return self._settings.done
            case Became.IGNORED:
                return self._settings.ignored
            case Became.ASIDE:
                return self._settings.aside

    def _held(self) -> Any:  # noqa: ANN401 - imapclient says nothing of its types
        if self._client is None:
            raise ConnectionError("nobody has looked into the mailbox yet")
        return self._client


def _sign_out(client: Any) -> None:  # noqa: ANN401 - imapclient says nothing of its types
    try:
        client.logout()
    except Exception:  # noqa: BLE001 - a connection that is broken already needs no farewell
        with suppress(OSError):
            client.shutdown()
