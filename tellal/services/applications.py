"""Takes in what applicants write: whoever writes becomes known, and it becomes a case."""

from dataclasses import dataclass

from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.addresses import folded, normalise
from tellal.clock import Clock
from tellal.domain.applications import Application
from tellal.domain.customers import Brand
from tellal.domain.errors import NotFoundError
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ContactPointRow, CustomerRow
from tellal.persistence.tables.intake import ApplicationRow
from tellal.persistence.tables.operations import CaseRow
from tellal.services.cases import Cases
from tellal.services.customers import REMOVED, Contact, CustomerInput, Customers
from tellal.services.shown_notices import NoticeInput, ShownNotices

_applications = table(ApplicationRow)
_cases = table(CaseRow)
_customers = table(CustomerRow)
_points = table(ContactPointRow)

NEWCOMER = "applicant:"
"""How the reference of a customer begins whom nobody knew before he applied."""

_LOCALES = {"tr": "tr-TR", "pl": "pl-PL", "en": "en-GB"}
_IN_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended(:address, 20))")
"""One application of an address at a time: two at once would make two customers of one person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of an application; a `repeat` is one that was there already."""

    number: str
    tracking_code: str
    repeat: bool


class Applications:
    """Opens cases for applicants; whether one is known is told to nobody."""

    def __init__(
        self, cases: Cases, customers: Customers, notices: ShownNotices, clock: Clock
    ) -> None:
        self._cases = cases
        self._customers = customers
        self._notices = notices
        self._clock = clock

    async def take(
        self,
        tx: AsyncSession,
        brand: Brand,
        intake: str,
        said: Application,
        *,
        by: str,
        notice: NoticeInput | None = None,
    ) -> Taken:
        """Open a case over an intake channel, once for each reference.

        The notice is recorded as shown to whoever applies.

        Raises:
            InvalidInputError: The address is none.
            ConflictError: The intake channel is switched off.
        """
        address = normalise(said.channel, said.address, region=brand.country)
        await tx.execute(_IN_TURN, {"address": f"{brand.id}/{folded(said.channel, address)}"})
        known = await self._known(tx, brand, intake, said.reference)
        if known is not None:
            return known
        ref = await self._applicant(tx, brand, said, address)
        case = await self._cases.open(
            tx, brand=brand, customer_ref=ref, channel=intake, subject=said.subject, by=by
        )
        query = select(_cases.c.customer_id, _cases.c.tracking_code).where(_cases.c.id == case.id)
        row = (await tx.execute(query)).one()
        await tx.execute(
            insert(_applications).values(
                id=new_id(),
                brand_id=brand.id,
                customer_id=row.customer_id,
                case_id=case.id,
                channel=intake,
                reference=said.reference,
                text=said.text,
                attachments=[dict(one) for one in said.attachments],
                received_at=self._clock.now(),
            )
        )
        if notice is not None:
            await self._notices.record(tx, brand.id, ref, notice, by=by)
        return Taken(number=case.number, tracking_code=row.tracking_code or "", repeat=False)

    async def _known(
        self, tx: AsyncSession, brand: Brand, intake: str, reference: str
    ) -> Taken | None:
        query = (
            select(_cases.c.number, _cases.c.tracking_code)
            .join(_applications, _applications.c.case_id == _cases.c.id)
            .where(
                _applications.c.brand_id == brand.id,
                _applications.c.channel == intake,
                _applications.c.reference == reference,
            )
        )
        row = (await tx.execute(query)).one_or_none()
        if row is None:
            return None
        return Taken(number=row.number, tracking_code=row.tracking_code or "", repeat=True)

    async def _applicant(
        self, tx: AsyncSession, brand: Brand, said: Application, address: str
    ) -> str:
        """Return the brand's reference of whoever has an address; whom nobody knows becomes known.

        If several people share it nobody can say which of them writes, so it is somebody new.
        """
        query = (
            select(_customers.c.ref)
            .join(_points, _points.c.customer_id == _customers.c.id)
            .where(
                _points.c.brand_id == brand.id,
                func.lower(_points.c.address) == address.lower(),
                _points.c.channel == said.channel.value,
                _points.c.bad_reason != REMOVED,
                _customers.c.erased_at.is_(None),
            )
            .distinct()
        )
        refs: list[str] = list((await tx.execute(query)).scalars())
        ours = [ref for ref in refs if ref.startswith(NEWCOMER)]
        if len(refs) == 1 or ours:
            return min(ours) if ours and len(refs) > 1 else refs[0]
        ref = f"{NEWCOMER}{new_id()}"
        newcomer = CustomerInput(
            locale=_LOCALES.get(said.language, _LOCALES["en"]),
            contacts=[Contact(channel=said.channel, address=address)],
        )
        await self._customers.put(tx, brand=brand, ref=ref, said=newcomer)
        return ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What an applicant wrote, for the officer who reads his case."""

    channel: str
    text: str
    attachments: list[dict[str, str]]


async def written(tx: AsyncSession, brand_id: str, number: str) -> Written:
    """Read what the applicant of a case wrote himself.

    Raises:
        NotFoundError: The brand has no such case, or somebody else wrote it down.
    """
    query = (
        select(_applications.c.channel, _applications.c.text, _applications.c.attachments)
        .join(_cases, _cases.c.id == _applications.c.case_id)
        .where(_cases.c.brand_id == brand_id, _cases.c.number == number)
    )
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError(f"nobody wrote the case {number!r} himself")
    return Written(channel=row.channel, text=row.text, attachments=row.attachments)
