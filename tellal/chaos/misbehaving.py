"""Has the providers misbehave, and asks them what they took."""

import httpx

from tellal.chaos.judging import Entry
from tellal.domain.channels import Channel
from tellal.stories.client import Json

_RATE = 0.05
_TAKEN = 250
_BOOK_LIMIT = 100_000

# One after another: the first that fires is the only one, so the later ones need a larger share of
# what is left.
_RATES = (_RATE, _RATE / (1 - _RATE), _RATE / (1 - 2 * _RATE))
_HTTP_FAULTS = ("hang_after_accept", "500_after_accept", "429")
_MAIL_FAULTS: tuple[Json, ...] = (
    {"hang_after_data": True},
    {"disconnect_after_data": True},
    {"code": 451, "text": "4.7.1 later"},
)
_PAUSE_ASKED_S = 1.0

TIME_OUT, ERROR, TOO_MANY = "time-out after accepting", "error after accepting", "refused for now"


class Providers:
    """The simulated providers' own side: their faults and their books."""

    def __init__(self, carrier_url: str, mailbox_url: str) -> None:
        self._carrier_url = carrier_url
        self._mailbox_url = mailbox_url

    async def misbehave_in(self, part: str) -> None:
        """Switch the faults on in a part that has just started; other parts have none."""
        async with httpx.AsyncClient(timeout=30.0) as http:
            for fault in self._faults_of(part):
                address = self._carrier_url + "/_carrier/faults"
                if part == "mailbox":
                    address = self._mailbox_url + "/api/faults"
                (await http.post(address, json=fault)).raise_for_status()

    @staticmethod
    def _faults_of(part: str) -> list[Json]:
        if part == "mailbox":
            pairs = zip(_MAIL_FAULTS, _RATES, strict=True)
            return [fault | {"rate": rate} for fault, rate in pairs]
        if part != "carrier":
            return []
        faults: list[Json] = [
            {"fault": fault, "rate": rate} for fault, rate in zip(_HTTP_FAULTS, _RATES, strict=True)
        ]
        faults[-1]["retry_after"] = _PAUSE_ASKED_S
        return [*faults, {"fault": "duplicate_callbacks"}, {"fault": "reorder_callbacks"}]

    async def walking(self) -> int:
        """Count text messages whose callbacks are still to come."""
        async with httpx.AsyncClient(timeout=30.0) as http:
            answer = (await http.get(f"{self._carrier_url}/_carrier/callbacks")).raise_for_status()
        return int(answer.json()["walking"])

    async def requests(self) -> list[Json]:
        """Return every request to the carriers, also those that were refused."""
        query = {"refused": "true", "limit": str(_BOOK_LIMIT)}
        async with httpx.AsyncClient(timeout=60.0) as http:
            answer = await http.get(f"{self._carrier_url}/_carrier/book", params=query)
        entries: list[Json] = answer.raise_for_status().json()["entries"]
        return entries

    async def mails(self) -> list[Json]:
        """Return every mail that the mailbox took."""
        async with httpx.AsyncClient(timeout=60.0) as http:
            query = {"limit": _BOOK_LIMIT}
            answer = await http.get(f"{self._mailbox_url}/api/messages", params=query)
        mails: list[Json] = answer.raise_for_status().json()["messages"]
        return mails


def book_of(requests: list[Json], mails: list[Json]) -> list[Entry]:
    """Return what was taken, over all channels."""
    taken = [
        Entry(
            message_id=request["message_id"],
            channel=request["channel"],
            attempt=int(request["attempt"] or 0),
        )
        for request in requests
        if request["answer"] == "accepted"
    ]
    letters = [
        Entry(
            message_id=mail["message_id"].strip("<>").partition("@")[0],
            channel=Channel.EMAIL.value,
        )
        for mail in mails
    ]
    return [*taken, *letters]


def faults_in(requests: list[Json], mails: list[Json]) -> dict[tuple[str, str], int]:
    """Count the faults that struck, by channel and kind.

    A mail that was refused for now leaves nothing in the mailbox; the ledger's attempts tell of it.
    """
    counts: dict[tuple[str, str], int] = {}
    for request in requests:
        kind = _kind(request["answer"] == "accepted", int(request["told"]))
        if kind:
            key = (str(request["channel"]), kind)
            counts[key] = counts.get(key, 0) + 1
    for mail in mails:
        if mail["told"] != _TAKEN:
            key = (Channel.EMAIL.value, f"{TIME_OUT} or broken off")
            counts[key] = counts.get(key, 0) + 1
    return counts


def _kind(accepted: bool, told: int) -> str:  # noqa: FBT001 (two facts of one answer)
    if accepted:
        if not told:
            return TIME_OUT
        return ERROR if told >= 500 else ""  # noqa: PLR2004 (HTTP's own border)
    return TOO_MANY if told == 429 else f"refused with {told}"  # noqa: PLR2004
