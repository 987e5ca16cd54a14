"""Composes what the law wants said at the end of a commercial message, and says nothing twice."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from tellal.domain.channels import Channel
from tellal.domain.errors import InvalidInputError
from tellal.domain.senders import SenderProfile
from tellal.domain.text_law import DutyKind, Footer, TextDuty, TextLaw, Way

_NAMES: Mapping[str, str] = {
    "trade_name": "trade name",
    "mersis": "MERSIS number",
    "owner": "owner's name and surname",
    "tckn": "owner's identity number (TCKN)",
    "phone": "phone",
    "email": "e-mail address",
    "short_number": "short number",
}


class IncompleteSenderError(InvalidInputError):
    """A brand's profile lacks what the law wants its commercial messages to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Under which law, by whom, over what and in which language something is said, and when.

    `link` is where the reader may refuse by a click; empty if there is no such place.
    """

    law: TextLaw
    sender: SenderProfile
    channel: Channel
    language: str
    day: date
    link: str = ""

    def duties(self, kind: DutyKind) -> Iterator[TextDuty]:
        """Yield the duties of a kind that bind here."""
        return self.law.duties_of(kind, self.channel, self.sender.kind, self.day)


def lacking(law: TextLaw, sender: SenderProfile, day: date) -> tuple[str, ...]:
    """Name what a profile lacks for any commercial message, in words; empty if it is complete."""
    lacks: list[str] = []
    for duty in law.duties:
        applies = any(duty.holds(channel, sender.kind, day) for channel in Channel)
        if applies and duty.kind in (DutyKind.IDENTITY, DutyKind.CONTACT):
            lacks += _unsaid(duty, sender)
    return tuple(dict.fromkeys(lacks))


def footer_of(setting: Setting, text: str) -> tuple[str, ...]:
    """Return the sentences that a text still needs by the law, in their order.

    Raises:
        IncompleteSenderError: The profile lacks what they would say.
    """
    footer = setting.law.footer(setting.channel, setting.language)
    if footer is None:
        return ()
    who = _identity(setting, footer, text)
    refuse = _refusal(setting, footer, text)
    reach = _contact(setting, footer, " ".join((text, *who, *refuse)))
    return (*who, *reach, *refuse)


def broken_duties(setting: Setting, text: str) -> Iterator[TextDuty]:
    """Yield the duties to say something that a text does not fulfil."""
    for duty in setting.duties(DutyKind.IDENTITY):
        if not _names(text, duty.needs, setting.sender):
            yield duty
    for duty in setting.duties(DutyKind.CONTACT):
        if not _gives_contact(setting, duty, text):
            yield duty
    for duty in setting.duties(DutyKind.REFUSAL):
        if not _tells_how_to_refuse(setting, duty, text):
            yield duty


def _identity(setting: Setting, footer: Footer, text: str) -> tuple[str, ...]:
    duties = tuple(setting.duties(DutyKind.IDENTITY))
    _refuse_gaps(setting, duties)
    if all(_names(text, duty.needs, setting.sender) for duty in duties):
        return ()
    return (footer.identity[setting.sender.kind].format_map(_fields(setting.sender)),)


def _contact(setting: Setting, footer: Footer, said: str) -> tuple[str, ...]:
    duties = tuple(setting.duties(DutyKind.CONTACT))
    _refuse_gaps(setting, duties)
    if all(_gives_contact(setting, duty, said) for duty in duties):
        return ()
    fields = _fields(setting.sender)
    named = next(fields[one] for duty in duties for one in duty.any_of if fields[one])
    return (footer.contact.format(contact=named),)


def _refusal(setting: Setting, footer: Footer, text: str) -> tuple[str, ...]:
    duties = tuple(setting.duties(DutyKind.REFUSAL))
    if all(_tells_how_to_refuse(setting, duty, text) for duty in duties):
        return ()
    ways = dict(_ways(setting))
    for way, sentence in footer.refusal.items():
        if way in ways:
            return (sentence.format_map(ways[way]),)
    possible = " or ".join(str(way).replace("_", " ") for way in footer.refusal)
    raise IncompleteSenderError(
        f"the brand has no way to refuse its messages over {setting.channel}",
        field="sender",
        hint=f"give its profile one: {possible}",
    )


def _refuse_gaps(setting: Setting, duties: tuple[TextDuty, ...]) -> None:
    lacks = [name for duty in duties for name in _unsaid(duty, setting.sender)]
    if lacks:
        raise IncompleteSenderError(
            f"the brand's profile has no {', no '.join(dict.fromkeys(lacks))}",
            field="sender",
            hint="complete it: tellal brands sender, or PUT /v1/sender",
        )


def _unsaid(duty: TextDuty, sender: SenderProfile) -> Iterator[str]:
    """Yield, in words, what a profile cannot say although a duty asks for it."""
    fields = _fields(sender)
    yield from (_NAMES[one] for one in duty.needs if not fields[one])
    if duty.any_of and not any(fields[one] for one in duty.any_of):
        yield " or ".join(_NAMES[one] for one in duty.any_of)


def _names(text: str, needs: tuple[str, ...], sender: SenderProfile) -> bool:
    fields = _fields(sender)
    return all(fields[one] and fields[one] in text for one in needs)


def _gives_contact(setting: Setting, duty: TextDuty, text: str) -> bool:
    fields = _fields(setting.sender)
    known = [fields[one] for one in duty.any_of]
    known += [one.code for one in setting.sender.short_codes]
    return any(one and one in text for one in known)


def _tells_how_to_refuse(setting: Setting, duty: TextDuty, text: str) -> bool:
    """Say whether a text tells that one may refuse, and where."""
    places = [setting.sender.phone, setting.sender.email, setting.link]
    places += [one.code for one in setting.sender.short_codes]
    in_settings = setting.channel in (Channel.PUSH, Channel.BANNER)
    has_place = in_settings or any(place and place in text for place in places)
    return has_place and setting.law.tells_of_refusal(text, free=duty.free)


def _ways(setting: Setting) -> Iterator[tuple[Way, Mapping[str, str]]]:
    """Yield the ways to refuse that there are, with what their sentences may name."""
    sender, stop = setting.sender, setting.law.stop_word
    if (heard := sender.heard_at) is not None:
        yield Way.SHORT_CODE, {"command": f"{heard.keyword} {stop}".strip(), "code": heard.code}
    if sender.email:
        yield Way.EMAIL, {"email": sender.email, "stop": stop}
    if setting.link:
        yield Way.LINK, {"link": setting.link}
    yield Way.SETTINGS, {}


def _fields(sender: SenderProfile) -> Mapping[str, str]:
    return {name: getattr(sender, name) for name in _NAMES}
