"""İYS' API as it is documented (dev.iys.org.tr, API Metotlar): records, queries, movements.

No answer is logged: all of them name people.
"""

import csv
import io
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from activities.providers.iys.codes import CODES, UNLISTED
from activities.providers.iys.transport import Transport, mapping_in
from tellal.clock import Clock
from tellal.domain.registry import (
    Kind,
    Known,
    Party,
    RegistryKey,
    RegistryRecord,
    Status,
    read_moment,
)
from tellal.domain.registry_answers import (
    Account,
    Batch,
    Change,
    Changes,
    RegistryError,
    Side,
    Taken,
    Told,
    Trouble,
)
from tellal.settings import IysSettings

_STATES: Mapping[str, Taken] = {"success": Taken.ACCEPTED, "enqueue": Taken.WAITS}
_FAILURE = "failure"
_NOT_FOUND = "404"
_UNREADABLE = "unreadable"

_log = logging.getLogger(__name__)


class IysRegistry:
    """Speaks to İYS for every brand of an installation."""

    def __init__(self, settings: IysSettings, clock: Clock | None = None) -> None:
        self._transport = Transport(settings, clock)

    async def add(self, account: Account, record: RegistryRecord) -> Told:
        """Tell it one record (Tekil İzin Ekleme).

        Raises:
            RegistryError: There was no answer that says what came of the record.
        """
        path = f"{_brand(account)}/consents"
        try:
            answer = await self._transport.ask("POST", path, document=record.as_document())
        except RegistryError as error:
            if error.trouble is Trouble.REFUSED and error.codes:
                return _worst(error.codes)
            raise
        transaction = str(mapping_in(answer).get("transactionId") or "")
        if not transaction:
            raise RegistryError(Trouble.LOST, _UNREADABLE)
        return Told(taken=Taken.ACCEPTED, transaction=transaction)

    async def add_batch(self, account: Account, records: Sequence[RegistryRecord]) -> Batch:
        """Tell it many records (Asenkron Çoklu İzin Ekleme).

        Raises:
            RegistryError: There was no answer, or the whole batch was refused.
        """
        path = f"{_brand(account)}/consents/request"
        documents = [record.as_document() for record in records]
        said = mapping_in(await self._transport.ask("POST", path, document=documents))
        request, listed = str(said.get("requestId") or ""), said.get("subRequests")
        parts = [
            str(one.get("subrequestId") or "") if isinstance(one, dict) else ""
            for one in (listed if isinstance(listed, list) else [])
        ]
        if not request or len(parts) != len(records) or not all(parts):
            raise RegistryError(Trouble.LOST, _UNREADABLE)
        return Batch(request=request, parts=tuple(parts))

    async def told_of(self, account: Account, batch: str) -> Mapping[str, Told]:
        """Return what came of a batch, by subrequest (Çoklu İzin Ekleme İsteği Sorgulama).

        Raises:
            RegistryError: There was no answer.
        """
        path = f"{_brand(account)}/consents/request/{batch}"
        answer = await self._transport.ask("GET", path)
        return {
            str(one.get("subrequestId") or ""): _told(one)
            for one in _list_in(answer.json())
            if one.get("subrequestId")
        }

    async def known(self, account: Account, key: RegistryKey) -> Known | None:
        """Return what it has for a key (Tekil İzin Durumu Sorgulama).

        Raises:
            RegistryError: There was no answer.
        """
        path = f"{_brand(account)}/consents/status"
        asked = {
            "recipient": key.recipient,
            "recipientType": key.party.value,
            "type": key.kind.value,
        }
        try:
            said = mapping_in(await self._transport.ask("POST", path, document=asked))
        except RegistryError as error:
            if error.trouble is Trouble.REFUSED and _NOT_FOUND in error.codes:
                return None
            raise
        try:
            status = Status(str(said.get("status")))
            given = said.get("consentDate")
            given_at = read_moment(str(given)) if given else None
        except ValueError as error:
            raise RegistryError(Trouble.LOST, _UNREADABLE) from error
        return Known(status=status, given_at=given_at, source=str(said.get("source") or ""))

    async def changes(self, account: Account, side: Side, after: str) -> Changes:
        """Return a page of movements (İzin Hareketi Sorgulama); empty if there are no more.

        Raises:
            RegistryError: There was no answer.
        """
        path = f"{_brand(account)}/consents/changes"
        question = {"source": side.value} | ({"after": after} if after else {})
        said = mapping_in(await self._transport.ask("GET", path, question=question))
        listed = _readable(_list_in(said.get("list")))
        return Changes(changes=tuple(listed), after=str(said.get("after") or after))

    async def changes_of(self, account: Account, day: date) -> tuple[Change, ...]:
        """Return the movements of a day (Günlük İzin Hareket Dosyası İndirme).

        Raises:
            RegistryError: There was no answer.
        """
        answer = await self._transport.ask("GET", f"{_brand(account)}/changes/{day}/file")
        return tuple(_readable(_lines(answer.text)))

    async def close(self) -> None:
        """Give the connections back."""
        await self._transport.close()


def _brand(account: Account) -> str:
    return f"/sps/{account.iys_code}/brands/{account.brand_code}"


def _worst(codes: Sequence[str]) -> Told:
    """Return the meaning of several codes of one record: what must be looked at comes first."""
    meanings = {code: CODES.get(code, UNLISTED) for code in codes}
    for meaning in (Taken.REJECTED, Taken.AGAIN, Taken.DOUBTFUL, Taken.NEEDLESS):
        for code, one in meanings.items():
            if one is meaning:
                return Told(taken=meaning, code=code)
    return Told(taken=Taken.KNOWN, code=codes[0])


def _told(one: Mapping[str, Any]) -> Told:
    error = one.get("error")
    code = str(error.get("code") or "") if isinstance(error, dict) else ""
    status = str(one.get("status") or "")
    if status == _FAILURE:
        return _worst([code]) if code else Told(taken=Taken.REJECTED, code=_UNREADABLE)
    taken = _STATES.get(status, Taken.WAITS)
    return Told(taken=taken, transaction=str(one.get("transactionId") or ""))


def _readable(listed: Iterable[Mapping[str, Any]]) -> Iterator[Change]:
    """Read movements; one that cannot be read must not keep the refusals behind it from us."""
    for one in listed:
        try:
            yield _change(one)
        except (KeyError, ValueError) as error:
            _log.error("a movement at İYS is unreadable", extra={"error": type(error).__name__})


def _change(one: Mapping[str, Any]) -> Change:
    given = one.get("consentDate")
    return Change(
        transaction=str(one["transactionId"]),
        created_at=read_moment(str(one["creationDate"])),
        record=RegistryRecord(
            key=RegistryKey(
                recipient=str(one["recipient"]).strip(),
                party=Party(str(one["recipientType"])),
                kind=Kind(str(one["type"])),
            ),
            status=Status(str(one["status"])),
            source=str(one.get("source") or ""),
            given_at=read_moment(str(given)) if given else None,
        ),
    )


def _lines(text: str) -> Iterator[Mapping[str, Any]]:
    """Read the daily file: CSV with a heading, between commas or semicolons."""
    heading, _, _ = text.partition("\n")
    between = ";" if ";" in heading else ","
    for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), delimiter=between):
        yield {(name or "").strip(): value for name, value in row.items()}


def _list_in(document: object) -> list[Mapping[str, Any]]:
    listed = document if isinstance(document, list) else []
    return [one for one in listed if isinstance(one, dict)]
