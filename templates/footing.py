"""Puts the sentences that the law asks for at the end of a text and of its HTML."""

import re
from dataclasses import replace
from html import escape, unescape

from tellal.domain.channels import Channel
from tellal.domain.footers import Setting, footer_of
from tellal.ports import Rendered

_TAGS = re.compile(r"<(style|title)\b.*?</\1\s*>|<[^>]+>", re.DOTALL | re.IGNORECASE)
_END_OF_BODY = re.compile(r"</body\s*>", re.IGNORECASE)
_SIGNATURE = "\n--\n"
"""What parts the words of a mail from who signs it (RFC 3676)."""
_BLOCK = (
    '<p style="max-width:560px;margin:16px auto 0;color:#5b6573;'
    'font:13px/1.5 Arial,Helvetica,sans-serif">{}</p>\n'
)


def footed(rendered: Rendered, setting: Setting) -> Rendered:
    """Return a commercial text with what it does not yet say of the sender and of refusing.

    A text that WhatsApp has approved stays as it is: nothing can be added to it.

    Raises:
        IncompleteSenderError: The sender's profile lacks what would be said.
    """
    if rendered.content:
        return rendered
    said = footer_of(setting, rendered.text)
    html = rendered.html
    if html:
        in_html = footer_of(setting, visible(html))
        html = _into_body(html, in_html) if in_html else html
    return replace(rendered, text=_joined(rendered.text, said, setting.channel), html=html)


def visible(html: str) -> str:
    """Return what a reader sees of HTML, without its marks."""
    return " ".join(unescape(_TAGS.sub(" ", html)).split())


def _joined(text: str, said: tuple[str, ...], channel: Channel) -> str:
    if not said:
        return text
    if channel is Channel.EMAIL:
        between = "\n" if _SIGNATURE in text else f"\n{_SIGNATURE}"
        return text + between + "\n".join(said)
    if channel is Channel.WHATSAPP:
        return f"{text}\n\n" + "\n".join(said)
    return " ".join((text, *said))


def _into_body(html: str, said: tuple[str, ...]) -> str:
    block = _BLOCK.format("<br>".join(escape(one) for one in said))
    ends = list(_END_OF_BODY.finditer(html))
    if not ends:
        return f"{html}\n{block}"
    return html[: ends[-1].start()] + block + html[ends[-1].start() :]
