"""Which consents are to be confirmed to the person, and until when.

Regulation on commercial electronic messages (15.07.2015/29417), article 7: an electronic consent is
confirmed over the channel, with a way to refuse, on the day on which it was given.
"""

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.consents import ELECTRONIC, ConsentRecord, confirm_by
from tellal.domain.customers import ConsentState
from tellal.persistence.columns import table
from tellal.persistence.tables.refusing import ConfirmationRow

_confirmations = table(ConfirmationRow)

DUE, POSTED, CONFIRMED, TAKEN_BACK = "due", "posted", "confirmed", "taken_back"


async def note_duty(tx: AsyncSession, record: ConsentRecord, timezone: str) -> bool:
    """Note that a record is to be confirmed, if it is; `timezone` is the brand's.

    History whose time to be confirmed was over when it was written down is not: whoever took the
    consent had to.
    """
    electronic = record.state is ConsentState.GRANTED and record.source in ELECTRONIC
    until = confirm_by(record.given_at, timezone)
    if not electronic or until <= record.recorded_at:
        return False
    await tx.execute(
        insert(_confirmations).values(
            consent_id=record.id,
            brand_id=record.brand_id,
            customer_id=record.customer_id,
            channel=record.channel.value,
            confirm_by=until,
            state=DUE,
        )
    )
    return True
