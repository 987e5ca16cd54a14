"""Conditions that are asked outside of a decision: of a segment, of the end of a purpose."""

from collections.abc import Mapping

from rules.ir import Ir, facts_of, fields_of
from rules.language import parse_condition
from rules.names import CLASS, COUNT, LAST, TOPIC
from rules.reference import derived, holds
from rules.rulebook import Rulebook, Topic
from rules.shards import counting_facts
from rules.situations import Situation, derivable
from rules.vocabulary import Vocabulary
from tellal.domain.decisions import Value


def parse_segment(book: Rulebook, raw: object) -> Ir:
    """Read who is meant, by the vocabulary and the facts of a rulebook.

    What is counted in the ledger is no part of it: whether somebody belongs must not change while
    the messages of the segment go out.

    Raises:
        InvalidInputError: It is no condition, or reads what there is not.
    """
    vocabulary = Vocabulary(
        fields={
            path: field
            for path, field in book.vocabulary.fields.items()
            if not path.startswith((COUNT, LAST))
        }
    )
    return parse_condition(raw, vocabulary, book.fact_names - counting_facts(book.strata))


def belongs(
    book: Rulebook, segment: Ir, document: Mapping[str, Value], situation: Situation
) -> bool:
    """Say whether somebody belongs to a segment."""
    known = book.vocabulary.known(document)
    known |= derivable(book.fact_fields | fields_of(segment)).complete(known, situation)
    facts = derived(book.strata, known)[0] if facts_of(segment) else frozenset[str]()
    return holds(segment, known, facts)


def converted(
    book: Rulebook, topic: Topic, document: Mapping[str, Value], situation: Situation
) -> bool:
    """Say whether what the messages of a topic ask for has happened.

    The topic may be that of an older rulebook; facts are derived by the one that is given.
    """
    if topic.stop_when is None:
        return False
    constants = {TOPIC: topic.id, CLASS: topic.message_class.value}
    return belongs(book, topic.stop_when, {**document, **constants}, situation)
