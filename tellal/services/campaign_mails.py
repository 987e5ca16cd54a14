"""Tells a campaign's people by mail what came of a run: once for each run and address.

The history of the campaign remembers it: `summary_begun` is on disk before the relay is called, and
`summary_sent` after it has answered. Who finds a beginning without an end that is older than
`IN_DOUBT_AFTER` sends the same mail again, under the same Message-ID: a summary that comes twice
harms less than one that never comes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from rules.holder import RulebookHolder
from tellal.addresses import normalise
from tellal.clock import Clock
from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError, NotFoundError
from tellal.domain.messages import Answer, OutgoingMessage, Remedy
from tellal.domain.simulation import is_magic
from tellal.ids import encode, new_id
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand
from tellal.persistence.session import Sessions
from tellal.persistence.tables.campaigns import CampaignEntryRow, CampaignRow, CampaignRunRow
from tellal.ports import Rendered, Sender
from tellal.services.allow_list import AllowList
from tellal.services.campaign_reports import SNAPSHOT, CampaignReport, campaign_report
from tellal.services.claiming import sender_of
from tellal.services.trials import masked
from templates.staff_mails import campaign_mail
from templates.status.words import own_language

_campaigns = table(CampaignRow)
_runs = table(CampaignRunRow)
_entries = table(CampaignEntryRow)

BEGUN, SENT = "summary_begun", "summary_sent"
"""The commands of a campaign's history that remember a summary."""

IN_DOUBT_AFTER = timedelta(minutes=2)
"""So long somebody may be at it; a relay is given up long before."""

_BY = "tellal"
_TOPIC = "campaign_summary"
_REASONS = 10
_VALIDITY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What came of a summary, by how many addresses it has.

    `sent` have been written to, by this call or before; `refused` never will be: no mail address,
    not on the allow-list, or the relay refused it for good. `left` are to be tried again: the relay
    was not to be had, or somebody else is at it.
    """

    sent: int = 0
    refused: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A run with its campaign, and who is to be told of it."""

    run: Row[Any]
    campaign: Row[Any]
    brand: Brand
    addresses: Sequence[str]


class CampaignMails:
    """Writes to those whom a plan names in `tell_when_done`; own transactions."""

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        *,
        books: RulebookHolder,
        senders: Callable[[], Mapping[str, Sender]],
        public_url: str,
        only: AllowList | None = None,
    ) -> None:
        """Take the `senders` that there are, and who may get anything at all (None: everybody)."""
        self._sessions = sessions
        self._clock = clock
        self._books = books
        self._senders = senders
        self._public_url = public_url
        self._only = only

    async def summarise(self, run_id: str) -> Summary:
        """Write to everybody who has not been written to of this run; call it until none is `left`.

        Of a rehearsed run nobody is written to, nor where no relay is set up.

        Raises:
            NotFoundError: There is no such run.
        """
        async with self._sessions() as tx:
            one = await _find(tx, run_id)
        sender = self._sender()
        if not one.addresses:
            return Summary()
        if one.campaign.simulated or sender is None:
            return Summary(refused=len(one.addresses))
        mail = await self._compose(one)
        ends = [await self._tell(one, place, mail, sender) for place in range(len(one.addresses))]
        return Summary(
            sent=ends.count("sent"), refused=ends.count("refused"), left=ends.count("left")
        )

    def _sender(self) -> Sender | None:
        mails = (one for one in self._senders().values() if one.channel is Channel.EMAIL)
        return next((one for one in mails if not one.provider.startswith("simulated")), None)

    async def _compose(self, one: _Run) -> Rendered:
        async with self._sessions() as tx, tx.begin():
            await tx.execute(SNAPSHOT)
            said = await campaign_report(
                tx,
                self._books.current,
                one.brand,
                one.campaign.id,
                self._clock.now(),
                run=one.run.number,
            )
        return written(one.brand, one.run.state, said, self._public_url)

    async def _tell(self, one: _Run, place: int, mail: Rendered, sender: Sender) -> str:
        address = self._address(one, place)
        if address is None:
            return "refused"
        async with self._sessions() as tx, tx.begin():
            end = await self._begin(tx, one, place, address)
        if end:
            return end
        answer = await sender.send(self._message(one, address, mail, sender))
        refused = answer.answer is Answer.REJECTED
        if refused and answer.remedy in (Remedy.RETRY, Remedy.HALT, Remedy.NEXT_ROUTE):
            end = "left"
        else:
            # An ambiguous answer counts as sent: the relay may have it, and nobody can be asked.
            end = "refused" if refused else "sent"
        said = {"answer": answer.answer.value, "code": answer.code, "end": end}
        async with self._sessions() as tx, tx.begin():
            await self._note(tx, one, SENT, {**_which(one, place, address), **said})
        return end

    def _address(self, one: _Run, place: int) -> str | None:
        """Return an address to write to; None if it is none, or nobody there may get anything."""
        try:
            address = normalise(Channel.EMAIL, one.addresses[place], region=one.brand.country)
        except InvalidInputError:
            return None
        if is_magic(Channel.EMAIL, address):
            return None
        admitted = self._only is None or self._only.admits(Channel.EMAIL, address)
        return address if admitted else None

    async def _begin(self, tx: AsyncSession, one: _Run, place: int, address: str) -> str:
        """Note that an address is about to be written to; empty if this caller is to do it."""
        await tx.execute(select(_runs.c.id).where(_runs.c.id == one.run.id).with_for_update())
        which = _which(one, place, address)
        query = (
            select(_entries.c.command, _entries.c.body, _entries.c.at)
            .where(
                _entries.c.campaign_id == one.campaign.id,
                _entries.c.command.in_([BEGUN, SENT]),
                _entries.c.body.contains(which),
            )
            .order_by(_entries.c.id.desc())
            .limit(1)
        )
        last = (await tx.execute(query)).one_or_none()
        if last is not None:
            end = str(last.body.get("end", ""))
            if last.command == SENT and end != "left":
                return end
            if last.command == BEGUN and last.at > self._clock.now() - IN_DOUBT_AFTER:
                return "left"
        await self._note(tx, one, BEGUN, which)
        return ""

    async def _note(
        self, tx: AsyncSession, one: _Run, command: str, body: Mapping[str, object]
    ) -> None:
        await tx.execute(
            insert(_entries).values(
                id=new_id(),
                campaign_id=one.campaign.id,
                command=command,
                by=_BY,
                body=dict(body),
                at=self._clock.now(),
            )
        )

    def _message(self, one: _Run, address: str, mail: Rendered, sender: Sender) -> OutgoingMessage:
        return OutgoingMessage(
            id=_message_id(one.run.id, address),
            attempt=1,
            channel=Channel.EMAIL,
            message_class=MessageClass.SERVICE,
            lane=Lane.BULK,
            sender=sender_of(one.brand, Channel.EMAIL),
            address=address,
            subject=mail.subject,
            text=mail.text,
            topic=_TOPIC,
            validity_s=int(_VALIDITY.total_seconds()),
            expires_at=self._clock.now() + _VALIDITY,
            provider=sender.provider,
            route=sender.provider,
        )


async def _find(tx: AsyncSession, run_id: str) -> _Run:
    run = (await tx.execute(select(_runs).where(_runs.c.id == run_id))).one_or_none()
    if run is None:
        raise NotFoundError("no such run")
    query = select(_campaigns).where(_campaigns.c.id == run.campaign_id)
    campaign = (await tx.execute(query)).one()
    told = campaign.plan.get("tell_when_done") or ()
    return _Run(
        run=run,
        campaign=campaign,
        brand=await read_brand(tx, run.brand_id),
        addresses=tuple(dict.fromkeys(str(one) for one in told)),
    )


def written(brand: Brand, state: str, said: CampaignReport, public_url: str) -> Rendered:
    """Write a summary of a run in the language of the brand's country, times in its zone."""
    totals, sent = said.people.totals, said.messages
    return campaign_mail(
        own_language(brand.country),
        {
            "campaign": {
                "name": said.name,
                "brand": brand.trade_name or brand.name,
                "run": said.run,
                "state": state,
                "began": _moment(said.started_at, brand.timezone),
                "ended": _moment(said.ended_at or said.at, brand.timezone),
            },
            "totals": {name: getattr(totals, name) for name in totals.__slots__},
            "suppressed": [
                {"people": one.people, "reason": one.words or one.reason}
                for one in said.people.suppressed[:_REASONS]
            ],
            "undelivered": [
                {"messages": one.messages, "code": f"{one.code} {one.words}".strip() or "-"}
                for one in sent.undelivered[:_REASONS]
            ],
            "cost": money(sent.cost) or False,
            "to_return": money(sent.to_return) or False,
            "refused": said.annoyance.refused,
            "complained": said.annoyance.complained,
            "report": f"{public_url}/v1/campaigns/{said.campaign}/report?run={said.run}",
        },
    )


def money(amounts: Mapping[str, Decimal]) -> str:
    """Write amounts, each with its currency."""
    return ", ".join(f"{amount:.2f} {currency}" for currency, amount in sorted(amounts.items()))


def _moment(at: datetime | None, zone: str) -> str:
    return "-" if at is None else f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})"


def _which(one: _Run, place: int, address: str) -> dict[str, object]:
    """Say which summary is meant; histories show no whole address."""
    return {"run": one.run.number, "n": place, "to": masked(Channel.EMAIL, address)}


def _message_id(run_id: str, address: str) -> str:
    """Return the same id for the same run and address, whoever asks and however often."""
    digest = sha256(f"{run_id} {address}".encode()).digest()
    return encode(int.from_bytes(digest[:16]))
