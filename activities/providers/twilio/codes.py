"""Twilio's error codes as data: what each means for the message.

Twilio may change its codes and says that programs should not rely on them, so whatever is not in
the table gets the safe default: not re-sent, on to the next channel. Codes are those of the Message
resource (2xxxx, an answer to the request) and of its receipts (3xxxx, 63xxx, told later).
"""

from collections.abc import Mapping

from tellal.domain.messages import Remedy

_RETRY, _NEXT, _BAD = Remedy.RETRY, Remedy.NEXT_CHANNEL, Remedy.BAD_ADDRESS
_OUT, _ROUTE, _HALT = Remedy.OPTED_OUT, Remedy.NEXT_ROUTE, Remedy.HALT

UNLISTED = Remedy.NEXT_CHANNEL
_OF_HAND_OVERS = frozenset({Remedy.RETRY, Remedy.NEXT_ROUTE})
"""Remedies that hand the same message over again."""

CODES: Mapping[str, Remedy] = {
    # The account is not set up; no message of it will pass.
    "20003": _HALT,  # authentication failed
    "20005": _HALT,  # account not active
    "20404": _HALT,  # no such account
    "21609": _HALT,  # status callback address refused
    "21701": _HALT,  # no such messaging service
    "21703": _HALT,  # messaging service without senders
    "30002": _HALT,  # account suspended
    "63001": _HALT,  # WhatsApp does not know the account any more
    "63007": _HALT,  # the sender is no WhatsApp sender of the account
    "63008": _HALT,  # WhatsApp is not set up
    "63020": _HALT,  # Meta's account of the business is not in order
    "63022": _HALT,  # the certificate of the business's name is not valid
    # One sender or one country is not set up; other messages of the account pass.
    "21408": _ROUTE,  # country not permitted for the account
    "21603": _ROUTE,  # no sender given
    "21606": _ROUTE,  # the sender is not ours or cannot send texts
    "21608": _ROUTE,  # trial account, unverified recipient
    "21612": _ROUTE,  # no route between this sender and this recipient
    "21659": _ROUTE,  # the sender is not a Twilio number or short code
    "21660": _ROUTE,  # the sender belongs to another account
    "21910": _ROUTE,  # the sender is of another channel than the recipient
    "30034": _ROUTE,  # sender not registered for A2P
    "63002": _ROUTE,  # WhatsApp does not know the sender
    # Not processed; later it may be.
    "20429": _RETRY,  # too many requests
    "21611": _RETRY,  # the sender's queue is full
    "14107": _RETRY,  # send rate limit exceeded
    "63017": _RETRY,  # more than the account's messages per second
    "63018": _RETRY,  # the channel's rate limit
    # The address will never work.
    "21211": _BAD,  # not a valid number
    "21214": _BAD,  # the number cannot be reached
    "21217": _BAD,  # the number does not appear to be valid
    "21614": _BAD,  # not a mobile number
    "21635": _BAD,  # a landline
    "30005": _BAD,  # unknown subscriber
    "30006": _BAD,  # landline or unreachable carrier
    "63003": _BAD,  # nobody on WhatsApp has the number
    # The person said no at the carrier.
    "21610": _OUT,  # replied STOP
    "63014": _OUT,  # blocked the sender
    # This text, or this phone now; another channel may reach the person.
    "21602": _NEXT,  # empty text
    "21604": _NEXT,  # no recipient
    "21617": _NEXT,  # text too long
    "21654": _NEXT,  # what fills an approved text, without the text
    "21655": _NEXT,  # no such approved text
    "21656": _NEXT,  # what fills an approved text cannot be read, or is blank
    "30001": _NEXT,  # queue overflow
    "30003": _NEXT,  # handset unreachable or switched off
    "30004": _NEXT,  # blocked by the carrier
    "30007": _NEXT,  # filtered by the carrier
    "30008": _NEXT,  # unknown error
    "30009": _NEXT,  # a segment is missing
    "30010": _NEXT,  # dearer than the price allowed
    "30036": _NEXT,  # validity period ended
    "63005": _NEXT,  # WhatsApp does not take the content
    "63013": _NEXT,  # against WhatsApp's rules
    "63016": _NEXT,  # free text, and the person wrote more than 24 hours ago
    "63024": _NEXT,  # the person's WhatsApp cannot receive it
    "63027": _NEXT,  # the text is not approved in this language
    "63028": _NEXT,  # the approved text has another number of variables
    # Calls.
    "10004": _RETRY,  # more calls at once than the account may
    "13227": _ROUTE,  # no calls to this country permitted for the account
    "21210": _ROUTE,  # the number that calls is not the account's
    "21212": _ROUTE,  # the number that calls is none
    "21215": _ROUTE,  # no calls to this country permitted for the account
    "21216": _NEXT,  # calls to this number are not permitted
    "21219": _ROUTE,  # trial account, unverified recipient
    "12100": _NEXT,  # what is to be said cannot be read
    "12200": _NEXT,  # what is to be said is not Twilio's language
    "13224": _BAD,  # Twilio cannot call such a number
    "13225": _BAD,  # calls to this number are forbidden
}


def remedy_for(code: str, http_status: int = 0) -> Remedy:
    """Return what to do after an error answer with this code; `http_status` decides the rest.

    A status 429 is never processed, whatever its code; 401 and 403 are about us, not the person.
    """
    if http_status == 429:  # noqa: PLR2004 (HTTP's own number)
        return Remedy.RETRY
    if code in CODES:
        return CODES[code]
    return Remedy.HALT if http_status in {401, 403} else UNLISTED


def remedy_of_receipt(code: str) -> Remedy:
    """Return what to do after a receipt with this code.

    A message that the provider took and lost is not handed over again, neither here nor by another
    route: the plan goes on.
    """
    remedy = CODES.get(code, UNLISTED)
    return Remedy.NEXT_CHANNEL if remedy in _OF_HAND_OVERS else remedy
