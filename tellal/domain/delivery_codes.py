"""What codes of lost messages mean, in words: those of providers, and our own.

The adapters' tables say what to do about a code; here is what a reader of a report is told. Words
are short and name nobody.
"""

from collections.abc import Mapping

from tellal.domain.mail_statuses import WORDS as MAIL_WORDS

WORDS: Mapping[str, Mapping[str, str]] = {
    "twilio": {
        "20003": "authentication failed",
        "20005": "account not active",
        "20404": "no such account",
        "21609": "status callback address refused",
        "21701": "no such messaging service",
        "21703": "messaging service without senders",
        "30002": "account suspended",
        "63001": "WhatsApp does not know the account any more",
        "63007": "the sender is no WhatsApp sender of the account",
        "63008": "WhatsApp is not set up",
        "63020": "Meta's account of the business is not in order",
        "63022": "the certificate of the business's name is not valid",
        "21408": "country not permitted for the account",
        "21603": "no sender given",
        "21606": "the sender is not ours or cannot send texts",
        "21608": "trial account, unverified recipient",
        "21612": "no route between this sender and this recipient",
        "21659": "the sender is not a Twilio number or short code",
        "21660": "the sender belongs to another account",
        "21910": "the sender is of another channel than the recipient",
        "30034": "sender not registered for A2P",
        "63002": "WhatsApp does not know the sender",
        "20429": "too many requests",
        "21611": "the sender's queue is full",
        "14107": "send rate limit exceeded",
        "63017": "more than the account's messages per second",
        "63018": "the channel's rate limit",
        "21211": "not a valid number",
        "21214": "the number cannot be reached",
        "21217": "the number does not appear to be valid",
        "21614": "not a mobile number",
        "21635": "a landline",
        "30005": "unknown subscriber",
        "30006": "landline or unreachable carrier",
        "63003": "nobody on WhatsApp has the number",
        "21610": "replied STOP",
        "63014": "blocked the sender",
        "21602": "empty text",
        "21604": "no recipient",
        "21617": "text too long",
        "21654": "what fills an approved text, without the text",
        "21655": "no such approved text",
        "21656": "what fills an approved text cannot be read, or is blank",
        "30001": "queue overflow",
        "30003": "handset unreachable or switched off",
        "30004": "blocked by the carrier",
        "30007": "filtered by the carrier",
        "30008": "unknown error",
        "30009": "a segment is missing",
        "30010": "dearer than the price allowed",
        "30036": "validity period ended",
        "63005": "WhatsApp does not take the content",
        "63013": "against WhatsApp's rules",
        "63016": "free text, and the person wrote more than 24 hours ago",
        "63024": "the person's WhatsApp cannot receive it",
        "63027": "the text is not approved in this language",
        "63028": "the approved text has another number of variables",
    },
    "netgsm": {
        "30": "wrong user or password, no access to the API, or not from this address",
        "40": "the sender name is not registered",
        "50": "the account may not send what İYS checks",
        "51": "no brand at İYS",
        "20": "a letter that it cannot write, or too long",
        "70": "a parameter is wrong or missing",
        "80": "sending limit",
        "85": "more than 20 jobs within a minute for this number",
        "0": "waits",
        "2": "its time ran out",
        "3": "no such number, or one that is restricted",
        "4": "could not be given to the operator",
        "11": "the operator refused it",
        "12": "an error in the delivery",
        "13": "the same text went to the number within the hour",
        "14": "no credit left",
        "16": "İYS has a refusal of the person",
        "17": "İYS could not be asked",
        "1": "delivered",
        "15": "on the account's own black list",
        "100": "an error of its own",
        "101": "an error of its own",
        "5000": "an error of its own",
    },
    "smtp": {
        **MAIL_WORDS,
        "530": "authentication required",
        "535": "authentication failed",
    },
    "fcm": {
        "UNREGISTERED": "the app is gone from the device",
        "INVALID_ARGUMENT": "the token is none",
        "SENDER_ID_MISMATCH": "the token belongs to another project",
        "QUOTA_EXCEEDED": "too many messages",
        "UNAUTHENTICATED": "not authenticated",
        "PERMISSION_DENIED": "the account may not send",
        "NOT_FOUND": "no such project",
        "RESOURCE_EXHAUSTED": "too many requests",
        "THIRD_PARTY_AUTH_ERROR": "Apple or the web push service refused the credentials",
        "APNS_AUTH_ERROR": "Apple refused the credentials",
    },
    "simulated": {
        "busy": "simulated: busy",
        "no_such_address": "simulated: no such address",
        "opted_out": "simulated: the person refused",
        "absent": "simulated: nobody was there",
    },
}
"""By provider and its code."""

OURS: Mapping[str, str] = {
    "expired": "its time was over before it left",
    "lease_lost": "a worker was lost while it handed the message over",
    "no_route": "no route may carry it",
    "sender_incomplete": "the brand's profile lacks what the law wants to be said",
    "template": "a variable of the text is missing",
    "too_long": "the text is too long",
    "no_credit": "it waits until somebody pays in",
    "complained": "the person complained meanwhile",
    "no_consent": "the person took the consent back meanwhile",
    "stopped": "what it speaks of was stopped",
    "unreachable": "the provider could not be reached",
    "timeout": "the provider did not answer in time",
    "connection_lost": "the connection was lost in the middle",
    "lost_before_data": "the connection was lost before anything was handed over",
    "not_supported": "the relay lacks what the settings ask for",
    "unwritable": "a header or the address cannot be written",
    "unsendable": "it cannot be written as the provider wants it",
    "unreadable": "the provider's answer could not be read",
    "not_there": "the provider never had it",
    "not_turkish": "the provider carries Turkish numbers only",
    "no_token": "no access to the provider",
    "blocked": "the address is on a block list",
    "not_on_allow_list": "the address is not on the allow-list",
    "not_called": "it was given back before anybody was called",
}
"""By codes that we give ourselves, whoever the provider is."""


_SAME_CODES: Mapping[str, str] = {"twilio_whatsapp": "twilio"}
"""Providers that speak in the codes of another."""


def words_of(provider: str, code: str) -> str:
    """Say what a code means; empty where nobody has written it down."""
    listed = WORDS.get(_SAME_CODES.get(provider, provider), {})
    return listed.get(code) or OURS.get(code, "")
