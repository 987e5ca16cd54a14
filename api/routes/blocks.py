"""The black list: addresses that nobody writes to, and by whose word."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.domain.blocks import Block, BlockOrigin
from tellal.domain.channels import Channel
from tellal.services.blocks import BlockInput, block_address
from tellal.services.keys import Scope

router = APIRouter(prefix="/blocks", tags=["blocks"])

BlockId = Annotated[str, Path(max_length=64)]
Reader = Annotated[Reading, may_read(Scope.BLOCKS_READ)]
Finder = Annotated[Writing, may_write(Scope.BLOCKS_READ)]
Writer = Annotated[Writing, may_write(Scope.BLOCKS_WRITE)]


class AddressBody(BaseModel):
    """An address, written as people write it."""

    model_config = ConfigDict(extra="forbid")

    address: str = Field(min_length=1, max_length=4096, examples=["0532 123 45 67"])
    channel: Channel | None = Field(
        default=None, description="Left out, the form tells: a number, an e-mail, a push token"
    )


class NewBlock(AddressBody):
    """An address to block.

    `institution` (a recycled number, a death, a court's order) stops every class, mandatory
    messages too; `customer` (he wants nothing) does not stop what the law orders to be told.
    """

    origin: BlockOrigin = Field(examples=["institution"])
    reason: str = Field(min_length=1, max_length=500, examples=["The number has a new owner"])
    until: AwareDatetime | None = Field(
        default=None, description="For ever, if left out", examples=["2027-01-01T00:00:00Z"]
    )
    by: str = Field(default="", max_length=100, description="Who asks for it, besides the key")


class Lift(BaseModel):
    """Who lifts a block, besides the key."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(default="", max_length=100, examples=["Complaints desk"])


_NOBODY = Lift()


class FoundBlocks(BaseModel):
    """The blocks on one address, lifted ones included."""

    items: list[Block]


@router.post("", status_code=201, responses=documented(409, 422), response_model=Block)
async def place_block(body: NewBlock, write: Writer) -> Response:
    """Block an address: once this is answered, nothing more is handed over for it.

    An address may have several blocks; each is lifted on its own.
    """
    said = BlockInput(
        address=block_address(write.brand, body.address, body.channel),
        origin=body.origin,
        reason=body.reason,
        until=body.until,
    )

    write.check_rehearsal("block", simulated=False)

    async def effect(tx: AsyncSession) -> Block:
        [block] = await write.desk.blocks.place(
            tx, write.brand.id, [said], by=write.signed(body.by)
        )
        return block

    return await write.once(201, effect)


@router.post("/find", responses=documented(409, 422), response_model=FoundBlocks)
async def find_blocks(body: AddressBody, write: Finder) -> Response:
    """Find the blocks on an address. It is sent in a body, because paths end in logs."""
    address = block_address(write.brand, body.address, body.channel)

    async def effect(tx: AsyncSession) -> FoundBlocks:
        found = await write.desk.blocks.page(tx, write.brand.id, address=address, limit=200)
        return FoundBlocks(items=list(found))

    return await write.once(200, effect)


@router.get("", responses=documented())
async def list_blocks(
    read: Reader,
    customer: Annotated[
        str | None, Query(max_length=200, description="Only on this customer's addresses")
    ] = None,
    in_force: Annotated[
        bool | None, Query(description="Only these, or only those lifted or over")
    ] = None,
    after: After = "",
    limit: Limit = 50,
) -> Page[Block]:
    """List blocks in the order in which they were placed."""
    async with read.session() as tx:
        found = await read.desk.blocks.page(
            tx, read.brand.id, customer=customer, in_force=in_force, after=after, limit=limit + 1
        )
    return page_of(found, limit)


@router.post("/{block_id}/lift", responses=documented(404, 409, 422), response_model=Block)
async def lift_block(block_id: BlockId, write: Writer, body: Lift = _NOBODY) -> Response:
    """Lift one block; others on the address stay, and messages that it ended do not come back."""
    write.check_rehearsal("block", simulated=False)

    async def effect(tx: AsyncSession) -> Block:
        return await write.desk.blocks.lift(tx, write.brand.id, block_id, by=write.signed(body.by))

    return await write.once(200, effect)
