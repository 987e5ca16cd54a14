"""What people write to a brand's numbers: brought as Twilio or a message centre does."""

from dataclasses import dataclass

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from tellal.carrier.callbacks import Callbacks
from tellal.carrier.settings import CarrierSettings
from tellal.carrier.smpp_centre import MessageCentre
from tellal.carrier.twilio_messages import new_sid


class Text(BaseModel):
    """A text that somebody writes, and the address to which it is brought, else over SMPP.

    It is brought `times` times with the same id, as by a carrier that missed the first answer.
    """

    model_config = ConfigDict(extra="forbid")

    sender: str = Field(alias="from", pattern=r"^\+[1-9]\d{6,14}$")
    to: str = Field(min_length=3)
    text: str
    hook: str = ""
    times: int = Field(default=1, ge=1, le=10)


class Brought(BaseModel):
    """Twilio's id of a text, empty over SMPP, which has none."""

    sid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Phones:
    """The phones of all people."""

    settings: CarrierSettings
    callbacks: Callbacks
    centre: MessageCentre

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(prefix="/_carrier", tags=["Control"])
        router.add_api_route("/texts", self.write, methods=["POST"], status_code=201)
        return router

    async def write(self, said: Text) -> Brought:
        """Let a person write a text; return when it was brought, whatever was answered."""
        if not said.hook:
            for _ in range(said.times):
                await self.centre.write(sender=said.sender, to=said.to, text=said.text)
            return Brought(sid="")
        form = {
            "MessageSid": new_sid(),
            "AccountSid": self.settings.account_sid,
            "From": said.sender,
            "To": said.to,
            "Body": said.text,
            "NumMedia": "0",
        }
        for _ in range(said.times):
            await self.callbacks.post(said.hook, form)
        return Brought(sid=form["MessageSid"])
