"""The control interface under `/_carrier`: the book and the faults."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from tellal.carrier.book import Book, Question
from tellal.carrier.callbacks import Callbacks
from tellal.carrier.faults import Fault, Faults
from tellal.carrier.iys_store import IysStore
from tellal.carrier.netgsm_jobs import Delivery
from tellal.carrier.netgsm_routes import NetgsmCounter
from tellal.carrier.smpp_centre import MessageCentre
from tellal.carrier.twilio_calls import Exchange
from tellal.carrier.twilio_messages import TextMessages, Walk

_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The handlers, over the simulator's parts."""

    book: Book
    faults: Faults
    messages: TextMessages
    walk: Walk
    netgsm: NetgsmCounter
    iys: IysStore
    delivery: Delivery
    exchange: Exchange
    callbacks: Callbacks
    centre: MessageCentre

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(prefix="/_carrier", tags=["Control"])
        router.add_api_route("/book", self.read, methods=["GET"])
        router.add_api_route("/book", self.empty, methods=["DELETE"], status_code=204)
        router.add_api_route("/book/count", self.count, methods=["GET"])
        router.add_api_route("/book/taken", self.taken, methods=["GET"])
        router.add_api_route("/callbacks", self.way_back, methods=["GET"])
        router.add_api_route("/faults", self.add_fault, methods=["POST"], status_code=201)
        router.add_api_route("/faults", self.faults_on, methods=["GET"])
        router.add_api_route("/faults", self.no_faults, methods=["DELETE"], status_code=204)
        return router

    async def read(
        self,
        *,
        to: str = "",
        channel: str = "",
        since: datetime | None = None,
        m: str = "",
        refused: Annotated[bool, Query(description="requests that were not taken, too")] = False,
        limit: Annotated[int, Query(ge=1, le=1_000_000)] = _PAGE,
    ) -> JSONResponse:
        """Return what was taken (with `refused` also what was not), oldest first."""
        question = Question(to=to, channel=channel, since=since, message_id=m, refused_too=refused)
        found = self.book.find(question, limit)
        return JSONResponse({"entries": [entry.as_json() for entry in found]})

    async def count(
        self, *, to: str = "", channel: str = "", since: datetime | None = None, m: str = ""
    ) -> JSONResponse:
        """Count what was taken (`count`) and every request (`requests`)."""
        question = Question(to=to, channel=channel, since=since, message_id=m)
        return JSONResponse(self.book.count(question))

    async def taken(
        self, *, least: Annotated[int, Query(ge=1, description="only those so often taken")] = 1
    ) -> JSONResponse:
        """Return for each message id of the caller's how often it was taken; twice is a duplicate.

        It is the `m` of a callback address, or whatever else the carrier has carried it in.
        """
        return JSONResponse({"messages": self.book.taken(least)})

    async def empty(self) -> None:
        """Forget every message, and what İYS was told."""
        self.book.clear()
        self.messages.clear()
        self.exchange.clear()
        self.netgsm.clear()
        self.iys.clear()
        self.centre.texts.clear()

    async def way_back(self) -> dict[str, int]:
        """Count callbacks answered and lost, and messages that are still walking."""
        return {
            "answered": self.callbacks.answered,
            "lost": self.callbacks.lost,
            "walking": self.walk.walking
            + self.delivery.under_way
            + self.exchange.under_way
            + self.centre.texts.under_way,
        }

    async def add_fault(self, fault: Fault) -> Fault:
        """Switch a fault on."""
        self.faults.add(fault)
        return fault

    async def faults_on(self) -> Sequence[Fault]:
        """List the faults, with how often each has fired."""
        return self.faults.listed()

    async def no_faults(self) -> None:
        """Switch all faults off."""
        self.faults.clear()
