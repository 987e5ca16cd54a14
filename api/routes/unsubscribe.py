"""The refusal of promotional mail by one click (RFC 8058); its address is signed by us."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from api.problems import documented
from api.state import TheDesk

router = APIRouter(prefix="/unsubscribe", tags=["public"])


@router.get("/{token}", response_class=HTMLResponse, responses=documented(404))
async def ask(token: str, desk: TheDesk) -> HTMLResponse:
    """Show a button. Nothing is refused yet: filters and previews follow links."""
    async with desk.singles() as tx:
        found = await desk.one_click.find(tx, token)
    page = desk.pages.unsubscribe(brand=found.brand, language=found.language, done=False)
    return HTMLResponse(page)


@router.post("/{token}", response_class=HTMLResponse, responses=documented(404))
async def refuse(token: str, desk: TheDesk) -> HTMLResponse:
    """Take the refusal, from a mail program or from the button; again changes nothing."""
    async with desk.sessions() as tx, tx.begin():
        found = await desk.one_click.refuse(tx, token)
    page = desk.pages.unsubscribe(brand=found.brand, language=found.language, done=True)
    return HTMLResponse(page)
