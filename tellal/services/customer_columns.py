"""The columns in which customers go out and come in, so that neither side knows one alone."""

from collections.abc import Iterable, Mapping

from rules.names import CUSTOMER
from rules.vocabulary import Field, FieldType, Vocabulary
from tellal.domain.channels import Channel

CHANNELS = (Channel.SMS, Channel.EMAIL, Channel.PUSH, Channel.WHATSAPP, Channel.CALL)
REF = "customer"
WHO = ("kind", "locale", "timezone", "country", "first_name")
WISHES = ("service_only", "topics_off")
BAD, OTHERS = "bad_addresses", "other_facts"
FIXED = (REF, *WHO, *(channel.value for channel in CHANNELS), BAD, *WISHES, OTHERS)
_IN_WHO = frozenset(f"{CUSTOMER}{name}" for name in WHO)


def fact_columns(vocabulary: Vocabulary) -> Mapping[str, Field]:
    """Return the fields that are stored as a customer's facts, by the names of their columns."""
    stored = (
        field
        for path, field in sorted(vocabulary.fields.items())
        if path.startswith(CUSTOMER) and path not in _IN_WHO and field.type is not FieldType.AGO
    )
    return {_column(field): field for field in stored}


def _column(field: Field) -> str:
    name = field.column or field.path.removeprefix(CUSTOMER).replace(".", "_")
    return f"fact_{name}" if name in FIXED else name


def spaced(words: Iterable[str]) -> str:
    """Write what holds no blanks, addresses and names of topics, as one cell."""
    return " ".join(words)
