"""Groups: customers under a name, and what texts may say of a member alone."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tellal.domain.errors import ConflictError, InvalidInputError

LONGEST_NAME = 100
LONGEST_VALUE = 500
MOST_VARIABLES = 50

RESERVED = frozenset({"brand", "customer", "case", "outage", "campaign"})
"""What texts say of others than the member: a column may not speak in their names."""

_TURKISH = str.maketrans({"ı": "i", "İ": "i", "ł": "l", "Ł": "l", "ß": "ss"})
_NO_NAME = re.compile(r"[/\x00-\x1f\x7f]")
_BETWEEN = re.compile(r"[^a-z0-9]+")


class GroupKind(StrEnum):
    """How a group comes to its members."""

    LIST = "list"
    """Those who were put in."""
    SEGMENT = "segment"
    """Whoever meets the condition when it is asked."""
    SNAPSHOT = "snapshot"
    """Those who met it once; it is not changed any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group; `segment` is the condition of one of that kind, `source` where members came from."""

    id: str
    brand_id: str
    name: str
    kind: GroupKind
    segment: Mapping[str, object] | None
    source: str
    made_by: str
    created_at: datetime
    changed_at: datetime

    def check_is_list(self) -> None:
        """Refuse to change the members of what is no list.

        Raises:
            ConflictError: Its members are not put in one by one.
        """
        if self.kind is not GroupKind.LIST:
            raise ConflictError(
                f"the members of a {self.kind.value} are not put in or taken out",
                code="not_a_list",
                hint="make a list; a segment's members follow from its condition",
            )


def checked_name(name: str) -> str:
    """Return a group's name without blanks around it.

    Raises:
        InvalidInputError: It is empty, too long, or holds a slash or a control character.
    """
    found = " ".join(name.split())
    if not found or len(found) > LONGEST_NAME or _NO_NAME.search(found):
        raise InvalidInputError(
            "a group is called by 1 to 100 characters without a slash",
            field="name",
            hint="as in spring-2027, or Gold customers",
        )
    return found


def slug(heading: str) -> str:
    """Write a heading as the name of a variable: `Borç Tutarı` becomes `borc_tutari`."""
    plain = unicodedata.normalize("NFKD", heading.translate(_TURKISH).lower())
    return _BETWEEN.sub("_", "".join(c for c in plain if not unicodedata.combining(c))).strip("_")


def variable_name(heading: str) -> str:
    """Return the name under which texts find a column.

    Raises:
        InvalidInputError: No name can be made of it, or texts know something else by it.
    """
    name = slug(heading)
    if not name or name[0].isdigit():
        raise InvalidInputError(
            f"no variable can be called after the column {heading!r}",
            field=heading,
            hint="begin its heading with a letter",
        )
    if name in RESERVED:
        raise InvalidInputError(
            f"texts know something else as {name!r}", field=heading, hint="call the column another"
        )
    return name


def checked_variables(variables: Mapping[str, object]) -> dict[str, object]:
    """Return what is said of one member: short texts, numbers, yes or no, under plain names.

    Raises:
        InvalidInputError: They are too many, a name is no variable's, or a value is too long.
    """
    if len(variables) > MOST_VARIABLES:
        raise InvalidInputError(
            f"a member has at most {MOST_VARIABLES} variables", field="variables"
        )
    for name, value in variables.items():
        if variable_name(name) != name:
            raise InvalidInputError(
                f"{name!r} is no name of a variable",
                field=f"variables.{name}",
                hint=f"write {variable_name(name)}",
            )
        checked_value(name, value)
    return dict(variables)


def checked_value(name: str, value: object) -> None:
    """Refuse what no text could say.

    Raises:
        InvalidInputError: It is too long, holds NUL, or is neither text, number nor yes or no.
    """
    if isinstance(value, str):
        if len(value) > LONGEST_VALUE:
            raise InvalidInputError(
                f"it has {len(value)} characters, and at most {LONGEST_VALUE} are taken",
                field=name,
                hint="shorten it: a text message has 160",
            )
        if "\x00" in value:
            raise InvalidInputError("it holds a NUL", field=name, hint="take it out")
    elif not isinstance(value, bool | int | float):
        raise InvalidInputError("it is neither text nor number", field=name, hint="write a text")


def missing_variable(required: Collection[str], variables: Mapping[str, object]) -> str:
    """Name the first of a text's required variables that a member lacks; empty if he lacks none.

    `required` are dotted paths, as `JinjaRenderer.required_variables` gives them; blank is missing.
    """
    for path in sorted(required):
        found: object = variables
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if found is None or (isinstance(found, str) and not found.strip()):
            return path
    return ""
