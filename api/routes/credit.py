"""Credit: what a brand has paid beforehand, what of it is reserved, and every line of it."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue, PlainSerializer
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write
from tellal.domain.credit import EntryKind
from tellal.services.credit import Account, Line, Terms
from tellal.services.keys import Scope

router = APIRouter(prefix="/credit", tags=["credit"])

Reader = Annotated[Reading, may_read(Scope.CREDIT_READ)]
Writer = Annotated[Writing, may_write(Scope.CREDIT_WRITE)]
Name = Annotated[str, Path(max_length=63, description="The account's name")]

Money = Annotated[
    Decimal,
    PlainSerializer(lambda amount: f"{amount.normalize():f}", return_type=str),
    Field(examples=["1500.00"]),
]
"""An amount in the account's currency; answers have it as a text, so that nothing rounds it."""

_WHOM: dict[str, JsonValue] = {
    "thresholds": ["5000", "1000"],
    "alert_reserve": "10",
    "mobile": "0532 000 09 99",
    "email": "mali@anadolu.example",
}


class TermsBody(BaseModel):
    """What an account allows, and who is told when its credit runs low."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_WHOM]})

    thresholds: list[Money] = Field(
        default_factory=list,
        max_length=10,
        description="When what is available falls below one of these, people are told: once, until "
        "a top-up lifts it to the threshold again",
    )
    alert_reserve: Money = Field(
        default=Decimal(0),
        ge=0,
        description="What messages to customers leave over, so that the alerts can be paid for",
    )
    mobile: str = Field(default="", max_length=30, description="Whom a text tells")
    email: str = Field(default="", max_length=254, description="Whom a mail tells")
    may_go_negative: bool = Field(
        default=False,
        description="Whether messages of class `mandatory` leave when there is no credit",
    )

    def terms(self) -> Terms:
        """Return what the body says."""
        return Terms(
            may_go_negative=self.may_go_negative,
            alert_reserve=self.alert_reserve,
            thresholds=tuple(self.thresholds),
            mobile=self.mobile,
            email=self.email,
        )


class NewAccount(TermsBody):
    """An account to open."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "main", "currency": "TRY", **_WHOM}]},
    )

    name: str = Field(min_length=1, max_length=63)
    currency: str = Field(pattern="^[A-Z]{3}$", description="As in the prices of routes")


class TopUp(BaseModel):
    """What is paid in."""

    model_config = ConfigDict(extra="forbid")

    amount: Money = Field(gt=0, examples=["1500.00"])
    note: str = Field(default="", max_length=200, examples=["Invoice 2026-117"])
    by: str = Field(default="", max_length=100, examples=["Finance"])


class Adjustment(BaseModel):
    """What is put right by hand, up or down, and why."""

    model_config = ConfigDict(extra="forbid")

    amount: Money = Field(examples=["-20.00"])
    note: str = Field(min_length=1, max_length=200, examples=["Paid in twice"])
    by: str = Field(default="", max_length=100, examples=["Finance"])


class AccountView(BaseModel):
    """An account: `balance` is what was paid in less what was settled."""

    name: str
    currency: str
    balance: Money
    reserved: Money = Field(description="Of the balance, for messages under way")
    available: Money = Field(description="Of the balance, for messages to come")
    alert_reserve: Money
    thresholds: list[Money]
    watched: list[Money] = Field(description="Thresholds of which people will be told next")
    mobile: str
    email: str
    may_go_negative: bool
    held_back: int = Field(description="Messages that wait because there is no credit for them")
    held_back_cost: Money
    made_by: str
    created_at: datetime

    @classmethod
    def of(cls, account: Account) -> "AccountView":
        """Show an account."""
        terms = account.terms
        return cls(
            name=account.name,
            currency=account.currency,
            balance=account.balance,
            reserved=account.reserved,
            available=account.available,
            alert_reserve=terms.alert_reserve,
            thresholds=list(terms.thresholds),
            watched=list(account.armed),
            mobile=terms.mobile,
            email=terms.email,
            may_go_negative=terms.may_go_negative,
            held_back=account.held_back,
            held_back_cost=account.held_back_cost,
            made_by=account.made_by,
            created_at=account.created_at,
        )


class AccountList(BaseModel):
    """A brand's accounts, by their names."""

    items: list[AccountView]


class LineView(BaseModel):
    """A line of a statement. The balance is the top-ups and adjustments less what was settled."""

    id: str
    kind: EntryKind
    amount: Money
    message: str | None = Field(description="The message whose cost it is")
    note: str
    by: str
    at: datetime

    @classmethod
    def of(cls, line: Line) -> "LineView":
        """Show a line."""
        return cls(
            id=line.id,
            kind=line.kind,
            amount=line.amount,
            message=line.message_id or None,
            note=line.note,
            by=line.by,
            at=line.at,
        )


@router.get("", responses=documented())
async def list_accounts(read: Reader) -> AccountList:
    """List the brand's accounts with what is on them. Without one, nothing is limited."""
    async with read.session() as tx:
        found = await read.desk.credit.all_of(tx, read.brand.id)
    return AccountList(items=[AccountView.of(one) for one in found])


@router.post("", status_code=201, responses=documented(409, 422), response_model=AccountView)
async def open_account(body: NewAccount, write: Writer) -> Response:
    """Open an account: from now on what has a price in its currency waits for credit."""
    write.check_rehearsal("account", simulated=False)

    async def effect(tx: AsyncSession) -> AccountView:
        return AccountView.of(
            await write.desk.credit.open(
                tx, write.brand, body.name, body.currency, body.terms(), by=write.by
            )
        )

    return await write.once(201, effect)


@router.post("/{name}/top-up", responses=documented(404, 409, 422), response_model=AccountView)
async def top_up(name: Name, body: TopUp, write: Writer) -> Response:
    """Pay in; messages that waited for it leave within seconds."""
    write.check_rehearsal("account", simulated=False)

    async def effect(tx: AsyncSession) -> AccountView:
        by = write.signed(body.by)
        return AccountView.of(
            await write.desk.credit.top_up(
                tx, write.brand.id, name, body.amount, note=body.note, by=by
            )
        )

    return await write.once(200, effect)


@router.post("/{name}/adjust", responses=documented(404, 409, 422), response_model=AccountView)
async def adjust(name: Name, body: Adjustment, write: Writer) -> Response:
    """Put an account right by hand, up or down, and say why."""
    write.check_rehearsal("account", simulated=False)

    async def effect(tx: AsyncSession) -> AccountView:
        by = write.signed(body.by)
        return AccountView.of(
            await write.desk.credit.adjust(
                tx, write.brand.id, name, body.amount, note=body.note, by=by
            )
        )

    return await write.once(200, effect)


@router.put("/{name}/thresholds", responses=documented(404, 409, 422), response_model=AccountView)
async def set_thresholds(name: Name, body: TermsBody, write: Writer) -> Response:
    """Say anew what an account allows and who is told when; what you leave out is taken away."""
    write.check_rehearsal("account", simulated=False)

    async def effect(tx: AsyncSession) -> AccountView:
        return AccountView.of(
            await write.desk.credit.set_terms(tx, write.brand, name, body.terms(), by=write.by)
        )

    return await write.once(200, effect)


@router.get("/{name}/statement", responses=documented(404))
async def read_statement(
    name: Name, read: Reader, after: After = "", limit: Limit = 50
) -> Page[LineView]:
    """Read an account line by line, in the order in which it was written."""
    async with read.session() as tx:
        found = await read.desk.credit.statement(
            tx, read.brand.id, name, after=after, limit=limit + 1
        )
    items = [LineView.of(one) for one in found[:limit]]
    return Page(items=items, next=items[-1].id if len(found) > limit else None)
