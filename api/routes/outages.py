"""Outages: declared, confirmed, updated, resolved; those affected are told in between."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.domain.outages import OutageCommand, Severity
from tellal.services.keys import Scope
from tellal.services.outage_presets import PresetView, declaration_of, preset_views
from tellal.services.outage_sayings import Change, Go, Review
from tellal.services.outage_views import EntryView, OutageView, ReviewView
from tellal.services.signals import Signal, SignalView

router = APIRouter(prefix="/outages", tags=["outages"])

OutageId = Annotated[str, Path(max_length=64)]
Component = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,79}$")]
Name = Annotated[str, Field(max_length=200)]
Words = Annotated[str, Field(max_length=500)]
PublicText = Annotated[
    dict[Annotated[str, Field(pattern=r"^[a-z]{2}$")], Annotated[str, Field(max_length=2000)]],
    Field(description="What public channels show, by language; else a line of the command"),
]
Area = Annotated[
    dict[str, Name],
    Field(description="A place: province, district, neighbourhood or feeder, as customers have it"),
]
Areas = Annotated[list[Area], Field(max_length=500)]
Components = Annotated[
    list[Component],
    Field(
        max_length=50,
        description="What has failed, as in app_backend: while the outage runs, no message takes a "
        "channel that depends on it",
    ),
]
Reader = Annotated[Reading, may_read(Scope.OUTAGES_READ)]
Writer = Annotated[Writing, may_write(Scope.OUTAGES_WRITE)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DeclareOutage(_Body):
    """What has failed or is planned, whom it concerns, and what to say; a preset fills the rest."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "preset": "feeder_down",
                    "areas": [{"district": "tepebasi"}],
                    "expected_end": "2026-11-24T18:30:00+03:00",
                },
                {
                    "incident": "power_failure",
                    "title": "Transformer failure in Tepebaşı",
                    "segment": {"customer.district": "tepebasi"},
                    "workaround": "Acil durumda 186'yı arayın.",
                    "hotline": "186",
                    "expected_end": "2026-11-24T18:30:00+03:00",
                },
            ]
        },
    )

    preset: Name = ""
    incident: Name = ""
    title: Name = ""
    topic: Annotated[str, Field(max_length=100, description="Else the kind's own topic")] = ""
    segment: Annotated[
        dict[str, object] | None,
        Field(description="A condition, as in rule files; who meets it in the areas is affected"),
    ] = None
    areas: Areas | None = None
    variables: dict[str, object] = {}
    components: Components | None = None
    severity: Severity | None = None
    starts_at: AwareDatetime | None = None
    expected_end: AwareDatetime | None = None
    reason: Words = ""
    workaround: Annotated[
        str, Field(max_length=500, description="What people can do meanwhile")
    ] = ""
    no_workaround: Annotated[bool, Field(description="Nothing is known that they could do")] = False
    hotline: Name = ""
    first_signal_at: AwareDatetime | None = None
    anyway: Annotated[bool, Field(description="Though one like it runs already")] = False


class ChangeOutage(_Body):
    """What is new; what is left out stays as it was."""

    title: Name | None = None
    severity: Severity | None = None
    starts_at: AwareDatetime | None = None
    expected_end: AwareDatetime | None = None
    reason: Words | None = None
    workaround: Words | None = None
    no_workaround: bool | None = None
    hotline: Name | None = None
    areas: Areas | None = None
    segment: dict[str, object] | None = None
    components: Components | None = None
    variables: dict[str, object] | None = None
    text: PublicText = {}

    def said(self) -> Change:
        """Return it as the service takes it."""
        return Change(**{name: getattr(self, name) for name in type(self).model_fields})


class LetGo(_Body):
    """How those affected are told; an empty body follows the plan."""

    channels: Annotated[
        dict[str, str],
        Field(description="Overrides the plan: a channel and everybody, priority or nobody"),
    ] = {}
    reason: Annotated[
        str, Field(max_length=500, description="Why the plan is overridden, or the notice is late")
    ] = ""
    break_glass: Annotated[
        str,
        Field(max_length=500, description="Why no second person is waited for in an emergency"),
    ] = ""
    text: PublicText = {}

    def said(self, person: str) -> Go:
        """Return it as the service takes it; `person` is whose own key it came by."""
        return Go(
            channels=self.channels,
            reason=self.reason,
            break_glass=self.break_glass,
            person=person,
            text=self.text,
        )


class Said(_Body):
    """What public channels show of it."""

    text: PublicText = {}


class WriteReview(_Body):
    """What was learnt."""

    what_happened: Annotated[
        str, Field(min_length=1, max_length=5000, examples=["A transformer burnt out"])
    ]
    what_was_late: Annotated[str, Field(max_length=5000)] = ""
    what_changes: Annotated[
        str, Field(min_length=1, max_length=5000, examples=["A spare one stands in Eskişehir"])
    ]


class PutSignal(_Body):
    """Somebody says that something does not work."""

    incident: Annotated[str, Field(max_length=200, examples=["power_failure"])]
    source: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", examples=["social"])]
    reference: Annotated[str, Field(max_length=200, description="Your name of it")] = ""
    area: Area = {}
    customer: Annotated[str, Field(max_length=200, description="Your name of who says it")] = ""
    at: AwareDatetime | None = None


class PutStillOut(_Body):
    """A customer who was told that it is over is still without."""

    customer: Annotated[str, Field(min_length=1, max_length=200, examples=["12345"])]
    source: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = "hotline"
    reference: Name = ""


class Restored(_Body):
    """Whom it is over for, of those who said that they were still without; else all of them."""

    customers: Annotated[list[Name], Field(max_length=10_000)] = []


Made = Callable[[AsyncSession], Awaitable[OutageView]]


@router.post("", status_code=201, responses=documented(409, 422), response_model=OutageView)
async def declare_outage(body: DeclareOutage, write: Writer) -> Response:
    """Declare a failure or planned works; as yet nothing goes to customers."""

    async def effect(tx: AsyncSession) -> OutageView:
        outages = write.desk.house.outages
        said = body.model_dump(exclude={"preset"}, exclude_unset=True)
        declaration = declaration_of(
            write.desk.house.incidents,
            write.brand,
            body.preset,
            said,
            now=write.desk.clock.now(),
            simulated=write.rehearses,
        )
        return await outages.declare(tx, brand=write.brand, said=declaration, by=write.by)

    return await write.once(201, effect)


@router.get("/presets", responses=documented())
async def list_presets(read: Reader) -> list[PresetView]:
    """List what the brand may declare in one line."""
    return list(preset_views(read.desk.house.incidents, read.brand))


@router.post("/signals", status_code=201, responses=documented(409, 422), response_model=SignalView)
async def put_signal(body: PutSignal, write: Writer) -> Response:
    """Take in that something does not work; enough of the same make a suspicion by themselves."""

    async def effect(tx: AsyncSession) -> SignalView:
        signal = Signal(**body.model_dump(), simulated=write.rehearses)
        return await write.desk.house.signals.take(tx, write.brand, signal, write.by)

    return await write.once(201, effect)


@router.get("/{outage_id}", responses=documented(404))
async def get_outage(outage_id: OutageId, read: Reader) -> OutageView:
    """Read an outage with the ledger's counts: an audience is the sum of all its outcomes."""
    async with read.session() as tx:
        return await read.desk.house.outages.view(tx, read.brand.id, outage_id)


@router.get("/{outage_id}/history", responses=documented(404))
async def get_history(outage_id: OutageId, read: Reader) -> list[EntryView]:
    """Read everything that was done to an outage, oldest first."""
    async with read.session() as tx:
        return list(await read.desk.house.outages.history(tx, read.brand.id, outage_id))


@router.get("", responses=documented())
async def list_outages(
    read: Reader,
    *,
    running: Annotated[bool, Query(description="Only those that are not over")] = False,
    after: After = "",
    limit: Limit = 50,
) -> Page[OutageView]:
    """List outages in the order of their declaration."""
    async with read.session() as tx:
        found = await read.desk.house.outages.page(
            tx, read.brand.id, running=running, after=after, limit=limit + 1
        )
    return page_of(found, limit)


@router.post("/{outage_id}/plan", responses=documented(404, 409), response_model=OutageView)
async def plan_outage(outage_id: OutageId, write: Writer) -> Response:
    """Compute anew whom each channel would reach in time, at which cost, and what is chosen."""
    outages = write.desk.house.outages
    return await _command(
        write, outage_id, lambda tx: outages.plan(tx, brand=write.brand, outage_id=outage_id)
    )


@router.post("/{outage_id}/show", responses=documented(404, 409, 422), response_model=OutageView)
async def show_outage(outage_id: OutageId, body: Said, write: Writer) -> Response:
    """Show a holding line of a suspicion on public channels; nobody is told directly."""
    outages = write.desk.house.outages
    return await _command(
        write,
        outage_id,
        lambda tx: outages.show(
            tx, brand=write.brand, outage_id=outage_id, text=body.text, by=write.by
        ),
    )


@router.post("/{outage_id}/confirm", responses=documented(404, 409, 422), response_model=OutageView)
async def confirm_outage(outage_id: OutageId, write: Writer, body: LetGo | None = None) -> Response:
    """Confirm a failure: its audience is decided and told from now on.

    Above its kind's threshold the first person asks (`waits_for_approval`), a second one confirms.
    """
    return await _let_go(write, outage_id, write.desk.house.outages.confirm, body)


@router.post(
    "/{outage_id}/announce", responses=documented(404, 409, 422), response_model=OutageView
)
async def announce_outage(
    outage_id: OutageId, write: Writer, body: LetGo | None = None
) -> Response:
    """Announce planned works to those whom they will affect."""
    return await _let_go(write, outage_id, write.desk.house.outages.announce, body)


@router.post("/{outage_id}/update", responses=documented(404, 409, 422), response_model=OutageView)
async def update_outage(outage_id: OutageId, body: ChangeOutage, write: Writer) -> Response:
    """Say what is new; those affected hear of it only if it matters to them."""
    outages, change = write.desk.house.outages, body.said()
    return await _command(
        write,
        outage_id,
        lambda tx: outages.update(
            tx, brand=write.brand, outage_id=outage_id, change=change, by=write.by
        ),
    )


@router.post("/{outage_id}/reopen", responses=documented(404, 409, 422), response_model=OutageView)
async def reopen_outage(outage_id: OutageId, body: ChangeOutage, write: Writer) -> Response:
    """Open a failure again that was thought to be over."""
    outages, change = write.desk.house.outages, body.said()
    return await _command(
        write,
        outage_id,
        lambda tx: outages.reopen(
            tx, brand=write.brand, outage_id=outage_id, change=change, by=write.by
        ),
    )


ENDS: Mapping[OutageCommand, str] = {
    OutageCommand.RESOLVE: "End an outage: once this is answered, no further message of it is "
    "handed over.",
    OutageCommand.COMPLETE: "End planned works; who was told hears of it.",
    OutageCommand.DISMISS: "Dismiss a suspicion; nobody was told of it.",
    OutageCommand.CANCEL: "Call planned works off; who heard of them hears of that.",
}
"""The commands that end an outage, and what each does."""


async def end_outage(
    write: Writing, outage_id: str, command: OutageCommand, text: PublicText
) -> Response:
    """End an outage by one of the commands that end any."""
    outages = write.desk.house.outages
    return await _command(
        write,
        outage_id,
        lambda tx: outages.end(
            tx, brand=write.brand, outage_id=outage_id, command=command, by=write.by, text=text
        ),
    )


def _route_of(command: OutageCommand, what_it_does: str) -> None:
    """Add the route of a command that ends an outage."""

    async def end(outage_id: OutageId, write: Writer, body: Said | None = None) -> Response:
        return await end_outage(write, outage_id, command, (body or Said()).text)

    router.add_api_route(
        f"/{{outage_id}}/{command}",
        end,
        methods=["POST"],
        name=f"{command}_outage",
        description=what_it_does,
        responses=documented(404, 409),
        response_model=OutageView,
    )


for _name, _what in ENDS.items():
    _route_of(_name, _what)


@router.post("/{outage_id}/start", responses=documented(404, 409), response_model=OutageView)
async def start_outage(outage_id: OutageId, write: Writer) -> Response:
    """Begin planned works before the clock does."""
    outages = write.desk.house.outages
    return await _command(
        write,
        outage_id,
        lambda tx: outages.start(tx, brand=write.brand, outage_id=outage_id, by=write.by),
    )


@router.post(
    "/{outage_id}/still-out", responses=documented(404, 409, 422), response_model=OutageView
)
async def put_still_out(outage_id: OutageId, body: PutStillOut, write: Writer) -> Response:
    """Take in that a customer is still without: for him it is open again."""
    house = write.desk.house

    async def effect(tx: AsyncSession) -> OutageView:
        await house.signals.customer_still_out(
            tx,
            write.brand,
            outage_id,
            customer=body.customer,
            source=body.source,
            reference=body.reference,
            by=write.by,
        )
        return await house.outages.view(tx, write.brand.id, outage_id)

    return await _command(write, outage_id, effect)


@router.post(
    "/{outage_id}/restored", responses=documented(404, 409, 422), response_model=OutageView
)
async def restored(outage_id: OutageId, body: Restored, write: Writer) -> Response:
    """Give the all-clear to those who said that they were still without."""
    outages = write.desk.house.outages
    return await _command(
        write,
        outage_id,
        lambda tx: outages.restored(
            tx, brand=write.brand, outage_id=outage_id, refs=body.customers, by=write.by
        ),
    )


@router.post(
    "/{outage_id}/review", status_code=201, responses=documented(404, 409, 422),
    response_model=ReviewView,
)  # fmt: skip
async def write_review(outage_id: OutageId, body: WriteReview, write: Writer) -> Response:
    """Write down what was learnt; every outage needs it when it is over."""
    outages, said = write.desk.house.outages, Review(**body.model_dump())

    async def effect(tx: AsyncSession) -> ReviewView:
        await _check_rehearsal(write, tx, outage_id)
        return await outages.review(
            tx, brand=write.brand, outage_id=outage_id, said=said, by=_person(write)
        )

    return await write.once(201, effect)


@router.get("/{outage_id}/review", responses=documented(404))
async def get_review(outage_id: OutageId, read: Reader) -> ReviewView | None:
    """Read what was learnt, null if nobody has written it yet."""
    async with read.session() as tx:
        return await read.desk.house.outages.reviewed(tx, read.brand.id, outage_id)


async def _let_go(
    write: Writing,
    outage_id: str,
    command: Callable[..., Awaitable[OutageView]],
    body: LetGo | None,
) -> Response:
    """Have those affected told."""
    go = (body or LetGo()).said(write.caller.key.person)

    return await _command(
        write,
        outage_id,
        lambda tx: command(tx, brand=write.brand, outage_id=outage_id, go=go, by=_person(write)),
    )


def _person(write: Writing) -> str:
    """Return whose word it is: the person's whom the key belongs to, else the key's."""
    return write.caller.key.person or write.by


async def _command(write: Writing, outage_id: str, made: Made) -> Response:
    async def effect(tx: AsyncSession) -> OutageView:
        await _check_rehearsal(write, tx, outage_id)
        return await made(tx)

    return await write.once(200, effect)


async def _check_rehearsal(write: Writing, tx: AsyncSession, outage_id: str) -> None:
    if write.rehearses:
        outage = await write.desk.house.outages.view(tx, write.brand.id, outage_id)
        write.check_rehearsal("outage", simulated=outage.simulated)
