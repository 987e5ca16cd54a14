"""Works in mails that came back: what failed, what arrived, and who said that it is spam.

Nothing is answered, so there are no loops. What failed goes through the inbox of receipts: it may
come twice, late, or before the relay's own answer is on disk.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from rules.holder import RulebookHolder
from tellal import metrics
from tellal.clock import Clock
from tellal.domain.bounces import Report, Said, read_report
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.consents import Source
from tellal.domain.errors import InvalidInputError
from tellal.domain.mail_statuses import meaning_of
from tellal.domain.mails import Became
from tellal.domain.messages import MessageState, Receipt
from tellal.domain.return_paths import Attempt, ReturnPaths
from tellal.persistence.columns import table
from tellal.persistence.people import lock_customer_by_id
from tellal.persistence.tables.customers import ComplaintRow, ContactPointRow, CustomerRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.services.complaints import ComplaintInput, Complaints
from tellal.services.progress import Progress
from tellal.services.receipt_inbox import keep
from tellal.services.refusals import Refused, refuse_channel
from tellal.settings import Settings

_complaints = table(ComplaintRow).c
_customers = table(CustomerRow).c
_messages = table(MessageRow).c
_points = table(ContactPointRow).c

SOURCE = Source.FEEDBACK_LOOP.value
"""Where complaints and refusals come from that a mailbox provider tells of."""

_STATES = {
    Said.FAILED: MessageState.UNDELIVERED,
    Said.DELIVERED: MessageState.DELIVERED,
    Said.RELAYED: MessageState.SENT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What a mail that came back meant; `message_id` is None if it speaks of none of ours."""

    said: Said
    message_id: str | None = None
    code: str = ""
    fault: str = ""


class Bounces:
    """Works mails in, each in its caller's transaction."""

    def __init__(
        self,
        paths: ReturnPaths | None,
        *,
        complaints: Complaints,
        progress: Progress,
        clock: Clock,
    ) -> None:
        self._paths = paths
        self._complaints = complaints
        self._progress = progress
        self._clock = clock

    async def take(
        self, tx: AsyncSession, raw: bytes, *, to: str = "", brand_id: str | None = None
    ) -> Worked:
        """Work a mail in. `to` is to whom it came, if that is known besides.

        With a `brand_id`, another brand's mails are nobody's.

        Raises:
            MalformedBounceError: It is no mail.
            InvalidInputError: Mails have no return addresses here.
        """
        if self._paths is None:
            raise InvalidInputError(
                "mails have no return addresses here",
                hint="set TELLAL_SMTP__BOUNCES__ADDRESS and TELLAL_SMTP__BOUNCES__SECRET",
            )
        report = read_report(raw)
        attempt = self._paths.find("\n".join([to, *report.addresses]))
        message = None if attempt is None else await _message(tx, attempt, brand_id)
        if attempt is None or message is None:
            metrics.bounce_read("unplaced", "")
            return Worked(said=Said.NOTHING)
        fault = meaning_of(report.code).fault.value if report.said is Said.FAILED else ""
        metrics.bounce_read(report.said.value, fault)
        if report.said is Said.COMPLAINT:
            await self._complained(tx, message)
        elif report.said in _STATES:
            await keep(tx, [self._receipt(report, attempt, message)])
        return Worked(said=report.said, message_id=message.id, code=report.code, fault=fault)

    def _receipt(self, report: Report, attempt: Attempt, message: Row[Any]) -> Receipt:
        failed = report.said is Said.FAILED
        return Receipt(
            provider=message.provider,
            reference="",
            message_id=message.id,
            state=_STATES[report.said],
            code=report.code,
            remedy=meaning_of(report.code).remedy if failed else None,
            received_at=self._clock.now(),
            attempt=attempt.number,
        )

    async def _complained(self, tx: AsyncSession, message: Row[Any]) -> None:
        """Silence the topic for whoever calls it spam; promotions by mail altogether."""
        customer = await lock_customer_by_id(tx, message.customer_id)
        before = select(_complaints.id).where(
            _complaints.message_id == message.id, _complaints.source == SOURCE
        )
        if (await tx.execute(before.limit(1))).scalar_one_or_none() is not None:
            return
        said = ComplaintInput(customer=customer.ref, source=SOURCE, message_id=message.id)
        await self._complaints.file(tx, message.brand_id, said, by=SOURCE)
        if message.message_class == MessageClass.COMMERCIAL:
            refused = Refused(
                channel=Channel.EMAIL,
                address=message.address or "",
                source=SOURCE,
                message_id=message.id,
            )
            await refuse_channel(tx, self._progress, customer, refused, self._clock.now())


class BounceReader:
    """Reads the mailbox to which mails come back, of all brands."""

    def __init__(self, bounces: Bounces) -> None:
        self._bounces = bounces

    async def prepare(self, tx: AsyncSession) -> None:
        """Need nothing."""

    async def take(self, tx: AsyncSession, raw: bytes) -> Became:
        """Work a mail in; what says nothing of ours is ignored.

        Raises:
            MalformedBounceError: It is no mail.
        """
        worked = await self._bounces.take(tx, raw)
        return Became.IGNORED if worked.said is Said.NOTHING else Became.BOUNCE


def bounces(settings: Settings, books: RulebookHolder, progress: Progress, clock: Clock) -> Bounces:
    """Return what works in the mails that come back to an installation."""
    return Bounces(
        settings.smtp.bounces.paths,
        complaints=Complaints(books, progress, clock),
        progress=progress,
        clock=clock,
    )


async def _message(tx: AsyncSession, attempt: Attempt, brand_id: str | None) -> Row[Any] | None:
    """Return the mail of an attempt that was made, None if there is none."""
    query: Select[Any] = (
        select(
            _messages.id,
            _messages.brand_id,
            _messages.customer_id,
            _messages.message_class,
            _messages.provider,
            _points.address,
        )
        .outerjoin(table(ContactPointRow), _points.id == _messages.contact_point_id)
        .where(
            _messages.id == attempt.message_id,
            _messages.channel == Channel.EMAIL.value,
            _messages.attempt >= attempt.number,
        )
    )
    if brand_id is not None:
        query = query.where(_messages.brand_id == brand_id)
    found: Row[Any] | None = (await tx.execute(query)).one_or_none()
    return found
