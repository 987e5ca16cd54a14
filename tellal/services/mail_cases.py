"""Makes cases of mails that people write to a brand."""

from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.applications import Application
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.mails import Became, read_mail
from tellal.services.applications import Applications
from tellal.services.brands import find_brand
from tellal.settings import MailboxSettings
from templates.status.words import language_of

BY = "mailbox"
"""Who opens cases of mails, as histories show it."""


class MailCases:
    """Reads the mailbox of one brand."""

    def __init__(self, settings: MailboxSettings, applications: Applications) -> None:
        self._settings = settings
        self._applications = applications
        self._brand: Brand | None = None

    async def prepare(self, tx: AsyncSession) -> None:
        """Look the brand up.

        Raises:
            NotFoundError: There is no such brand.
        """
        self._brand = await find_brand(tx, self._settings.brand)

    async def take(self, tx: AsyncSession, raw: bytes) -> Became:
        """Make a case of a mail that a person wrote.

        Raises:
            MalformedMailError: It cannot be read, or does not say who writes.
            InvalidInputError: It comes from an address to which no mail can go.
        """
        mail = read_mail(raw)
        brand = self._brand or await find_brand(tx, self._settings.brand)
        ours = {brand.email.lower(), brand.email_sender.lower(), self._settings.username.lower()}
        if mail.automatic or mail.sender.lower() in ours:
            return Became.IGNORED
        said = Application(
            channel=Channel.EMAIL,
            address=mail.sender,
            subject=mail.subject,
            text=mail.text,
            language=language_of("", "", brand.country),
            reference=mail.reference,
            attachments=mail.attachments,
        )
        taken = await self._applications.take(tx, brand, self._settings.channel, said, by=BY)
        return Became.REPEAT if taken.repeat else Became.CASE
