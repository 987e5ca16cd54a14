"""Blocks: addresses that nobody writes to, and whose word that is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tellal.domain.channels import MessageClass


class BlockOrigin(StrEnum):
    """Who wants it: the institution (a recycled number, a death, a court's order) or the person."""

    INSTITUTION = "institution"
    CUSTOMER = "customer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One entry of a brand's black list; an address may have several, each lifted on its own."""

    id: str
    brand_id: str
    address: str
    origin: BlockOrigin
    reason: str
    until: datetime | None
    placed_by: str
    placed_at: datetime
    lifted_at: datetime | None = None
    lifted_by: str = ""

    def in_force(self, at: datetime) -> bool:
        """Say whether it is neither lifted nor over at an instant."""
        return self.lifted_at is None and (self.until is None or at < self.until)

    def stops(self, message_class: MessageClass) -> bool:
        """Say whether it stops messages of a class.

        What the law orders to be told reaches a person who wants to hear nothing; it does not
        reach an address that is not his (any more).
        """
        return self.origin is BlockOrigin.INSTITUTION or message_class != MessageClass.MANDATORY


def strictest(blocks: Iterable[Block]) -> Block | None:
    """Return the block that stops most; the oldest of those."""
    return min(
        blocks, key=lambda one: (one.origin is not BlockOrigin.INSTITUTION, one.id), default=None
    )
