"""Words that people write to our numbers: ONAY, RET and their like, heard, answered and kept.

What a word changes, what it stops and its answer are one transaction with the note that it came: a
carrier that brings it again changes nothing. A refusal asks for no reason.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from rules.keyword_files import KeywordBooks
from tellal.addresses import country_of, mobile_number
from tellal.clock import Clock
from tellal.domain.channels import Channel
from tellal.domain.consents import ConsentChannel, Source
from tellal.domain.customers import Brand, ConsentState, Customer
from tellal.domain.errors import InvalidInputError
from tellal.domain.keywords import Heard, Inbound, KeywordBook, Meaning, ReplyKind, hear, matching
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand, lock_customer, lock_customer_by_id
from tellal.persistence.tables.brands import BrandRow, ShortCodeRow
from tellal.persistence.tables.customers import ContactPointRow, CustomerRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.persistence.tables.refusing import ConfirmationRow, InboundEffectRow, InboundRow
from tellal.services.asking import Circumstances
from tellal.services.confirmation_duty import DUE, POSTED
from tellal.services.consents import ConsentInput, Consents
from tellal.services.customers import REMOVED, Contact, CustomerInput, Customers
from tellal.services.deciding import Deciding
from tellal.services.entries import Matter
from tellal.services.refusals import unsent_promotions

_brands = table(BrandRow).c
_codes = table(ShortCodeRow).c
_customers = table(CustomerRow).c
_points = table(ContactPointRow).c
_messages = table(MessageRow).c
_inbound = table(InboundRow)
_effects = table(InboundEffectRow)
_confirmations = table(ConfirmationRow)

REPLY = "keyword_reply"
"""The topic of automatic answers."""

_DAY = timedelta(hours=24)
_SHOWN_AT_MOST = 4
"""How many keywords an answer names."""
_LONGEST_NAME = 40
_PLAIN_NUMBER = re.compile(r"\+?[0-9]{3,15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a word did for one customer of a brand."""

    brand: Brand
    customer: Customer
    did: str
    cancelled: int = 0
    consent_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What came of a text: what it does, for whom, and what became of the answer."""

    does: Meaning
    effects: Sequence[Effect]
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """Who is heard on a number: brands by their keyword, `own` if it is one brand's alone."""

    brands: Mapping[str, Brand]
    own: Brand | None = None

    def meant(self, heard: Heard) -> list[Brand]:
        """Return the brands that a text names, or to which the number belongs."""
        named = matching(heard.keyword, self.brands) if heard.keyword else []
        return named or ([self.own] if self.own else [])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Talk:
    """A text that means something, and what is needed to answer it."""

    inbound_id: str
    said: Inbound
    heard: Heard
    book: KeywordBook
    line: _Line


class KeywordDesk:
    """Hears words and does what they say."""

    def __init__(
        self,
        books: KeywordBooks,
        deciding: Deciding,
        customers: Customers,
        consents: Consents,
        clock: Clock,
    ) -> None:
        self._books = books
        self._deciding = deciding
        self._customers = customers
        self._consents = consents
        self._clock = clock

    async def take(
        self, tx: AsyncSession, said: Inbound, only: Brand | None = None
    ) -> Worked | None:
        """Work in a text; None if it means nothing, comes from no phone, or came before.

        `only` is the brand on whose word it comes: nobody else's customers are touched.
        """
        number = _phone(said.sender)
        line = await _line(tx, said, only)
        if not number:
            # Short numbers and names are machines; whoever answers them begins a loop.
            return None
        said = replace(said, sender=number)
        first = line.own or next(iter(line.brands.values()), None)
        book = self._books.of(first.country if first else country_of(number))
        heard = hear(said.text, book.lexicon, list(line.brands))
        if heard is None:
            return None
        # What a number writes is worked in one at a time, or several answers would pass the limit.
        turn = func.pg_advisory_xact_lock(func.hashtext(f"inbound:{number}"))
        await tx.execute(select(turn))
        inbound_id = await self._note(tx, said, heard)
        if inbound_id is None:
            return None
        brands = line.meant(heard)
        clear = bool(brands)
        if not clear:
            brands = await _who_wrote_to(tx, said, line, only)
            if not brands and heard.does is not Meaning.REFUSE:
                # Nobody has written to him: the first on the number answers, and changes nothing.
                brands = list(line.brands.values())[:1]
        effects = await self._apply(tx, said, heard, brands, clear=clear)
        for one in effects:
            await tx.execute(
                insert(_effects).values(
                    id=new_id(),
                    inbound_id=inbound_id,
                    brand_id=one.brand.id,
                    customer_id=one.customer.id,
                    did=one.did,
                    consent_id=one.consent_id,
                    cancelled=one.cancelled,
                    received_at=self._clock.now(),
                )
            )
        talk = _Talk(inbound_id=inbound_id, said=said, heard=heard, book=book, line=line)
        answer = await self._answer(tx, talk, effects)
        await tx.execute(update(_inbound).where(_inbound.c.id == inbound_id).values(answer=answer))
        return Worked(does=heard.does, effects=effects, answer=answer)

    async def _note(self, tx: AsyncSession, said: Inbound, heard: Heard) -> str | None:
        """Note that a text came; None if it came before."""
        fresh = pg_insert(_inbound).values(
            id=new_id(),
            provider=said.provider,
            reference=said.reference,
            channel=said.channel.value,
            sender=said.sender,
            recipient=said.recipient,
            text=said.text,
            does=heard.does.value,
            keyword=heard.keyword,
            received_at=self._clock.now(),
        )
        made = await tx.execute(fresh.on_conflict_do_nothing().returning(_inbound.c.id))
        inbound_id: str | None = made.scalar_one_or_none()
        return inbound_id

    async def _apply(
        self,
        tx: AsyncSession,
        said: Inbound,
        heard: Heard,
        brands: Sequence[Brand],
        *,
        clear: bool,
    ) -> list[Effect]:
        """Do for each brand what the word says; agreement that names nobody changes nothing."""
        effects = []
        if heard.does is Meaning.GRANT and not clear:
            brands = brands[:1]
        for brand in brands:
            people = await _people(tx, brand, said)
            if not people:
                people = [await self._made_known(tx, brand, said, heard)]
            for ref in people:
                customer = await lock_customer(tx, brand.id, ref)
                if heard.does is Meaning.REFUSE:
                    effects.append(await self._refuse(tx, brand, customer, said))
                elif heard.does is Meaning.GRANT and clear:
                    effects.append(await self._grant(tx, brand, customer, said))
                else:
                    effects.append(Effect(brand=brand, customer=customer, did="asked"))
        return effects

    async def _refuse(
        self, tx: AsyncSession, brand: Brand, customer: Customer, said: Inbound
    ) -> Effect:
        channel = ConsentChannel(said.channel.value)
        cancelled = await unsent_promotions(tx, customer.id, said.channel)
        known = customer.consents.get(said.channel)
        consent_id = None
        if known is None or known.state is not ConsentState.REFUSED:
            consent_id = await self._record(tx, brand, customer, said, ConsentState.REFUSED)
        else:
            await self._consents.stop_if_refused(tx, customer.id, channel)
        return Effect(
            brand=brand,
            customer=customer,
            did="refused",
            cancelled=cancelled,
            consent_id=consent_id,
        )

    async def _grant(
        self, tx: AsyncSession, brand: Brand, customer: Customer, said: Inbound
    ) -> Effect:
        known = customer.consents.get(said.channel)
        # Who is only taken for one who agreed has agreed now, and whose grant ends, anew.
        stands = (
            known is not None
            and known.state is ConsentState.GRANTED
            and known.source != Source.HS_2015
            and known.valid_until is None
        )
        consent_id = None
        if not stands:
            consent_id = await self._record(tx, brand, customer, said, ConsentState.GRANTED)
        return Effect(brand=brand, customer=customer, did="granted", consent_id=consent_id)

    async def _record(
        self,
        tx: AsyncSession,
        brand: Brand,
        customer: Customer,
        said: Inbound,
        state: ConsentState,
    ) -> str:
        record = await self._consents.record(
            tx,
            brand=brand,
            ref=customer.ref,
            said=ConsentInput(
                channel=ConsentChannel(said.channel.value),
                state=state,
                source=Source.HS_MESAJ.value,
                address=said.sender,
                evidence={
                    "text": said.text,
                    "number": said.sender,
                    "to": said.recipient,
                    "provider": said.provider,
                    "message": said.reference,
                },
            ),
            by="keywords",
        )
        return record.id

    async def _made_known(self, tx: AsyncSession, brand: Brand, said: Inbound, heard: Heard) -> str:
        """Make a number known to a brand; its name says nothing of whose it is."""
        ref = f"wrote-{new_id().lower()}"
        book = self._books.of(brand.country)
        await self._customers.put(
            tx,
            brand=brand,
            ref=ref,
            said=CustomerInput(
                locale=heard.language or book.languages[0],
                contacts=[Contact(channel=said.channel, address=said.sender)],
            ),
        )
        return ref

    async def _answer(self, tx: AsyncSession, talk: _Talk, effects: Sequence[Effect]) -> str:
        """Answer once, on behalf of the brand that wrote to him last; say what became of it."""
        said = talk.said
        if said.answered:
            return "carrier"
        if not effects or REPLY not in self._deciding.asking.book.topics:
            return "none"
        if await self._answered_lately(tx, said.sender) >= talk.book.replies_a_day:
            return "capped"
        first = effects[0]
        language = talk.book.language(first.customer.locale, talk.heard.language)
        text = _words(talk, language, effects)
        customer = await lock_customer_by_id(tx, first.customer.id)
        written = [one for one in customer.contact_points if one.address == said.sender]
        others = [one for one in customer.contact_points if one not in written]
        decided = await self._deciding.decide(
            tx,
            first.brand,
            replace(customer, locale=language, contact_points=(*written, *others)),
            Matter(
                topic=REPLY,
                cause_kind="inbound",
                cause_key=f"inbound:{talk.inbound_id}",
                variables={"reply": {"text": text}},
                around=Circumstances(document={}, unplanned=frozenset(Channel) - {said.channel}),
                workflow_id="",
            ),
        )
        if decided.posted is None:
            return decided.decision.reasons[0].code if decided.decision.reasons else "none"
        message_id = decided.posted.message_id
        mine = (_effects.c.inbound_id == talk.inbound_id) & (
            _effects.c.customer_id == first.customer.id
        )
        await tx.execute(update(_effects).where(mine).values(message_id=message_id))
        if first.consent_id is not None and first.did == "granted":
            # The answer is the confirmation: over that channel, and with a way to refuse.
            due = (_confirmations.c.consent_id == first.consent_id) & (
                _confirmations.c.state == DUE
            )
            change = update(_confirmations).where(due)
            await tx.execute(change.values(state=POSTED, message_id=message_id))
        return "sent"

    async def _answered_lately(self, tx: AsyncSession, number: str) -> int:
        since: datetime = self._clock.now() - _DAY
        query = select(func.count()).where(
            _inbound.c.sender == number,
            _inbound.c.received_at > since,
            _inbound.c.answer == "sent",
        )
        return int((await tx.execute(query)).scalar_one())


def _words(talk: _Talk, language: str, effects: Sequence[Effect]) -> str:
    """Write the answer, without a word of promotion."""
    book, line, said = talk.book, talk.line, talk.said
    names = ", ".join(dict.fromkeys(_name(one.brand) for one in effects))
    first = effects[0]
    how = book.how_to_refuse(
        language,
        code=said.recipient if _PLAIN_NUMBER.fullmatch(said.recipient) else "",
        keyword=_keyword_of(line, first.brand),
        contact=first.brand.email or first.brand.phone,
    )
    match first.did:
        case "refused":
            return book.replies[ReplyKind.REFUSED][language].format(brand=names)
        case "granted":
            return book.replies[ReplyKind.GRANTED][language].format(brand=names, how=how)
        case _:
            if talk.heard.does is Meaning.GRANT:
                yes = " / ".join(
                    book.how_to_agree(language, name) for name in _shown(line, first.brand)
                )
                return book.replies[ReplyKind.WHICH][language].format(words=yes)
            contact = first.brand.phone or first.brand.email
            return book.replies[ReplyKind.HELP][language].format(
                brand=names, contact=contact, how=how
            )


def _shown(line: _Line, first: Brand) -> list[str]:
    """Return the keywords that an answer names, the one of its own brand first."""
    mine = [name for name, brand in line.brands.items() if brand.id == first.id]
    others = [name for name in line.brands if name not in mine]
    return [*mine, *others][:_SHOWN_AT_MOST]


def _keyword_of(line: _Line, brand: Brand) -> str:
    if line.own is not None:
        return ""
    return next((name for name, one in line.brands.items() if one.id == brand.id), "")


def _name(brand: Brand) -> str:
    return (brand.trade_name or brand.name)[:_LONGEST_NAME]


def _phone(sender: str) -> str:
    """Return a phone's number in E.164, empty for what is none."""
    if not sender.startswith("+"):
        return ""
    try:
        return mobile_number(sender, region="TR")
    except InvalidInputError:
        return ""


async def _line(tx: AsyncSession, said: Inbound, only: Brand | None) -> _Line:
    """Say who is heard on the number to which a text was written."""
    code = said.recipient.removeprefix("+")
    rows = await tx.execute(
        select(_codes.keyword, _codes.brand_id).where(_codes.code == code).order_by(_codes.keyword)
    )
    listed = [(row.keyword, row.brand_id) for row in rows]
    sender = _brands.whatsapp_sender if said.channel is Channel.WHATSAPP else _brands.sms_sender
    if not listed and said.recipient:
        spoken = or_(sender == said.recipient, sender == f"+{code}", sender == code)
        named = await tx.execute(
            select(_brands.name, _brands.id).where(spoken).order_by(_brands.id)
        )
        rows_of_number = named.all()
        alone = len(rows_of_number) == 1
        listed = [("" if alone else row.name, row.id) for row in rows_of_number]
    brands: dict[str, Brand] = {}
    own = None
    for keyword, brand_id in listed:
        if only is not None and brand_id != only.id:
            continue
        brand = await read_brand(tx, brand_id)
        if keyword:
            brands[keyword] = brand
        else:
            own = brand
            brands[brand.name] = brand
    return _Line(brands=brands, own=own)


async def _who_wrote_to(
    tx: AsyncSession, said: Inbound, line: _Line, only: Brand | None
) -> list[Brand]:
    """Return the brands that wrote to a phone through a number, who wrote last first.

    Of a number that nobody has named in his profile, these are all that ever wrote to him.
    """
    query = (
        select(_messages.brand_id, func.max(_messages.id).label("last"))
        .join(table(ContactPointRow), _points.id == _messages.contact_point_id)
        .where(
            func.lower(_points.address) == said.sender,
            _points.brand_id.in_(select(_brands.id)),
            _messages.channel == said.channel.value,
            _messages.attempt > 0,
        )
        .group_by(_messages.brand_id)
        .order_by(func.max(_messages.id).desc())
    )
    listed = {brand.id for brand in line.brands.values()}
    if only is not None:
        listed = {only.id}
    wrote = [row.brand_id for row in await tx.execute(query)]
    chosen = [one for one in wrote if not listed or one in listed]
    return [await read_brand(tx, one) for one in chosen]


async def _people(tx: AsyncSession, brand: Brand, said: Inbound) -> list[str]:
    """Return the brand's names of whoever has the number on the channel."""
    query = (
        select(_customers.id, _customers.ref)
        .join(table(ContactPointRow), _points.customer_id == _customers.id)
        .where(
            _points.brand_id == brand.id,
            func.lower(_points.address) == said.sender,
            _points.channel == said.channel.value,
            _points.bad_reason != REMOVED,
        )
        .order_by(_customers.id)
    )
    return list(dict.fromkeys(row.ref for row in await tx.execute(query)))
