"""Groups, their members and what came of files, as the API takes and shows them."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from tellal.domain.groups import Group, GroupKind
from tellal.services.block_lists import BadLine
from tellal.services.member_import import Report

_SHOWN = 1_000
"""So many lines of each kind a report shows."""


class GroupBody(BaseModel):
    """A group to be; one of the kind segment has a condition, and a snapshot is taken of one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "spring-2027"},
                {"name": "ankara", "kind": "segment", "segment": {"customer.city": "Ankara"}},
            ]
        },
    )

    name: str = Field(max_length=200, description="1 to 100 characters without a slash")
    kind: GroupKind = GroupKind.LIST
    segment: dict[str, object] | None = Field(
        default=None, description="A condition as in rule files, by the vocabulary"
    )


class NewName(BaseModel):
    """What a group is called from now on, or what its snapshot is."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200, examples=["spring-2027-as-of-march"])


class SegmentBody(BaseModel):
    """A condition as in rule files."""

    model_config = ConfigDict(extra="forbid")

    segment: dict[str, object] = Field(examples=[{"customer.city": "Ankara"}])


class MemberBody(BaseModel):
    """A customer by your name for him, and what texts may say of him alone."""

    model_config = ConfigDict(extra="forbid")

    customer: str = Field(max_length=200, examples=["ayse"])
    variables: dict[str, str | int | float | bool] = Field(
        default={}, examples=[{"borc_tutari": "1.250,50 TL"}]
    )


class MembersBody(BaseModel):
    """Whom to put in; who is in already gets the new variables."""

    model_config = ConfigDict(extra="forbid")

    members: list[MemberBody] = Field(
        min_length=1,
        max_length=1_000,
        examples=[[{"customer": "ayse", "variables": {"borc_tutari": "1.250,50 TL"}}]],
    )


class GroupView(BaseModel):
    """A group."""

    id: str
    name: str
    kind: GroupKind
    segment: dict[str, object] | None
    source: str = Field(description="The file or the group its members came from")
    made_by: str
    created_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, group: Group) -> "GroupView":
        """Show a group."""
        return cls(
            id=group.id,
            name=group.name,
            kind=group.kind,
            segment=None if group.segment is None else dict(group.segment),
            source=group.source,
            made_by=group.made_by,
            created_at=group.created_at,
            changed_at=group.changed_at,
        )


class CountedView(GroupView):
    """A group, and how many are in it now."""

    members: int


class MemberView(BaseModel):
    """A member; `variables` are what texts may say of him alone."""

    id: str
    customer: str
    variables: dict[str, object]


class AudienceView(BaseModel):
    """How many meet a condition now, and a few of them by your names."""

    members: int
    first: list[str]


class PutView(BaseModel):
    """How many members are new, and how many got other variables."""

    added: int
    changed: int


class RemovedView(BaseModel):
    """How many were in, and are out now."""

    removed: int


class SnapshotView(GroupView):
    """A snapshot that was just taken."""

    members: int


class LineView(BaseModel):
    """A line of the file, counted from 1, and how to mend it."""

    line: int
    message: str
    hint: str

    @classmethod
    def of(cls, one: BadLine) -> "LineView":
        """Show a line."""
        return cls(line=one.line, message=one.message, hint=one.hint)


class UploadView(BaseModel):
    """What came of a file; if it is not `done`, nothing at all was changed."""

    done: bool
    lines: int = Field(description="How many lines say something, besides the header")
    added: int
    changed: int
    removed: int
    created: int = Field(description="How many were made known")
    empty: int
    refused: int = Field(description=f"How many lines were; `bad` shows at most {_SHOWN}")
    repeats: int = Field(description="How many lines name somebody again, whose first line counts")
    bad: list[LineView]
    repeated: list[LineView]
    notes: list[str] = Field(description="How the file was read")

    @classmethod
    def of(cls, report: Report) -> "UploadView":
        """Show a report."""
        return cls(
            done=report.done,
            lines=report.lines,
            added=report.added,
            changed=report.changed,
            removed=report.removed,
            created=report.created,
            empty=report.empty,
            refused=len(report.bad),
            repeats=len(report.repeated),
            bad=[LineView.of(one) for one in report.bad[:_SHOWN]],
            repeated=[LineView.of(one) for one in report.repeated[:_SHOWN]],
            notes=list(report.notes),
        )


class UploadQuery(BaseModel):
    """How a file is taken."""

    model_config = ConfigDict(extra="forbid")

    create: bool = Field(
        default=False,
        description="Make those known whom nobody knows, with their address and without any "
        "consent; the key needs customers:write, too",
    )
    replace: bool = Field(default=False, description="Take those out whom the file does not name")
    skip_bad: bool = Field(default=False, description="Take the good lines although some are bad")
    customer: str = Field(default="", max_length=200, description="The column of your references")
    phone: str = Field(default="", max_length=200, description="The column of numbers")
    email: str = Field(default="", max_length=200, description="The column of mails")
