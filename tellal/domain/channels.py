"""Channels, classes of message and lanes: the closed sets that everything else speaks of."""

from enum import StrEnum


class Channel(StrEnum):
    """A way to reach a person. A banner is shown by the surface that he is on, a call reads out."""

    SMS = "sms"
    EMAIL = "email"
    PUSH = "push"
    WHATSAPP = "whatsapp"
    CALL = "call"
    BANNER = "banner"


BY_NUMBER = frozenset({Channel.SMS, Channel.WHATSAPP, Channel.CALL})
"""Channels whose addresses are phone numbers, which belong to a country."""


class MessageClass(StrEnum):
    """The legal class of a message; it decides what consent, refusals and caps can do."""

    COMMERCIAL = "commercial"
    SERVICE = "service"
    MANDATORY = "mandatory"


class Lane(StrEnum):
    """A line to the providers with slots of its own, most urgent first."""

    CRITICAL = "critical"
    JOURNEYS = "journeys"
    BULK = "bulk"


class RecipientType(StrEnum):
    """Whom the Turkish law tells apart: consumers, and merchants, who may be written to sooner."""

    INDIVIDUAL = "individual"
    MERCHANT = "merchant"


class Receipts(StrEnum):
    """What a provider tells after it has accepted a message."""

    DELIVERY = "delivery"
    BOUNCE_ONLY = "bounce_only"
    NONE = "none"
