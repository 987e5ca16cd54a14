"""Groups: customers under a name, put in one by one, from a file, or by a condition."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile

from api.group_views import (
    AudienceView,
    CountedView,
    GroupBody,
    GroupView,
    MembersBody,
    MemberView,
    NewName,
    PutView,
    RemovedView,
    SegmentBody,
    SnapshotView,
    UploadQuery,
    UploadView,
)
from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.domain.errors import DeniedError, InvalidInputError
from tellal.services.groups import NewGroup
from tellal.services.keys import Scope
from tellal.services.member_files import Columns, read_members
from tellal.services.member_import import MemberImport, Wanted

router = APIRouter(prefix="/groups", tags=["groups"])

Name = Annotated[str, Path(max_length=100, description="The group's name")]
Reader = Annotated[Reading, may_read(Scope.GROUPS_READ)]
Asker = Annotated[Writing, may_write(Scope.GROUPS_READ)]
Writer = Annotated[Writing, may_write(Scope.GROUPS_WRITE)]

LARGEST = 64 * 1024 * 1024
_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file itself, CSV, XLS or XLSX; or a form with one file in it",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    }
}


@router.post("", status_code=201, responses=documented(409, 422), response_model=GroupView)
async def make_group(body: GroupBody, write: Writer) -> Response:
    """Make a group: a list to be filled, a segment, or a snapshot of whoever meets it now."""
    said = NewGroup(name=body.name, kind=body.kind, segment=body.segment)

    async def effect(tx: AsyncSession) -> GroupView:
        return GroupView.of(await write.desk.groups.make(tx, write.brand, said, by=write.by))

    return await write.once(201, effect)


@router.get("", responses=documented())
async def list_groups(read: Reader, after: After = "", limit: Limit = 50) -> Page[GroupView]:
    """List your groups in the order in which they were made."""
    async with read.session() as tx:
        found = await read.desk.groups.page(tx, read.brand.id, after=after, limit=limit + 1)
    return page_of([GroupView.of(group) for group in found], limit)


@router.post("/count", responses=documented(409, 422), response_model=AudienceView)
async def count_segment(body: SegmentBody, write: Asker) -> Response:
    """Count who meets a condition now, and name a few, before a group is made of it."""

    async def effect(tx: AsyncSession) -> AudienceView:
        members = write.desk.groups.members
        found = await members.audience(tx, write.brand.id, body.segment)
        return AudienceView(members=found.number, first=list(found.first))

    return await write.once(200, effect)


@router.get("/{name}", responses=documented(404))
async def get_group(name: Name, read: Reader) -> CountedView:
    """Read a group, and count who is in it now."""
    async with read.desk.sessions() as tx:
        group = await read.desk.groups.find(tx, read.brand.id, name)
        number = await read.desk.groups.members.count(tx, group)
    return CountedView(**GroupView.of(group).model_dump(), members=number)


@router.patch("/{name}", responses=documented(404, 409, 422), response_model=GroupView)
async def rename_group(name: Name, body: NewName, write: Writer) -> Response:
    """Call a group another; campaigns that run go on with it, plans name it anew."""

    async def effect(tx: AsyncSession) -> GroupView:
        return GroupView.of(await write.desk.groups.rename(tx, write.brand, name, body.name))

    return await write.once(200, effect)


@router.delete("/{name}", status_code=204, responses=documented(404, 409, 422))
async def delete_group(name: Name, write: Writer) -> Response:
    """Take a group away; its customers stay, and its name is free again."""

    async def effect(tx: AsyncSession) -> None:
        await write.desk.groups.delete(tx, write.brand, name)

    return await write.once(204, effect)


@router.get("/{name}/members", responses=documented(404))
async def list_members(
    name: Name, read: Reader, after: After = "", limit: Limit = 50
) -> Page[MemberView]:
    """List who is in a group now. A page of a segment may be short without being the last."""
    async with read.session() as tx:
        group = await read.desk.groups.find(tx, read.brand.id, name)
        members = read.desk.groups.members
        found, after_it = await members.page(tx, group, after=after, limit=limit)
    return Page(
        items=[
            MemberView(id=one.id, customer=one.ref, variables=dict(one.variables)) for one in found
        ],
        next=after_it,
    )


@router.post("/{name}/members", responses=documented(404, 409, 422), response_model=PutView)
async def add_members(name: Name, body: MembersBody, write: Writer) -> Response:
    """Put customers into a list; all of them, or nobody if one is unknown."""
    members = {one.customer: one.variables for one in body.members}

    async def effect(tx: AsyncSession) -> PutView:
        groups = write.desk.groups
        group = await groups.find(tx, write.brand.id, name, lock=True)
        put = await groups.members.add(tx, group, members)
        return PutView(added=put.added, changed=put.changed)

    return await write.once(200, effect)


@router.delete("/{name}/members", responses=documented(404, 409, 422), response_model=RemovedView)
async def remove_members(
    name: Name,
    write: Writer,
    customer: Annotated[
        list[str], Query(min_length=1, max_length=200, description="Your names; may be repeated")
    ],
) -> Response:
    """Take customers out of a list."""

    async def effect(tx: AsyncSession) -> RemovedView:
        groups = write.desk.groups
        group = await groups.find(tx, write.brand.id, name, lock=True)
        return RemovedView(removed=await groups.members.remove(tx, group, customer))

    return await write.once(200, effect)


@router.post(
    "/{name}/upload",
    responses=documented(404, 409, 422),
    response_model=UploadView,
    openapi_extra=_FILE,
)
async def upload_members(
    name: Name, write: Writer, how: Annotated[UploadQuery, Query()], request: Request
) -> Response:
    """Put the people of a spreadsheet into a list: all lines that can be taken, or nothing.

    A column names the customer (your reference, his number or his mail), every other column is a
    variable of his. If a line is bad, nothing is changed and the report says which and why, unless
    you skip bad lines.
    """
    if how.create and Scope.CUSTOMERS_WRITE not in write.caller.key.scopes:
        raise DeniedError(
            "this key makes no customers", code="scope_needed", hint="give it customers:write"
        )
    content, source = await _file(request)
    columns = Columns(customer=how.customer, phone=how.phone, email=how.email)
    wanted = Wanted(create=how.create, replace=how.replace, skip_bad=how.skip_bad, source=source)

    async def effect(tx: AsyncSession) -> UploadView:
        group = await write.desk.groups.find(tx, write.brand.id, name, lock=True)
        read = await asyncio.to_thread(read_members, content, write.brand, columns)
        importer = MemberImport(write.desk.clock)
        return UploadView.of(await importer.take(tx, write.brand, group, read, wanted))

    return await write.once(200, effect)


@router.post(
    "/{name}/snapshot",
    status_code=201,
    responses=documented(404, 409, 422),
    response_model=SnapshotView,
)
async def take_snapshot(name: Name, body: NewName, write: Writer) -> Response:
    """Keep who is in a group now under another name; later changes do not matter to it."""

    async def effect(tx: AsyncSession) -> SnapshotView:
        kept, number = await write.desk.groups.snapshot(
            tx, write.brand, name, body.name, by=write.by
        )
        return SnapshotView(**GroupView.of(kept).model_dump(), members=number)

    return await write.once(201, effect)


async def _file(request: Request) -> tuple[bytes, str]:
    """Return the file of a request, which was read already, and what it is called."""
    content, source = await request.body(), ""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form(max_files=1) as form:
            file = next((one for one in form.values() if isinstance(one, UploadFile)), None)
            if file is None:
                raise InvalidInputError("the form holds no file", field="file")
            content, source = await file.read(), file.filename or ""
    if len(content) > LARGEST:
        raise InvalidInputError(
            f"the file is larger than {LARGEST // 1024 // 1024} MB", hint="divide it"
        )
    return content, source[:200]
