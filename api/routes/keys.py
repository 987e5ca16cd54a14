"""API keys: made, rotated with an overlap, revoked at once."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import Reading, Writing, may_read, may_write
from tellal.services import keys
from tellal.services.keys import ApiKey, Role, Scope

router = APIRouter(prefix="/keys", tags=["keys"])

KeyId = Annotated[str, Path(max_length=64)]
Reader = Annotated[Reading, may_read(Scope.KEYS_ADMIN)]
Writer = Annotated[Writing, may_write(Scope.KEYS_ADMIN)]


class NewKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=60, examples=["crm"])
    scopes: list[Scope] = Field(default=[], examples=[["customers:write", "events:write"]])
    roles: list[Role] = Field(
        default=[],
        description="What the person does; each role opens some scopes besides",
        examples=[["approver"]],
    )
    person: str = Field(
        default="",
        max_length=254,
        description="The account of the person whose own key it is; leave it out for a system's. "
        "Only people propose, approve and publish rulebooks",
        examples=["ada@bank.example"],
    )
    expires_at: AwareDatetime | None = Field(
        default=None, description="Never, if left out", examples=["2027-01-01T00:00:00Z"]
    )
    rehearses: bool = Field(
        default=False,
        description="Whatever the key sets off is decided, recorded and queued as always, and "
        "never reaches a provider. It cannot have the scope `keys:admin`.",
    )


class Rotation(BaseModel):
    """How long the old key goes on working beside the new one, in seconds."""

    model_config = ConfigDict(extra="forbid")

    overlap_s: int = Field(default=3600, ge=0, le=30 * 86400)


class MadeKey(BaseModel):
    """A new key; its token is in the first answer only, and empty in the answer to a repeat."""

    key: ApiKey
    token: str


class KeyList(BaseModel):
    """The brand's keys."""

    items: list[ApiKey]


@router.post("", status_code=201, responses=documented(409, 422), response_model=MadeKey)
async def create_key(body: NewKey, write: Writer) -> Response:
    """Make a key. Its token is in this answer and nowhere else."""

    async def effect(tx: AsyncSession) -> MadeKey:
        made, token = await keys.create_key(
            tx, write.brand.id, body.name, body.scopes, body.expires_at,
            now=write.desk.clock.now(), rehearses=body.rehearses, person=body.person,
            roles=body.roles, made_by=write.caller.key.person,
        )  # fmt: skip
        return MadeKey(key=made, token=token)

    return await write.once(201, effect, keep=_without_token)


@router.get("", responses=documented())
async def list_keys(read: Reader) -> KeyList:
    """List the keys of your brand, with their last use."""
    async with read.session() as tx:
        return KeyList(items=list(await keys.list_keys(tx, read.brand.id)))


@router.post("/{key_id}/rotate", status_code=201, responses=documented(404, 409, 422),
             response_model=MadeKey)  # fmt: skip
async def rotate_key(key_id: KeyId, body: Rotation, write: Writer) -> Response:
    """Replace a key by a new one of the same name and scopes; both work during the overlap."""

    async def effect(tx: AsyncSession) -> MadeKey:
        made, token = await keys.rotate_key(
            tx, write.brand.id, key_id, overlap=timedelta(seconds=body.overlap_s),
            now=write.desk.clock.now(), made_by=write.caller.key.person,
        )  # fmt: skip
        return MadeKey(key=made, token=token)

    return await write.once(201, effect, keep=_without_token)


@router.delete("/{key_id}", status_code=204, responses=documented(404, 409))
async def revoke_key(key_id: KeyId, write: Writer) -> Response:
    """Revoke a key: it opens nothing from the answer on."""

    async def effect(tx: AsyncSession) -> None:
        await keys.revoke_key(tx, write.brand.id, key_id, now=write.desk.clock.now())

    return await write.once(204, effect)


def _without_token(made: MadeKey) -> MadeKey:
    return made.model_copy(update={"token": ""})
