"""A customer's own page of preferences; its address is signed by us."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from api.problems import documented
from api.requests import Reading, may_read
from api.state import Desk, TheDesk
from tellal.services.keys import Scope
from tellal.services.preferences import Chosen, PreferenceSheet

router = APIRouter(prefix="/preferences", tags=["public"])
of_customers = APIRouter(prefix="/customers/{ref}/preferences", tags=["customers"])

Ref = Annotated[str, Path(max_length=200, description="Your own name for the customer")]
Reader = Annotated[Reading, may_read(Scope.CUSTOMERS_READ)]


class Link(BaseModel):
    """The address of a customer's page: whoever holds it is the customer."""

    url: str


@of_customers.get("/link", responses=documented(404))
async def get_link(ref: Ref, read: Reader) -> Link:
    """Return the address of the page on which a customer chooses topics and channels himself."""
    async with read.session() as tx:
        return Link(url=await read.desk.preferences.address_of(tx, read.brand.id, ref))


@router.get("/{token}", response_class=HTMLResponse, responses=documented(404))
async def show(token: str, desk: TheDesk) -> HTMLResponse:
    """Show what stands. Nothing is changed by looking: filters and previews follow links."""
    async with desk.singles() as tx:
        sheet = await desk.preferences.show(tx, token)
    return _page(desk, sheet, done=False)


@router.post("/{token}", response_class=HTMLResponse, responses=documented(404))
async def choose(token: str, request: Request, desk: TheDesk) -> HTMLResponse:
    """Take what was chosen, without a reason; what it refuses stops at once."""
    form = await request.form()

    def all_of(name: str) -> frozenset[str]:
        return frozenset(str(one) for one in form.getlist(name))

    async with desk.sessions() as tx, tx.begin():
        before = await desk.preferences.show(tx, token)
        chosen = Chosen(
            shown_channels=all_of("shown_channel"),
            channels=all_of("channel"),
            shown_topics=all_of("shown_topic"),
            topics=all_of("topic"),
            service_only=form.get("service_only") == "yes",
            words={
                one.channel.value: desk.pages.words_beside(one.channel.value, before.language)
                for one in before.channels
            },
        )
        sheet = await desk.preferences.choose(tx, token, chosen)
    return _page(desk, sheet, done=True)


def _page(desk: Desk, sheet: PreferenceSheet, *, done: bool) -> HTMLResponse:
    page = desk.pages.preferences(
        brand=sheet.brand,
        language=sheet.language,
        channels=sheet.channels,
        topics=sheet.topics,
        service_only=sheet.service_only,
        done=done,
    )
    return HTMLResponse(page, headers={"Referrer-Policy": "no-referrer"})
