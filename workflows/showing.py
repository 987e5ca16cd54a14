"""What engineers see of a run without opening a payload: filters and a panel of words."""

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

BRAND = SearchAttributeKey.for_keyword("TellalBrand")
TOPIC = SearchAttributeKey.for_keyword("TellalTopic")
STAGE = SearchAttributeKey.for_keyword("TellalStage")
OUTCOME = SearchAttributeKey.for_keyword("TellalOutcome")
RULE = SearchAttributeKey.for_keyword("TellalRule")


def show(**words: str) -> None:
    """Show what changed of `topic`, `stage`, `outcome` and `rule`; the same again costs nothing."""
    keys = {"topic": TOPIC, "stage": STAGE, "outcome": OUTCOME, "rule": RULE}
    known = workflow.info().typed_search_attributes
    updates: list[SearchAttributeUpdate[str]] = [
        keys[name].value_set(word)
        for name, word in words.items()
        if word and known.get(keys[name]) != word
    ]
    if updates:
        workflow.upsert_search_attributes(updates)
