"""The gallery of ready messages as one plain page: no script, nothing from another host."""

from collections.abc import Sequence
from html import escape
from itertools import groupby

from tellal.domain.channels import Channel
from templates.gallery import ReadyMessage

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ready messages</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#1d2733;background:#fff}
h2{margin-top:3rem;border-bottom:1px solid #d5dbe3}
article{margin:1.5rem 0;padding:1rem;border:1px solid #d5dbe3;border-radius:8px}
h3{margin:0 0 .5rem;font-size:1rem}
pre{white-space:pre-wrap;font:inherit;background:#f4f6f9;padding:.75rem;border-radius:6px;
margin:.5rem 0}
p{margin:.25rem 0;color:#465465}
li.error{color:#a3160d}
li.warning{color:#7a4b00}
</style>
</head>
<body>
"""


def page_of(messages: Sequence[ReadyMessage]) -> str:
    """Write the page."""
    parts = [_HEAD, "<h1>Ready messages</h1>\n", f"<p>{len(messages)} texts</p>\n<nav><ul>\n"]
    topics = [(topic, list(of)) for topic, of in groupby(messages, key=lambda one: one.topic)]
    parts += [f'<li><a href="#{escape(topic)}">{escape(topic)}</a></li>\n' for topic, _ in topics]
    parts.append("</ul></nav>\n<main>\n")
    for topic, of in topics:
        first = of[0]
        kind = f", {first.message_class.value}" if first.message_class else ""
        parts.append(
            f'<section><h2 id="{escape(topic)}">{escape(topic)}</h2>\n'
            f"<p>version {first.version}{kind}</p>\n"
        )
        parts += [_article(one) for one in of]
        parts.append("</section>\n")
    parts.append("</main>\n</body>\n</html>\n")
    return "".join(parts)


def _article(one: ReadyMessage) -> str:
    language = escape(one.language)
    subject = f"<p><strong>{escape(one.shown.subject)}</strong></p>\n" if one.shown.subject else ""
    findings = "".join(
        f'<li class="{finding.severity}">{escape(str(finding))}</li>\n' for finding in one.findings
    )
    return (
        f"<article>\n<h3>{escape(one.channel.value)} · {language}</h3>\n{subject}"
        f'<pre lang="{language}">{escape(one.shown.text)}</pre>\n'
        f"<p>{escape(_takes(one))}</p>\n"
        f"<p>Refused without: {escape(', '.join(one.needs) or 'nothing')}. "
        f"Does without: {escape(', '.join(one.spares) or 'nothing')}.</p>\n"
        + (f"<ul>\n{findings}</ul>\n" if findings else "")
        + "</article>\n"
    )


def _takes(one: ReadyMessage) -> str:
    segments = one.airtime.segments
    cost = one.airtime.cost
    unit = "segment" if one.channel is Channel.SMS else "message"
    said = f"{segments} {unit}{'s' if segments > 1 else ''}, "
    said += "no price is known" if cost is None else f"{cost.amount} {cost.currency}"
    return f"{said}. {one.note}" if one.note else f"{said}."
