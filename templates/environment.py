"""The only module that configures Jinja2: a sandbox that fills message texts in.

A text for push, banner or e-mail begins with a line `Subject: …` and an empty line. Texts say and
do not calculate: there are no global functions, and nothing that a caller gave can be changed or
looked into beyond its items.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Self

from jinja2 import (
    FunctionLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateSyntaxError,
    UndefinedError,
    select_autoescape,
)
from jinja2.meta import find_referenced_templates
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tellal.domain.channels import Channel
from tellal.domain.errors import InvalidInputError
from tellal.ports import Rendered
from templates.approved import Approved
from templates.library import DEFAULT_LANGUAGE, Folder, Library
from templates.naming import TemplateName, did_you_mean
from templates.variables import Needs, Path as VariablePath, is_blank, look_up

SHIPPED = files("templates") / "messages"
_SUBJECT = "Subject:"
_LAYOUTS = "layouts/"
_KEEP_PARAGRAPHS = frozenset({Channel.EMAIL, Channel.WHATSAPP})


class _Sandbox(ImmutableSandboxedEnvironment):
    """Where `case.items` is the item that the caller gave, before it is a method of dict."""

    def getattr(self, obj: object, attribute: str) -> object:
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def make_environment(load: Callable[[str], str | None]) -> ImmutableSandboxedEnvironment:
    """Return Jinja2 as Tellal uses it: sandboxed, strict, HTML escaped, no global functions."""
    environment = _Sandbox(
        loader=FunctionLoader(load),
        undefined=StrictUndefined,
        finalize=_refuse_blank,
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default_for_string=False),
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.clear()
    environment.filters["sentence"] = sentence
    environment.filters["spoken"] = spoken
    return environment


def sentence(text: object) -> str:
    """End a caller's words with a full stop, unless they end with a mark of their own."""
    words = str(text).strip()
    return words if not words or words.endswith((".", "!", "?", "…")) else f"{words}."


def spoken(words: object, language: str) -> object:
    """Return what is said in a language, English where it is not, of words kept by language.

    Words that are no mapping are in the only language that there is.
    """
    if not isinstance(words, Mapping):
        return words
    return words.get(language) or words.get(DEFAULT_LANGUAGE, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiled:
    name: TemplateName
    subject: Template | None
    text: Template
    html: Template | None
    needs: Needs
    approved: Approved | None

    @property
    def required(self) -> tuple[VariablePath, ...]:
        """What the words and the approved text cannot do without, sorted."""
        filled = self.approved.variables.values() if self.approved else ()
        return tuple(sorted({*self.needs.required, *filled}))


class JinjaRenderer:
    """Fills in texts: those of a folder, by default the one that ships with Tellal, or given ones.

    A text is read and compiled when it is first needed, and kept.
    """

    def __init__(
        self, folder: Path | None = None, *, texts: Mapping[str, str] | None = None
    ) -> None:
        self._layouts = Library(Folder(files("templates") / "layouts"))
        self.library = Library(Folder(folder or SHIPPED) if texts is None else texts)
        self._environment = make_environment(self._load)
        self._compiled: dict[TemplateName, _Compiled] = {}

    def render(
        self, *, topic: str, channel: Channel, language: str, variables: Mapping[str, object]
    ) -> Rendered:
        """Render the topic's template for the channel, in the language or its fallback.

        Raises:
            InvalidInputError: There is no such template, or a variable is missing or blank.
        """
        compiled = self._compile(self.library.find(topic=topic, channel=channel, language=language))
        for path in compiled.required:
            if is_blank(look_up(variables, path)):
                raise _missing(compiled.name, path, variables)
        try:
            return _fill(compiled, variables)
        except UndefinedError as error:
            sometimes = sorted(compiled.needs.sometimes - compiled.needs.optional)
            blank = [path for path in sometimes if is_blank(look_up(variables, path))]
            if blank:
                path = _the_one(blank, variables, error)
                raise _missing(compiled.name, path, variables) from error
            raise _broken(compiled.name.path, error) from error
        except TemplateError as error:
            raise _broken(compiled.name.path, error) from error

    async def of(self, _: str, /) -> Self:
        """Return these texts for any revision: they are the only ones here."""
        return self

    def text_name(self, *, topic: str, channel: Channel, language: str) -> str:
        """Name the text that speaks, `<topic>/<channel>.<language>`; empty if there is none."""
        try:
            name = self.library.find(topic=topic, channel=channel, language=language)
        except InvalidInputError:
            return ""
        return f"{name.topic}/{name.channel}.{name.language}"

    def required_variables(self, *, topic: str, channel: Channel, language: str) -> tuple[str, ...]:
        """Name what the text cannot do without on any way through it: dotted paths, sorted."""
        compiled = self._compile(self.library.find(topic=topic, channel=channel, language=language))
        return tuple(".".join(path) for path in compiled.required)

    def spared_variables(self, *, topic: str, channel: Channel, language: str) -> tuple[str, ...]:
        """Name what the text says something else instead of, or asks for first: sorted."""
        compiled = self._compile(self.library.find(topic=topic, channel=channel, language=language))
        return tuple(sorted(".".join(path) for path in compiled.needs.optional))

    def variables_of(
        self, *, topic: str, channel: Channel, language: str
    ) -> tuple[VariablePath, ...]:
        """Name everything that the text reads on any way through it, sorted."""
        compiled = self._compile(self.library.find(topic=topic, channel=channel, language=language))
        needs = compiled.needs
        read = needs.always | needs.sometimes | needs.optional
        filled = compiled.approved.variables.values() if compiled.approved else ()
        return tuple(sorted({*read, *filled}))

    def list_templates(self) -> tuple[TemplateName, ...]:
        """Return every text there is, sorted by topic, channel and language."""
        return self.library.names

    def example(self, topic: str) -> dict[str, object]:
        """Return variables with which every text of the topic can be filled in."""
        return self.library.example(topic)

    def _load(self, path: str) -> str | None:
        if path.startswith(_LAYOUTS):
            return self._layouts.source(path.removeprefix(_LAYOUTS))
        return self.library.source(path)

    def _compile(self, name: TemplateName) -> _Compiled:
        if name not in self._compiled:
            try:
                self._compiled[name] = self._read(name)
            except TemplateSyntaxError as error:
                raise _broken(f"{error.name or name.path}:{error.lineno}", error) from error
            except TemplateError as error:
                raise _broken(name.path, error) from error
        return self._compiled[name]

    def _read(self, name: TemplateName) -> _Compiled:
        subject, text = _split(self._load(name.path) or "")
        html = self._load(name.html_path)
        needs = Needs()
        for source in (subject, text, html or ""):
            self._collect(needs, source)
        return _Compiled(
            name=name,
            subject=self._environment.from_string(subject) if subject else None,
            text=self._environment.from_string(text),
            html=None if html is None else self._environment.get_template(name.html_path),
            needs=needs,
            approved=self.library.approved(name),
        )

    def _collect(self, needs: Needs, source: str, *, sure: bool = True) -> None:
        """Read what a source needs; parts of a layout may be replaced by whoever extends it."""
        tree = self._environment.parse(source)
        needs.read(tree, sure=sure)
        for reference in find_referenced_templates(tree):
            if reference is not None:
                self._collect(needs, self._load(reference) or "", sure=False)


def _split(source: str) -> tuple[str, str]:
    """Part the subject line from the text, whose lines keep their numbers."""
    first, newline, rest = source.partition("\n")
    if first.startswith(_SUBJECT):
        return first.removeprefix(_SUBJECT).strip(), newline + rest
    return "", source


def _fill(compiled: _Compiled, variables: Mapping[str, object]) -> Rendered:
    text = compiled.text.render(variables)
    is_letter = compiled.name.channel in _KEEP_PARAGRAPHS
    approved = compiled.approved
    return Rendered(
        subject=_one_line(compiled.subject.render(variables)) if compiled.subject else "",
        text=_paragraphs(text) if is_letter else _one_line(text),
        html=compiled.html.render(variables).strip() if compiled.html else "",
        content=approved.content if approved else "",
        content_variables=_filling(approved.variables, variables) if approved else {},
    )


def _filling(
    paths: Mapping[str, VariablePath], variables: Mapping[str, object]
) -> Mapping[str, str]:
    """Return an approved text's variables, each on a line of its own: Meta takes no breaks."""
    return {number: _one_line(str(look_up(variables, path))) for number, path in paths.items()}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _paragraphs(text: str) -> str:
    """Trim the ends of lines, and leave at most one empty line between paragraphs."""
    lines: list[str] = []
    for line in text.strip().splitlines():
        if line.strip() or (lines and lines[-1]):
            lines.append(line.rstrip())
    return "\n".join(lines)


def _refuse_blank(value: object) -> object:
    """Refuse to print nothing: a hole in a sentence is a mistake of whoever filled it in."""
    if is_blank(value):
        raise UndefinedError("a variable is blank")
    return value


def _the_one(
    blank: Sequence[VariablePath], variables: Mapping[str, object], error: UndefinedError
) -> VariablePath:
    """Return which of the blank variables was in the way: Jinja2 names what is not there at all."""
    named = [path for path in blank if f"'{path[-1]}'" in (error.message or "")]
    given = [path for path in blank if path[-1] in _beside(variables, path)]
    return (named or given or blank)[0]


def _beside(variables: Mapping[str, object], path: VariablePath) -> Mapping[object, object]:
    """Return what a variable stands among, as far as it is there."""
    siblings = look_up(variables, path[:-1]) if path[1:] else variables
    return siblings if isinstance(siblings, Mapping) else {}


def _missing(
    name: TemplateName, path: VariablePath, variables: Mapping[str, object]
) -> InvalidInputError:
    dotted = ".".join(path)
    siblings = look_up(variables, path[:-1]) if path[1:] else variables
    known = siblings if isinstance(siblings, Mapping) else variables
    if path[-1] in known:
        return InvalidInputError(f"{name.path} needs {dotted}, which is blank", field=dotted)
    return InvalidInputError(
        f"{name.path} needs {dotted}, which is missing",
        field=dotted,
        hint=did_you_mean(path[-1], (str(key) for key in known)),
    )


def _broken(where: str, error: TemplateError) -> InvalidInputError:
    return InvalidInputError(f"{where}: {error.message}", field="template")
