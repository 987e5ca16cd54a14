"""What one statement can hold; rules beyond it are refused with their place, never left out."""

from rules.definitions import QuietAction
from rules.ir import Test, leaves
from rules.shards import Shard
from rules.source import Place, Report

MAX_DEFERRING = 8
"""Quiet hours of one topic that defer: every set of them is worked out for every place."""
MAX_MASKED = 60
"""Caps, and quiet hours, of one topic: each has a bit of one number."""
MOST_RULES = 40_000
"""How many rules a section may have, so that the numbers of phases stay apart."""
MAX_PARAMETERS = 20_000
"""Values of one statement; PostgreSQL takes 65,535, and a comparison of rulebooks has two sets."""


def check_size(shard: Shard, report: Report) -> None:
    """Report what of a shard does not fit into a statement about a whole population."""
    place = Place(file=shard.topic.file, line=shard.topic.line)
    deferring = [a for a in shard.quiet_hours if a.rule.action is QuietAction.DEFER]
    tests = sum(isinstance(leaf, Test) for asked in shard.order for leaf in leaves(asked.when))
    for number, most, what in (
        (len(deferring), MAX_DEFERRING, "quiet hours that defer"),
        (len(shard.quiet_hours), MAX_MASKED, "quiet hours"),
        (len(shard.caps), MAX_MASKED, "caps"),
        (tests, MAX_PARAMETERS, "tests"),
        (max(len(shard.suppress), len(shard.law)), MOST_RULES, "rules in a section"),
    ):
        if number > most:
            message = f"'{shard.topic.id}' has {number} {what}, at most {most} are possible"
            report.add(place, message, "join some of them, or cut the topic in two")
