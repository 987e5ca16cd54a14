"""What pages need to let browsers subscribe to pushes."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.problems import documented
from api.requests import Reading, may_read
from tellal.domain.errors import NotFoundError
from tellal.services.keys import Scope

router = APIRouter(prefix="/push", tags=["customers"])

Reader = Annotated[Reading, may_read(Scope.CUSTOMERS_READ)]


class WebKeyView(BaseModel):
    """The key with which a page subscribes: it is public."""

    key: str = Field(description="`applicationServerKey`, in base64url")


@router.get("/web-key", responses=documented(404))
async def web_key(read: Reader) -> WebKeyView:
    """Return the key with which pages of yours let browsers subscribe."""
    if not read.desk.web_key:
        raise NotFoundError("pushes to browsers are not set up: TELLAL_WEB_PUSH__KEY_FILE")
    return WebKeyView(key=read.desk.web_key)
