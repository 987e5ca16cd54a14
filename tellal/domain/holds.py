"""Holds: messages that must not leave for now, by what they are and how they would leave."""

from dataclasses import dataclass
from datetime import datetime

from tellal.domain.channels import MessageClass
from tellal.domain.errors import InvalidInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldScope:
    """What a hold covers within a brand; an empty part means any.

    `template` names one text, `<topic>/<channel>.<language>`. Mandatory messages are covered only
    where `mandatory` says so.
    """

    topic: str = ""
    template: str = ""
    message_class: str = ""
    channel: str = ""
    route: str = ""
    mandatory: bool = False

    def takes_in(
        self, *, topic: str, template: str, message_class: str, channel: str, route: str
    ) -> bool:
        """Say whether a message falls under the scope.

        `template` is the text that would speak, `route` the one that it would take: empty as long
        as it is not chosen, and then a scope that names a route does not take it in.
        """
        if message_class == MessageClass.MANDATORY and not self.mandatory:
            return False
        return all(
            wanted in ("", found)
            for wanted, found in (
                (self.topic, topic),
                (self.template, template),
                (self.message_class, message_class),
                (self.channel, channel),
                (self.route, route),
            )
        )

    @property
    def by_route(self) -> bool:
        """Whether it names a route, which is chosen only when a message is claimed."""
        return bool(self.route)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(HoldScope):
    """A hold as it was placed: by whom and why, and by whom it was released."""

    id: str
    brand_id: str
    reason: str
    placed_by: str
    placed_at: datetime
    released_at: datetime | None = None
    released_by: str = ""

    @property
    def in_force(self) -> bool:
        """Whether it has not been released."""
        return self.released_at is None

    def covers(
        self,
        *,
        brand_id: str,
        topic: str,
        template: str,
        message_class: str,
        channel: str,
        route: str = "",
    ) -> bool:
        """Say whether the hold keeps a message back; see `HoldScope.takes_in`."""
        return (
            self.in_force
            and brand_id == self.brand_id
            and self.takes_in(
                topic=topic,
                template=template,
                message_class=message_class,
                channel=channel,
                route=route,
            )
        )


def template_parts(template: str) -> tuple[str, str, str]:
    """Take `<topic>/<channel>.<language>` apart.

    Raises:
        InvalidInputError: It is not written so.
    """
    topic, slash, rest = template.rpartition("/")
    channel, dot, language = rest.partition(".")
    if not (slash and dot and topic and channel and language):
        raise InvalidInputError(
            f"{template!r} names no text",
            field="template",
            hint="write <topic>/<channel>.<language>, as in phishing_awareness/sms.tr",
        )
    return topic, channel, language
