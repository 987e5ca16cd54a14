"""Checks texts before anybody depends on them: each is filled in with its topic's example.

What a commercial text takes on the air is counted with the footer that the engine writes.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tellal.domain.channels import BY_NUMBER, Channel, MessageClass
from tellal.domain.errors import Finding, InvalidInputError
from tellal.domain.routes import Load, RouteTable, has_link
from tellal.domain.sms.alphabets import Alphabet
from tellal.domain.sms.cost import costly_characters
from tellal.domain.sms.segments import segmented
from tellal.domain.text_law import folded
from tellal.ports import Rendered
from templates.environment import JinjaRenderer
from templates.lawfulness import Law, Reading, as_it_leaves, offences, senders
from templates.naming import TemplateName

_DIGEST = "digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found in one file; `note` says what an SMS takes on the air.

    Who lacks one of the variables that it `needs` is not told; it does without those that it
    `spares`, because it says what stands in their place.
    """

    path: str
    findings: tuple[Finding, ...] = ()
    note: str = ""
    needs: tuple[str, ...] = ()
    spares: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Where texts go: every route of the table, the providers at hand, the class of each topic.

    If no provider is named, all are at hand; a topic without a class may be of any. `law` is what
    binds who sends them. Topics of `digested` are told as digests, others of `classes` are not.
    """

    table: RouteTable
    providers: Collection[str]
    classes: Mapping[str, MessageClass]
    law: Law
    digested: Collection[str] = ()

    @property
    def at_hand(self) -> RouteTable:
        """The routes of the providers that are set up."""
        return self.table.at_hand(self.providers)

    def classes_of(self, topic: str) -> tuple[MessageClass, ...]:
        """Return the classes that a topic's messages may have."""
        return (self.classes[topic],) if topic in self.classes else tuple(MessageClass)


def check(
    ways: Ways, folder: Path | None = None, *, texts: Mapping[str, str] | None = None
) -> tuple[Checked, ...]:
    """Check every text of a folder, by default those that ship with Tellal, or given ones."""
    try:
        renderer = JinjaRenderer(folder, texts=texts)
    except InvalidInputError as error:
        return (Checked(path=error.field, findings=(_finding(error.field, str(error)),)),)
    return tuple(looked_over(renderer, name, ways) for name in renderer.list_templates())


def air(text: str, alphabets: Collection[Alphabet], reserved: int) -> str:
    """Say how many segments an SMS takes, and which characters make it cost more."""
    written = frozenset(alphabets)
    best = segmented(text, alphabets=written, reserved=reserved)
    words = f"{best.count} segment{'s' if best.count > 1 else ''} ({best.alphabet})"
    costly = costly_characters(text, alphabets=written) if best.alphabet is Alphabet.UCS2 else ()
    return words + (f" for {' '.join(one.character for one in costly)}" if costly else "")


def looked_over(renderer: JinjaRenderer, name: TemplateName, ways: Ways) -> Checked:
    """Check one text; what it needs is said, too, as far as it can be read at all."""
    checked = _check(renderer, name, ways)
    topic, channel, language = name.topic, name.channel, name.language
    with suppress(InvalidInputError):
        needs = renderer.required_variables(topic=topic, channel=channel, language=language)
        spares = renderer.spared_variables(topic=topic, channel=channel, language=language)
        return replace(checked, needs=needs, spares=spares)
    return checked


def _check(renderer: JinjaRenderer, name: TemplateName, ways: Ways) -> Checked:
    source = renderer.library.source(name.path) or ""
    try:
        rendered = renderer.render(
            topic=name.topic,
            channel=name.channel,
            language=name.language,
            variables=renderer.example(name.topic),
        )
    except InvalidInputError as error:
        line = _line_of(source, error.field)
        finding = _finding(name.path, str(error), line=line, hint=error.hint)
        return Checked(path=name.path, findings=(finding,))
    reading = Reading(
        renderer=renderer,
        name=name,
        classes=ways.classes_of(name.topic),
        routes=ways.at_hand,
        example=renderer.example(name.topic),
    )
    unlawful = tuple(_unlawful(reading, source, ways.law))
    gathered = tuple(_gathered(renderer, name, source, ways))
    findings = (*_links(name, source, rendered, ways), *unlawful, *gathered)
    if name.channel is not Channel.SMS:
        return Checked(path=name.path, findings=findings)
    try:
        text = _on_the_air(reading, rendered, ways.law)
        note = _note(text, ways.at_hand, ways.classes_of(name.topic))
    except InvalidInputError as error:
        findings += (_finding(name.path, str(error), hint=error.hint),)
        note = ""
    return Checked(path=name.path, findings=findings, note=note)


def _links(name: TemplateName, source: str, rendered: Rendered, ways: Ways) -> Iterator[Finding]:
    """Yield a mistake if no route carries the text's link anywhere, else a warning per country."""
    if not has_link(rendered.text):
        return
    classes = ways.classes_of(name.topic)
    countries = ways.table.countries if name.channel in BY_NUMBER else ()
    loads = {
        country: [
            Load(channel=name.channel, country=country, message_class=one, has_link=True)
            for one in classes
        ]
        for country in (*countries, "")
    }
    line = next((n for n, words in enumerate(source.splitlines(), 1) if has_link(words)), 1)
    everywhere = [load for of_country in loads.values() for load in of_country]
    if not any(ways.table.carrying(load) for load in everywhere):
        why = next(filter(None, (ways.table.refuses_link(load) for load in everywhere)), "")
        if why:
            hint = "take the link out"
            yield _finding(name.path, f"no route carries its link: {why}", line=line, hint=hint)
        return
    for country, of_country in loads.items():
        whys = [ways.at_hand.refuses_link(load) for load in of_country]
        if all(whys):
            message = f"its link does not reach {country or 'other countries'}: {whys[0]}"
            yield _finding(name.path, message, line=line, warns=True)


def _gathered(
    renderer: JinjaRenderer, name: TemplateName, source: str, ways: Ways
) -> Iterator[Finding]:
    """Yield a text of a digest that says nothing of what was gathered, or one that needs a digest.

    Of a topic that the rules do not know it is not known what it is told of.
    """
    read = renderer.variables_of(topic=name.topic, channel=name.channel, language=name.language)
    reads = any(path[0] == _DIGEST for path in read)
    if name.topic in ways.digested and not reads:
        message = f"'{name.topic}' is a digest, and this text says nothing of what it gathers"
        yield _finding(name.path, message, hint="say digest.count, or go through digest.items")
    if reads and name.topic in ways.classes and name.topic not in ways.digested:
        message = f"'{name.topic}' is no digest, so there is nothing that this text could say of it"
        hint = "say 'digest: {for: 1h}' at the topic, or leave digest.… out"
        yield _finding(name.path, message, line=_line_of(source, f"{_DIGEST}."), hint=hint)


def _unlawful(reading: Reading, source: str, law: Law) -> Iterator[Finding]:
    """Yield what a text of its class may not say, or must."""
    for one in offences(reading, law):
        lines = enumerate(source.splitlines(), 1)
        line = next((n for n, words in lines if one.word and one.word in folded(words)), 1)
        yield Finding(
            file=reading.name.path,
            line=line,
            column=1,
            message=one.message,
            hint=one.mend,
            warns=one.warns,
            source=one.source,
            fine=one.fine,
            gravity=one.gravity,
        )


def _on_the_air(reading: Reading, rendered: Rendered, law: Law) -> str:
    """Return the longest words that a text may leave with, in anybody's name under any law."""
    if not reading.is_commercial:
        return rendered.text
    texts = [rendered.text]
    for sender in senders(reading, law):
        for one in law.laws:
            # Who cannot send it has been found already.
            with suppress(InvalidInputError):
                texts.append(as_it_leaves(reading, one, sender, law.day).text)
    return max(texts, key=len)


def _note(text: str, routes: RouteTable, classes: Collection[MessageClass]) -> str:
    """Say what the text takes on each way on which it may go; equal ways are named together."""
    ways: dict[str, list[str]] = {}
    for route in routes.routes:
        for one in route.carries:
            if route.channel is Channel.SMS and one.classes.intersection(classes):
                to = f" to {', '.join(sorted(one.countries))}" if one.countries else ""
                words = air(text, route.alphabets, one.reserved)
                ways.setdefault(words, []).append(f"{route.name}{to}")
    return "; ".join(f"{words} over {', '.join(over)}" for words, over in ways.items())


def _line_of(source: str, field: str) -> int:
    """Return the first line that names a variable."""
    lines = enumerate(source.splitlines(), 1)
    return next((n for n, words in lines if field and field in words), 1)


def _finding(
    path: str, message: str, *, line: int = 1, hint: str = "", warns: bool = False
) -> Finding:
    return Finding(file=path, line=line, column=1, message=message, hint=hint, warns=warns)
