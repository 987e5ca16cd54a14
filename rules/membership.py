"""Narrows a rulebook to one question, so that a statement finds everybody who meets a condition."""

from dataclasses import replace
from datetime import timedelta

from rules.definitions import FactRule, Rule, Section, Suppression, Topic
from rules.ir import Ir, negate
from rules.rulebook import Rulebook
from rules.shards import make_shard
from tellal.domain.channels import Lane, MessageClass

MEMBERSHIP = "#membership"  # no topic of a rule file is called so


def asking_who(book: Rulebook, segment: Ir) -> Rulebook:
    """Return a rulebook that has a topic besides which only its suppression stops.

    Whoever does not meet the segment is suppressed; nothing else is asked about him. It is for SQL,
    the engine's programs are those of the whole rulebook.
    """
    topic = Topic(
        id=MEMBERSHIP,
        means="Whether somebody belongs",
        # Nobody can turn off what is mandatory, so that wishes do not matter.
        message_class=MessageClass.MANDATORY,
        lane=Lane.BULK,
        priority=0,
        on=(),
        once=False,
        content_version=1,
        expires=timedelta(days=1),
        attempts=1,
        every=timedelta(days=1),
        stop_when=None,
        file="",
        line=0,
    )
    outside = Suppression(
        id=f"{MEMBERSHIP}.outside",
        section=Section.SUPPRESS,
        when=negate(segment),
        means="He does not belong",
        file="",
        line=0,
        reason="outside",
        text="He does not belong",
    )
    facts: list[Rule] = [rule for rule in book.rules if isinstance(rule, FactRule)]
    shard = make_shard(topic, [outside, *facts], book.vocabulary)
    return replace(
        book,
        topics={**book.topics, MEMBERSHIP: topic},
        shards={**book.shards, MEMBERSHIP: shard},
    )
