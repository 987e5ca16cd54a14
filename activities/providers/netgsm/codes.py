"""NetGSM's codes as data: what each answer to a request, and each report, means for the message.

Codes of answers are those of its official Python package (netgsm-sms 1.1.2), statuses of reports
those of its official Node package (@netgsm/sms 1.1.11); the former's list of statuses is another
and contradicts its documentation.
"""

from collections.abc import Mapping

from tellal.domain.messages import MessageState, Remedy

_S = MessageState
_RETRY, _NEXT, _HALT = Remedy.RETRY, Remedy.NEXT_CHANNEL, Remedy.HALT

ACCEPTED = frozenset({"00", "01", "02"})
"""It took the job; with 01 and 02 it has mended the dates that we gave."""

CODES: Mapping[str, Remedy] = {
    # The account is not set up; no message of it will pass.
    "30": _HALT,  # wrong user or password, no access to the API, or not from this address
    "40": _HALT,  # the sender name is not registered
    # Only what is commercial is refused, so the route goes on carrying the rest.
    "50": _NEXT,  # the account may not send what İYS checks
    "51": _NEXT,  # no brand at İYS
    "20": _NEXT,  # a letter that it cannot write, or too long
    "70": _NEXT,  # a parameter is wrong or missing
    # Not processed; later it may be.
    "80": _RETRY,  # sending limit
    "85": _RETRY,  # more than 20 jobs within a minute for this number
    # Its own mishap; whether it had taken the job by then it does not say.
    "100": Remedy.RECONCILE,
    "101": Remedy.RECONCILE,
    "5000": Remedy.RECONCILE,
}
"""What each code means that is not `ACCEPTED`; `reconcile` makes the answer an ambiguous one."""

UNLISTED = _NEXT
"""What an error answer with a code means that is not in the table."""

PAUSES: Mapping[str, float] = {"80": 60.0, "85": 60.0}
"""How long to wait (seconds) after a limit that names no time: both are counted by the minute."""

STATUSES: Mapping[int, tuple[MessageState, Remedy | None]] = {
    0: (_S.ACCEPTED, None),  # waits
    # Called "sent"; there is no later success, and it comes with the date of the delivery.
    1: (_S.DELIVERED, None),
    2: (_S.UNDELIVERED, _NEXT),  # its time ran out
    3: (_S.FAILED, Remedy.BAD_ADDRESS),  # no such number, or one that is restricted
    4: (_S.FAILED, _NEXT),  # could not be given to the operator
    11: (_S.FAILED, _NEXT),  # the operator refused it
    12: (_S.UNDELIVERED, _NEXT),  # an error in the delivery
    13: (_S.FAILED, _NEXT),  # the same text went to the number within the hour
    14: (_S.FAILED, _HALT),  # no credit left
    # The account's own black list; an operator may have put the number on it, not the person.
    15: (_S.FAILED, _NEXT),
    16: (_S.FAILED, Remedy.OPTED_OUT),  # İYS has a refusal of the person
    17: (_S.FAILED, _NEXT),  # İYS could not be asked
}
"""What each status of a report means, and what to do if the message is lost."""
