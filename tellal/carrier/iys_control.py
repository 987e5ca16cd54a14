"""What happens at the simulated İYS besides requests of senders, under `/_carrier/iys`."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import AwareDatetime

from tellal.carrier.iys_store import IysStore

Body_ = Annotated[Any, Body()]


@dataclass(frozen=True, slots=True, kw_only=True)
class IysControl:
    """The handlers, over what İYS keeps."""

    store: IysStore

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(prefix="/_carrier/iys", tags=["Control"])
        router.add_api_route("/citizen/{brand}", self.citizen, methods=["POST"])
        router.add_api_route("/records/{brand}", self.records, methods=["GET"])
        router.add_api_route("/activation/{brand}", self.activation, methods=["POST"])
        router.add_api_route("/clock", self.clock, methods=["POST"])
        router.add_api_route("/tokens", self.forget_tokens, methods=["DELETE"])
        router.add_api_route("/tokens", self.tokens, methods=["GET"])
        return router

    async def citizen(self, brand: int, document: Body_) -> dict[str, object]:
        """Let a citizen say something at İYS: recipient, recipientType, type, status, source."""
        return self.store.say(brand, document).as_json()

    async def records(self, brand: int) -> dict[str, object]:
        """Return everything that stands for a brand."""
        return {"records": self.store.records(brand)}

    async def activation(self, brand: int, active: Annotated[bool, Body(embed=True)]) -> None:
        """Say whether a brand is past its activation, after which history is refused."""
        if active:
            self.store.before_activation.discard(brand)
        else:
            self.store.before_activation.add(brand)

    async def clock(self, at: Annotated[AwareDatetime | None, Body(embed=True)] = None) -> None:
        """Set the time at İYS; without one it is the real one."""
        self.store.set_clock(at)

    async def forget_tokens(self) -> None:
        """Know no token any more."""
        self.store.forget_tokens()

    async def tokens(self) -> dict[str, int]:
        """Count how often somebody came in by his password, and how often by renewing a token."""
        return {"logins": self.store.logins, "refreshes": self.store.refreshes}
