"""What is unlawful about a text: what it leaves unsaid, what it promotes, what it tells of whom.

A commercial text is looked at as it would leave, with the footer of the engine, once for each kind
of sender; a service or mandatory one needs no consent only because it promotes nothing.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from tellal.domain.channels import BY_NUMBER, MessageClass
from tellal.domain.errors import InvalidInputError
from tellal.domain.footers import IncompleteSenderError, Setting, broken_duties
from tellal.domain.personal_data import found_in
from tellal.domain.routes import Load, RouteTable, has_link
from tellal.domain.senders import SenderKind, SenderProfile, ShortCode
from tellal.domain.text_law import DutyKind, TextDuty, TextLaw, WordKind
from tellal.ports import Rendered
from templates.environment import JinjaRenderer
from templates.footing import footed, visible
from templates.naming import TemplateName

_SPECIMENS = {
    SenderKind.COMPANY: SenderProfile(
        kind=SenderKind.COMPANY,
        trade_name="Örnek A.Ş.",
        mersis="0123456789000017",
        phone="0850 555 01 02",
        email="iletisim@ornek.example",
        short_codes=(ShortCode(code="4605", keyword="ORNEK"),),
    ),
    SenderKind.SOLE_TRADER: SenderProfile(
        kind=SenderKind.SOLE_TRADER,
        trade_name="",
        owner="Elif Örnek",
        tckn="10000000146",
        phone="0850 555 01 02",
        email="iletisim@ornek.example",
    ),
}
"""Whole profiles: what a text lacks with one of them, it lacks itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """Under which laws texts are looked at, when, and for whom.

    Without a sender a text is looked at for one of each kind, who lack nothing.
    """

    laws: tuple[TextLaw, ...]
    day: date
    sender: SenderProfile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offence:
    """What a text does, how to mend it, where the law says so, and what it risks."""

    message: str
    mend: str
    source: str = ""
    fine: str = ""
    gravity: str = ""
    warns: bool = False
    word: str = ""
    """What to look for in the text's source, to show its line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A text and what is known of it: `classes` are those that its messages may have."""

    renderer: JinjaRenderer
    name: TemplateName
    classes: Collection[MessageClass]
    routes: RouteTable
    example: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_commercial(self) -> bool:
        """Whether it can be nothing else."""
        return tuple(self.classes) == (MessageClass.COMMERCIAL,)

    @property
    def needs_no_consent(self) -> bool:
        """Whether it is sent without consent whatever it is."""
        return MessageClass.COMMERCIAL not in self.classes

    def rendered(self, brand: Mapping[str, object] | None = None) -> Rendered:
        """Fill it in with its example, in the name of another brand if one is given.

        Raises:
            InvalidInputError: It needs what the example, or the brand, has not.
        """
        variables = dict(self.example) if brand is None else {**self.example, "brand": brand}
        return self.renderer.render(
            topic=self.name.topic,
            channel=self.name.channel,
            language=self.name.language,
            variables=variables,
        )


def senders(reading: Reading, law: Law) -> Iterator[SenderProfile]:
    """Yield those in whose names a text is looked at.

    The specimens are called as the brand of the example is, so that what it says is found.
    """
    if law.sender is not None:
        yield law.sender
        return
    brand = reading.example.get("brand")
    given = brand if isinstance(brand, Mapping) else {}
    company, trader = _SPECIMENS[SenderKind.COMPANY], _SPECIMENS[SenderKind.SOLE_TRADER]
    phone = str(given.get("phone") or company.phone)
    email = str(given.get("email") or company.email)
    yield replace(
        company,
        trade_name=str(given.get("trade_name") or company.trade_name),
        mersis=str(given.get("mersis") or company.mersis),
        phone=phone,
        email=email,
    )
    yield replace(trader, phone=phone, email=email)


def as_it_leaves(reading: Reading, law: TextLaw, sender: SenderProfile, day: date) -> Rendered:
    """Return a commercial text with the engine's footer, in a sender's name.

    Raises:
        InvalidInputError: The text needs what the sender has not, or its profile is incomplete.
    """
    return footed(reading.rendered(_brand(reading, sender)), _setting(reading, law, sender, day))


def offences(reading: Reading, law: Law) -> Iterator[Offence]:
    """Yield everything unlawful about a text, each once."""
    found: dict[str, Offence] = {}
    for one in _each(reading, law):
        known = found.get(one.message)
        # Of the same under several laws, the one that says what it costs tells most.
        if known is None or (one.fine and not known.fine):
            found[one.message] = one
    yield from found.values()


def promotes(renderer: JinjaRenderer, topic: str, laws: Collection[TextLaw]) -> bool:
    """Say whether a text of a topic, filled in with its example, promotes something.

    A word that its author disputes promotes nothing.
    """
    if renderer.library.disputed(topic):
        return False
    for name in renderer.list_templates():
        if name.topic != topic:
            continue
        try:
            plain = renderer.render(
                topic=topic,
                channel=name.channel,
                language=name.language,
                variables=renderer.example(topic),
            )
        except InvalidInputError:  # a text that cannot be filled in reaches nobody
            continue
        said = f"{plain.subject} {plain.text} {visible(plain.html)}"
        if any(law.said(WordKind.PROMOTION, said) for law in laws):
            return True
    return False


def _each(reading: Reading, law: Law) -> Iterator[Offence]:
    plain = reading.rendered()
    for one in law.laws:
        yield from _whatever_its_class(reading, one, law.day, plain)
        if reading.needs_no_consent:
            yield from _promotes(reading, one, law.day, plain)
        if reading.is_commercial:
            yield from _offers(reading, one, law.day, plain)
            for sender in senders(reading, law):
                yield from _says_too_little(reading, one, sender, law.day)


def _says_too_little(
    reading: Reading, law: TextLaw, sender: SenderProfile, day: date
) -> Iterator[Offence]:
    whose = f"sent by a {str(sender.kind).replace('_', ' ')}"
    try:
        composed = as_it_leaves(reading, law, sender, day)
    except IncompleteSenderError as error:
        yield Offence(message=f"{whose}: {error}", mend=error.hint, word="")
        return
    except InvalidInputError as error:
        mend = "leave the identity to the engine, which knows whose it is"
        yield Offence(message=f"{whose}: {error}", mend=mend, word=error.field)
        return
    setting = _setting(reading, law, sender, day)
    seen = [composed.text, *([visible(composed.html)] if composed.html else [])]
    for text in seen:
        # A mail may say who sends it in its subject.
        for duty in broken_duties(setting, f"{composed.subject} {text}"):
            mend = duty.mend
            if composed.content:
                mend = "have the approved text say it: nothing can be added to it"
            yield _offence(law, duty, day, f"{duty.means}; {whose} this one does not", mend=mend)


def _offers(reading: Reading, law: TextLaw, day: date, plain: Rendered) -> Iterator[Offence]:
    """Yield what is unclear about an offer, and that nobody could tell that it is one."""
    said = f"{plain.subject} {plain.text}"
    words = law.said(WordKind.OFFER, said)
    for duty in _duties(law, DutyKind.CONDITIONS, reading, day):
        if words and not _shows_conditions(reading, law, plain):
            message = f"{duty.means}; this one says '{words[0]}' and does not"
            yield _offence(law, duty, day, message, word=words[0])
    for duty in _duties(law, DutyKind.DESCRIPTION, reading, day):
        if not law.said(WordKind.DESCRIPTION, said):
            yield _offence(law, duty, day, f"{duty.means}; this one has none")


def _shows_conditions(reading: Reading, law: TextLaw, plain: Rendered) -> bool:
    """Say whether conditions are found at a number of the brand, or at a link that arrives."""
    brand = reading.example.get("brand")
    known = brand if isinstance(brand, Mapping) else {}
    numbers = [str(known.get(name) or "") for name in ("phone", "short_number")]
    if any(number and number in plain.text for number in numbers):
        return True
    # The domain of the brand's own mail address is no place where conditions stand.
    without_mail = plain.text.replace(str(known.get("email") or "\0"), "")
    return has_link(without_mail) and _link_arrives(reading, law)


def _link_arrives(reading: Reading, law: TextLaw) -> bool:
    channel = reading.name.channel
    country = law.pack.upper() if channel in BY_NUMBER and len(law.pack) == len("TR") else ""
    load = Load(
        channel=channel,
        country="" if country == "EU" else country,
        message_class=MessageClass.COMMERCIAL,
        has_link=True,
    )
    return channel not in BY_NUMBER or bool(reading.routes.carrying(load))


def _promotes(reading: Reading, law: TextLaw, day: date, plain: Rendered) -> Iterator[Offence]:
    said = f"{plain.subject} {plain.text} {visible(plain.html)}"
    disputed = reading.renderer.library.disputed(reading.name.topic)
    for duty in _duties(law, DutyKind.NO_PROMOTION, reading, day):
        for word in law.said(WordKind.PROMOTION, said):
            kind = " and ".join(sorted(reading.classes))
            message = f"a {kind} text promotes nothing, and this one says '{word}'"
            if disputed:
                message += f"; its author disputes that it promotes: {disputed}"
            yield _offence(law, duty, day, message, warns=bool(disputed), word=word)


def _whatever_its_class(
    reading: Reading, law: TextLaw, day: date, plain: Rendered
) -> Iterator[Offence]:
    said = f"{plain.subject} {plain.text} {visible(plain.html)}"
    for duty in _duties(law, DutyKind.NO_CONSENT_REQUEST, reading, day):
        for words in law.said(WordKind.CONSENT_REQUEST, said):
            message = f"{duty.means}, and this one says '{words}'"
            yield _offence(law, duty, day, message, word=words)
    for duty in _duties(law, DutyKind.MINIMUM, reading, day):
        for kind in duty.data:
            if found_in(said, kind):
                yield _offence(law, duty, day, f"{duty.means}, and this one holds a {kind} number")
        for path in _read(reading):
            if path[0] != "brand" and set(path) & set(duty.variables):
                dotted = ".".join(path)
                yield _offence(
                    law, duty, day, f"{duty.means}, and this one reads {dotted}", word=dotted
                )


def _read(reading: Reading) -> Collection[tuple[str, ...]]:
    name = reading.name
    return reading.renderer.variables_of(
        topic=name.topic, channel=name.channel, language=name.language
    )


def _duties(law: TextLaw, kind: DutyKind, reading: Reading, day: date) -> Iterator[TextDuty]:
    # Who sends it makes no difference to what a text may not say.
    return law.duties_of(kind, reading.name.channel, SenderKind.COMPANY, day)


def _offence(
    law: TextLaw,
    duty: TextDuty,
    day: date,
    message: str,
    *,
    mend: str = "",
    warns: bool = False,
    word: str = "",
) -> Offence:
    risk = None if duty.warns else law.risk(duty, day)
    return Offence(
        message=message,
        mend=mend or duty.mend,
        source=duty.source,
        fine=str(risk) if risk else "",
        gravity=str(risk.gravity) if risk else "",
        warns=warns or duty.warns,
        word=word,
    )


def _setting(reading: Reading, law: TextLaw, sender: SenderProfile, day: date) -> Setting:
    name = reading.name
    return Setting(law=law, sender=sender, channel=name.channel, language=name.language, day=day)


def _brand(reading: Reading, sender: SenderProfile) -> Mapping[str, object]:
    """Return what a text may say of the brand, as this sender's would be."""
    given = reading.example.get("brand")
    said = {name: getattr(sender, name) for name in ("trade_name", "mersis", "phone", "email")}
    return {**(given if isinstance(given, Mapping) else {}), **said}
