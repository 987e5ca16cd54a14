"""Persons: everything that is held about one, and its erasure."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.services.keys import Scope
from tellal.services.person_erasure import Erasure, erasures
from tellal.services.person_export import export_person

router = APIRouter(tags=["persons"])

Ref = Annotated[str, Path(max_length=200, description="Your own name for the customer")]
ErasureId = Annotated[str, Path(max_length=64)]
Reader = Annotated[Reading, may_read(Scope.PERSONS_READ)]
Eraser = Annotated[Writing, may_write(Scope.PERSONS_WRITE)]

ZIP = "application/zip"
_A_FILE = {"content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}}


class ErasingPerson(BaseModel):
    """Who has him erased, besides the key; do not write the person's own name here."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(default="", max_length=100)


_NOBODY = ErasingPerson()


@router.get(
    "/customers/{ref}/export",
    response_class=Response,
    responses={200: _A_FILE, **documented(404)},
)
async def export(ref: Ref, read: Reader) -> Response:
    """Hand out everything that is held about a customer: a ZIP with JSON and a README for him.

    The names of officers are left out: they are third persons.
    """
    async with read.session() as tx:
        content = await export_person(tx, read.brand, ref, read.desk.clock)
    headers = {"Content-Disposition": 'attachment; filename="person.zip"'}
    return Response(content, media_type=ZIP, headers={**headers, "Cache-Control": "no-store"})


@router.post("/customers/{ref}/erase", responses=documented(404, 409, 422), response_model=Erasure)
async def erase_person(ref: Ref, write: Eraser, body: ErasingPerson = _NOBODY) -> Response:
    """Erase a customer: once this is answered nothing further leaves for him.

    A salted hash of his addresses keeps what he refused. What providers have of his messages is
    deleted afterwards as far as they do that; look at the erasure again to see. 409 (`in_flight`)
    says that a message to him is being handed over: ask again in a few seconds.
    """
    write.check_rehearsal("person", simulated=False)

    async def effect(tx: AsyncSession) -> Erasure:
        return await write.desk.persons.erase(tx, write.brand, ref, by=write.signed(body.by))

    return await write.once(200, effect)


@router.get("/erasures", responses=documented())
async def list_erasures(read: Reader, after: After = "", limit: Limit = 50) -> Page[Erasure]:
    """List erasures in their order, with what providers still have."""
    async with read.session() as tx:
        found = await erasures(tx, read.brand.id, after=after, limit=limit + 1)
    return page_of(found, limit)


@router.get("/erasures/{erasure_id}", responses=documented(404))
async def get_erasure(erasure_id: ErasureId, read: Reader) -> Erasure:
    """Say how an erasure stands: `copies` are `due`, `deleted`, or `kept` with the reason."""
    async with read.session() as tx:
        return await read.desk.persons.find(tx, read.brand.id, erasure_id)
