"""Texts that WhatsApp has approved: which of them a topic uses, and what fills them in.

`topic.json` names them by language, with their variables numbered from 1 as Meta wants them:
`"whatsapp": {"tr": {"content": "HX…", "variables": {"1": "case.number"}}}`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tellal.domain.errors import InvalidInputError
from templates.naming import did_you_mean
from templates.variables import Path, look_up

_SID = re.compile(r"HX[0-9a-f]{32}")
_FIELDS = frozenset({"content", "variables"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """An approved text at the provider, and the paths of what fills it in, by their numbers."""

    content: str
    variables: Mapping[str, Path]


def read_approved(
    declared: object, *, file: str, texts: frozenset[str], example: Mapping[str, object]
) -> dict[str, Approved]:
    """Read the part of `topic.json` that names approved texts, by language.

    `texts` are the languages in which the topic has words of its own for WhatsApp; a path is known
    if the topic's example has a value there.

    Raises:
        InvalidInputError: Something in it is not so; the error says where and what was meant.
    """
    found: dict[str, Approved] = {}
    for language, entry in _object(declared, f"{file}: whatsapp").items():
        where = f"{file}: whatsapp.{language}"
        if language not in texts:
            raise _wrong(where, "the topic has no text for it", f"write whatsapp.{language}.j2")
        fields = _object(entry, where)
        for name in sorted(fields.keys() - _FIELDS):
            raise _wrong(where, f"there is no field {name!r}", did_you_mean(name, _FIELDS))
        found[language] = Approved(
            content=_sid(fields.get("content"), where),
            variables=dict(_paths(fields.get("variables", {}), f"{where}.variables", example)),
        )
    return found


def _sid(given: object, where: str) -> str:
    if not isinstance(given, str) or not _SID.fullmatch(given):
        raise _wrong(f"{where}.content", "it is no ContentSid", "HX and 32 digits of 0-9a-f")
    return given


def _paths(given: object, where: str, example: Mapping[str, object]) -> Iterator[tuple[str, Path]]:
    variables = _object(given, where)
    if set(variables) != {str(number + 1) for number in range(len(variables))}:
        raise _wrong(where, "they are not numbered from 1 without a gap", 'as in {"1": …, "2": …}')
    for number, dotted in sorted(variables.items(), key=lambda item: int(item[0])):
        path = tuple(dotted.split(".")) if isinstance(dotted, str) else ()
        if not isinstance(look_up(example, path), str | int | float):
            known = (".".join(one) for one in _known(example))
            message = f"the topic's example has no value at {dotted!r}"
            raise _wrong(f"{where}.{number}", message, did_you_mean(str(dotted), known))
        yield number, path


def _known(values: Mapping[str, object], head: Path = ()) -> Iterator[Path]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _known(value, (*head, name))
        else:
            yield (*head, name)


def _object(given: object, where: str) -> Mapping[str, object]:
    if not isinstance(given, dict):
        raise _wrong(where, "it is no JSON object", "")
    return given


def _wrong(where: str, message: str, hint: str) -> InvalidInputError:
    return InvalidInputError(f"{where}: {message}", field=where.partition(": ")[2], hint=hint)
