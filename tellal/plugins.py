"""Providers of other packages, found by entry points of the group `tellal.providers`.

An entry point is called with the settings and returns a `tellal.ports.Sender` whose provider is the
entry point's name. What it may carry is said in the table of routes, as for ours.
"""

from importlib.metadata import entry_points

from tellal.domain.errors import InvalidInputError
from tellal.ports import Sender
from tellal.settings import Settings

GROUP = "tellal.providers"


def third_parties(settings: Settings) -> dict[str, Sender]:
    """Make the senders that the settings name.

    Raises:
        InvalidInputError: No installed package offers a provider of that name, or what it offers
            calls itself otherwise.
    """
    offered = {point.name: point for point in entry_points(group=GROUP)}
    senders: dict[str, Sender] = {}
    for name in settings.third_party_providers:
        if name not in offered:
            raise InvalidInputError(
                f"no installed package offers the provider {name!r}",
                field="third_party_providers",
                hint=f"installed: {', '.join(sorted(offered)) or 'none'}",
            )
        sender: Sender = offered[name].load()(settings)
        if sender.provider != name:
            raise InvalidInputError(
                f"the provider {name!r} calls itself {sender.provider!r}",
                field="third_party_providers",
                hint="its package must name it as its entry point does",
            )
        senders[name] = sender
    return senders
