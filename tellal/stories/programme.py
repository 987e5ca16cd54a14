"""The programme: which stories there are, and how they are played."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from tellal.domain.errors import InvalidInputError
from tellal.settings import Settings
from tellal.stories import bank, campaign, channels, consent, distributor, outage
from tellal.stories.cast import Ensemble, gather_ensemble
from tellal.stories.scene import Moment, Say, Scene, Stage, StoryResult, nothing_happens

STORIES: Mapping[str, Callable[[Scene, Ensemble], Awaitable[None]]] = {
    "bank": bank.play,
    "distributor": distributor.play,
    "outage": outage.play,
    "consent": consent.play,
    "campaign": campaign.play,
    "channels": channels.play,
}
"""Story ids as `tellal demo` takes them, in the order in which they are played."""

_SPEED = 200.0
"""What a rule makes wait for minutes takes less than a second in a story."""
_ROUTES = Path(__file__).parent / "routes.yaml"


def house_settings() -> Settings:
    """Return the settings of the stack on which stories are played, besides those of its owner."""
    return Settings(rehearsal_speed=_SPEED, routes=_ROUTES)


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """Return the stories to play: those named, or all.

    Raises:
        InvalidInputError: There is no story of that name.
    """
    for name in names:
        if name not in STORIES:
            known = ", ".join(STORIES)
            raise InvalidInputError(f"no story {name!r}", field="story", hint=f"one of: {known}")
    return tuple(names) or tuple(STORIES)


async def play(
    stage: Stage, names: Sequence[str], say: Say, moment: Moment = nothing_happens
) -> list[StoryResult]:
    """Play stories one after the other on a running stack; an error ends a story, not the rest."""
    ensemble = await gather_ensemble(stage.database_url, stage.rulebook)
    results = []
    for name in chosen(names):
        say(f"— {name} —")
        scene = Scene(stage=stage, say=say, moment=moment)
        try:
            await STORIES[name](scene, ensemble)
        except Exception as error:  # noqa: BLE001 - a story that breaks off has failed; the next is told
            scene.expect(
                "the story is told to its end", "the end", f"{type(error).__name__}: {error}"
            )
        results.append(scene.result(name))
    return results
