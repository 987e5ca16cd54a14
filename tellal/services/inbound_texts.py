"""What people write to our numbers, whichever carrier brings it."""

from tellal.domain.keywords import Inbound
from tellal.persistence.session import Sessions
from tellal.services.keywords import KeywordDesk
from tellal.services.replies import Replies


class InboundTexts:
    """Asks in turn who understands a text, within one transaction."""

    def __init__(self, sessions: Sessions, replies: Replies, keywords: KeywordDesk) -> None:
        self._sessions = sessions
        self._replies = replies
        self._keywords = keywords

    async def take(self, said: Inbound) -> None:
        """Work a text in: somebody is still without supply, or writes ONAY, RET and their like."""
        async with self._sessions() as tx, tx.begin():
            heard = await self._replies.take(
                tx, sender=said.sender, text=said.text, reference=said.reference
            )
            if not heard:
                await self._keywords.take(tx, said)
