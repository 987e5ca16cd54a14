"""Lists of messages at the simulated Twilio: filters and pages."""

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from fastapi import Request

from tellal.carrier.twilio_messages import TextMessage, TextMessages

_PAGE, _LARGEST_PAGE = 50, 1000


def fitting(request: Request, messages: TextMessages) -> Sequence[TextMessage]:
    """Return the messages that the query asks for.

    As with Twilio, a message that was not sent yet has no date, so a question for dates misses it.
    """
    query = request.query_params
    since = _instant(query.get("DateSent>", ""))
    until = _instant(query.get("DateSent<", ""))
    sender = query.get("From", "")
    return [
        message
        for message in messages.newest_first(query.get("To", ""))
        if (not sender or message.sender == sender)
        and (since is None or (message.sent is not None and message.sent >= since))
        and (until is None or (message.sent is not None and message.sent <= until))
    ]


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def page(request: Request, found: Sequence[TextMessage], account_sid: str) -> dict[str, object]:
    """Cut the page that the query asks for, with addresses of the pages beside it."""
    query = request.query_params
    size = min(max(int(query.get("PageSize", _PAGE)), 1), _LARGEST_PAGE)
    number = max(int(query.get("Page", 0)), 0)
    shown = found[number * size : (number + 1) * size]

    def uri(page: int) -> str:
        others = {name: value for name, value in query.items() if name != "PageToken"}
        return f"{request.url.path}?{urlencode(others | {'Page': page, 'PageSize': size})}"

    more = len(found) > (number + 1) * size
    return {
        "first_page_uri": uri(0),
        "next_page_uri": uri(number + 1) if more else None,
        "previous_page_uri": uri(number - 1) if number else None,
        "page": number,
        "page_size": size,
        "start": number * size,
        "end": number * size + max(len(shown) - 1, 0),
        "uri": uri(number),
        "messages": [message.as_resource(account_sid) for message in shown],
    }
