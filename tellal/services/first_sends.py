"""The first commercial message to whom the law only takes for one who agreed tells him so.

Law 6563, provisional article 1: customers of before May 2015 count as having agreed (HS_2015) until
they refuse. The first message over each channel says that they are in the database and how to
refuse. It is told again with the next one if that message did not reach a carrier.
"""

import html
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from rules.keyword_files import KeywordBooks, keyword_books
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.consents import Source
from tellal.domain.customers import Brand, ConsentState, Customer
from tellal.domain.keywords import KeywordBook, Part
from tellal.domain.messages import REACHED, MessageState
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow
from tellal.persistence.tables.refusing import FirstSendRow
from tellal.ports import Rendered
from tellal.services.examining import Batch, Wish

_first = table(FirstSendRow)
_messages = table(MessageRow).c

_TOLD = sorted(REACHED | {MessageState.HANDING_OVER})
_WITH_ROOM = frozenset({Channel.SMS, Channel.EMAIL, Channel.PUSH})
"""Channels whose texts are ours to add to; WhatsApp has approved its own word by word."""


def owes_first_notice(customer: Customer, channel: Channel, message_class: MessageClass) -> bool:
    """Say whether a message goes to somebody who never said yes himself."""
    said = customer.consents.get(channel)
    deemed = (
        said is not None and said.state is ConsentState.GRANTED and said.source == Source.HS_2015
    )
    return deemed and message_class is MessageClass.COMMERCIAL and channel in _WITH_ROOM


def first_send_notice(
    book: KeywordBook, language: str, brand: Brand, *, code: str = "", keyword: str = ""
) -> str:
    """Write the line that a first message adds; `code` is a number on which refusals are heard."""
    spoken = book.language(language)
    how = book.how_to_refuse(
        spoken,
        code=code,
        keyword=keyword,
        contact=brand.email or brand.phone,
    )
    return book.parts[Part.FIRST_SEND][spoken].format(how=how)


def with_notice(rendered: Rendered, notice: str) -> Rendered:
    """Add a line to a text, and to its HTML if it has one."""
    shown = rendered.html
    if shown:
        line = f"<p>{html.escape(notice)}</p>"
        body = shown.rpartition("</body>")
        shown = f"{body[0]}{line}{body[1]}{body[2]}" if body[1] else shown + line
    return replace(rendered, text=f"{rendered.text.rstrip()}\n{notice}", html=shown)


class FirstSends:
    """Adds the line where it is owed, and notes it with the intent to send."""

    def __init__(self, books: KeywordBooks | None = None) -> None:
        self._books = books or keyword_books()

    async def told(
        self, tx: AsyncSession, wishes: Sequence[Wish], batch: Batch, at: datetime
    ) -> list[Wish]:
        """Return the messages that are about to leave, those that owe it with the line.

        One message per customer and channel has it; the caller commits the intents with the note.
        """
        owed = {
            (one.row.customer_id, one.row.channel): one
            for one in reversed(wishes)
            if not one.row.simulated and _owes(one, batch)
        }
        if not owed:
            return list(wishes)
        known = (
            select(_first.c.customer_id, _first.c.channel)
            .join(table(MessageRow), _messages.id == _first.c.message_id)
            .where(
                _first.c.customer_id.in_({customer for customer, _ in owed}),
                _messages.state.in_(_TOLD),
            )
        )
        told = {(row.customer_id, row.channel) for row in await tx.execute(known)}
        new = {one.row.id: key for key, one in owed.items() if key not in told}
        for message_id, (customer_id, channel) in new.items():
            fresh = pg_insert(_first).values(
                customer_id=customer_id, channel=channel, message_id=message_id, at=at
            )
            await tx.execute(
                fresh.on_conflict_do_update(
                    index_elements=["customer_id", "channel"],
                    set_={"message_id": message_id, "at": at},
                )
            )
        return [self._with_line(one, batch) if one.row.id in new else one for one in wishes]

    def _with_line(self, wish: Wish, batch: Batch) -> Wish:
        brand = batch.brands[wish.row.brand_id]
        heard = batch.senders[brand.id].heard_at if wish.row.channel == Channel.SMS else None
        notice = first_send_notice(
            self._books.of(brand.country),
            wish.row.language,
            brand,
            code=heard.code if heard else "",
            keyword=heard.keyword if heard else "",
        )
        return replace(wish, rendered=with_notice(wish.rendered, notice))


def _owes(wish: Wish, batch: Batch) -> bool:
    row = wish.row
    customer = batch.customers[row.customer_id]
    return owes_first_notice(customer, Channel(row.channel), MessageClass(row.message_class))
