"""Outages as their commands leave them in the database, and a status page with something on it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.customers import Brand
from tellal.domain.incidents import Component, IncidentKind, Incidents, PublicChannel
from tellal.domain.outages import OutageKind, Severity
from tellal.domain.status import (
    BrandView,
    ComponentStatus,
    ComponentView,
    Indicator,
    Mood,
    PublicOutage,
    PublicState,
    Snapshot,
    Update,
)
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.outages import OutageEntryRow, OutageRow

_outages = table(OutageRow)

NOON = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""In Istanbul; the clock of tests stands two hours before."""

HOLDING_LINE = {"tr": "Bildirilen bir sorunu inceliyoruz.", "en": "We look into a report."}
INCIDENTS = Incidents(
    kinds={
        "feeder": IncidentKind(
            id="feeder",
            kind=OutageKind.FAILURE,
            means="a feeder is without power",
            sector="electricity",
            severity=Severity.MAJOR,
            topics={},
            channels=(),
            public=tuple(PublicChannel)[:5],
            holding_line=HOLDING_LINE,
            hotline_text={"tr": "Ekiplerimiz yolda.", "en": "Our people are on the way."},
        )
    },
    components={
        "core": Component(id="core", names={"tr": "Ana sistem"}, hidden=True),
        "app": Component(
            id="app",
            names={"tr": "Mobil uygulama", "en": "Mobile app"},
            depends_on=frozenset({"core"}),
        ),
        "branches": Component(id="branches", names={"tr": "Şubeler", "en": "Branches"}),
    },
    lead_times=(),
    presets={},
)


async def an_outage(tx: AsyncSession, brand: Brand, state: str, **said: object) -> str:
    """Write an outage; whatever is not said is of no importance to the test."""
    outage_id = new_id()
    values: dict[str, object] = {
        "id": outage_id,
        "brand_id": brand.id,
        "title": "Tepebaşı trafo arızası",
        "topic": "outage_notice",
        "segment": {},
        "variables": {},
        "state": state,
        "in_flight_at_stop": 0,
        "declared_at": NOON,
        "starts_at": NOON,
        **said,
    }
    await tx.execute(insert(_outages).values(**values))
    return outage_id


async def an_entry(
    tx: AsyncSession,
    outage_id: str,
    command: str,
    state: str,
    *,
    minutes: float = 0,
    public: Mapping[str, str] | None = None,
    **body: object,
) -> None:
    """Write a line of an outage's history, so many minutes after noon, and take it to its state."""
    await tx.execute(
        insert(table(OutageEntryRow)).values(
            id=new_id(),
            outage_id=outage_id,
            command=command,
            by="crm",
            state=state,
            body=body,
            public=dict(public or {}),
            at=NOON + timedelta(minutes=minutes),
        )
    )
    await tx.execute(update(_outages).where(_outages.c.id == outage_id).values(state=state))


def _said(
    number: int, minutes: float, state: PublicState, tr: str, en: str, **more: object
) -> Update:
    update_ = Update(
        number=number,
        at=NOON + timedelta(minutes=minutes),
        state=state,
        text={"tr": tr, "en": en} if tr else {},
    )
    return replace(update_, **more)  # type: ignore[arg-type]  # the fields of an update


FAILURE = PublicOutage(
    id="01KJNFAA000000000000000001",
    kind=OutageKind.FAILURE,
    severity=Severity.MAJOR,
    state=PublicState.IDENTIFIED,
    title="Tepebaşı trafo arızası",
    since=NOON,
    confirmed=True,
    areas=("Tepebaşı, Eskişehir",),
    components=("power",),
    expected_end=NOON + timedelta(hours=3),
    expected_ends=(
        (NOON + timedelta(minutes=9), NOON + timedelta(hours=2)),
        (NOON + timedelta(minutes=70), NOON + timedelta(hours=3)),
    ),
    reason="Yıldırım düşmesi",
    workaround="Hassas cihazların fişini çekin.",
    hotline="186",
    updates=(
        _said(
            2,
            70,
            PublicState.IDENTIFIED,
            "Yeni trafo yolda; onarım bir saat uzadı.",
            "A new transformer is on its way; it takes an hour more.",
            expected_end=NOON + timedelta(hours=3),
        ),
        _said(
            1,
            9,
            PublicState.IDENTIFIED,
            "Trafo arızalandı, ekiplerimiz yerinde.",
            "A transformer has failed, our people are there.",
            expected_end=NOON + timedelta(hours=2),
        ),
    ),
)
PLANNED = PublicOutage(
    id="01KJNFAA000000000000000002",
    kind=OutageKind.PLANNED,
    severity=Severity.MINOR,
    state=PublicState.SCHEDULED,
    title="Odunpazarı hat bakımı",
    since=NOON + timedelta(days=2),
    confirmed=True,
    areas=("Odunpazarı, Eskişehir",),
    components=("power",),
    expected_end=NOON + timedelta(days=2, hours=4),
    reason="Hatların yenilenmesi",
    workaround="Asansörleri kullanmayın.",
    updates=(
        _said(
            1,
            -600,
            PublicState.SCHEDULED,
            "Hatlarımız yenileniyor.",
            "Our lines are being renewed.",
            starts_at=NOON + timedelta(days=2),
            expected_end=NOON + timedelta(days=2, hours=4),
        ),
    ),
)
OVER = replace(
    FAILURE,
    id="01KJNFAA000000000000000003",
    title="Sivrihisar hat kopması",
    state=PublicState.RESOLVED,
    since=NOON - timedelta(days=4),
    ended=NOON - timedelta(days=4) + timedelta(hours=1),
    areas=("Sivrihisar, Eskişehir",),
    expected_end=None,
    expected_ends=(),
    reason="",
    updates=(
        _said(2, -5700, PublicState.RESOLVED, "", ""),
        _said(1, -5750, PublicState.IDENTIFIED, "Hat koptu.", "A line is down."),
    ),
)
EXAMPLE = Snapshot(
    brand=BrandView(
        id="01KJNFAA000000000000000000",
        name="anadolu-elektrik",
        trade_name="Anadolu Elektrik A.Ş.",
        country="TR",
        timezone="Europe/Istanbul",
        phone="186",
    ),
    made_at=NOON + timedelta(minutes=75),
    indicator=Indicator.MAJOR,
    mood=Mood.MAJOR,
    components=(
        ComponentView(
            id="power",
            names={"tr": "Elektrik", "en": "Electricity", "pl": "Prąd"},
            status=ComponentStatus.PARTIAL_OUTAGE,
            uptime=0.9987,
        ),
        ComponentView(
            id="site",
            names={"tr": "İnternet sitesi", "en": "Web site", "pl": "Strona"},
            status=ComponentStatus.OPERATIONAL,
            uptime=1.0,
        ),
        ComponentView(
            id="app",
            names={"tr": "Mobil uygulama", "en": "App", "pl": "Aplikacja"},
            status=ComponentStatus.UNDER_MAINTENANCE,
            uptime=0.9999,
        ),
        ComponentView(
            id="line",
            names={"tr": "Çağrı merkezi", "en": "Call centre", "pl": "Infolinia"},
            status=ComponentStatus.DEGRADED,
            uptime=0.9871,
        ),
    ),
    outages=(FAILURE,),
    planned=(PLANNED,),
    history=(OVER,),
)
"""A distributor on a busy day: every kind of thing that a status page shows."""
EXERCISE = replace(
    EXAMPLE, exercise=True, outages=(replace(FAILURE, exercise=True),), planned=(), history=()
)
QUIET = replace(
    EXAMPLE,
    indicator=Indicator.NONE,
    mood=Mood.FINE,
    outages=(),
    planned=(),
    history=(),
    components=(),
)
