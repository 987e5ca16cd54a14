"""Outages as their workflows see them: one look at a time, and one chunk of an audience."""

from contextlib import suppress

from tellal.domain.errors import TellalError
from tellal.domain.journeys import OutageStep
from tellal.services.broadcasting import Broadcasting
from tellal.services.outage_watch import OutageWatch

_FIRST, _CHUNK = 100, 4_000
"""People decided together: few at first, so that the first message leaves at once."""


class OutageDesk:
    """Answers what workflows of outages ask."""

    def __init__(self, watch: OutageWatch, broadcasting: Broadcasting) -> None:
        self._watch = watch
        self._broadcasting = broadcasting

    async def look(self, outage_id: str) -> OutageStep:
        """Do what is due for an outage and say how it stands.

        Of a round that is to be decided the first few are decided at once: they need not wait until
        a workflow has been told and has asked for it.
        """
        step = await self._watch.look(outage_id)
        if step.undecided:
            # What is wrong with a round is for its own activity to say, which is tried again.
            with suppress(TellalError):
                await self._broadcasting.decide_chunk(step.undecided[0], _FIRST)
        return step

    async def decide_chunk(self, notice_id: str) -> bool:
        """Decide the next of a round's audience; say whether more are left."""
        decided = await self._broadcasting.decide_chunk(notice_id, _CHUNK)
        return not decided.done

    async def open_outcomes(self, outage_id: str) -> int:
        """Count the outcomes of an outage that have not come to an end."""
        return (await self._watch.look(outage_id)).open_outcomes
