"""Reports at the command line."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.services.annoyance import Annoyance, Share

T = TypeVar("T")
Report = Callable[["AsyncSession", str, datetime, datetime], Awaitable[T]]
"""Reads what there is of a brand's id from one moment to another."""

report = typer.Typer(help="Reports.", no_args_is_help=True)

BrandName = Annotated[str, typer.Option("--brand", help="The brand's name.")]
Days = Annotated[int, typer.Option(min=1, max=366, help="How many days.")]
Until = Annotated[str, typer.Option(help="The end, as in 2026-03-02T12:00+03:00; without it, now.")]


@report.callback()
def _report() -> None:
    """Make `report` a group even while it has a single command."""


@report.command("annoyance")
def report_annoyance(
    *,
    brand: BrandName,
    days: Days = 30,
    until: Until = "",
    most: Annotated[int, typer.Option(min=0, max=1000, help="How many of the most told.")] = 10,
) -> None:
    """Show how many messages people got, and which topics they complained of."""
    from tellal.services.annoyance import annoyance

    said = _over(brand, days, until, partial(annoyance, most=most))
    typer.echo(f"{said.messages} messages, {said.begins:%Y-%m-%d} to {said.ends:%Y-%m-%d} (UTC)")
    _people(said)
    _topics(said)
    _table("most messages", ((one.customer_id, one.messages) for one in said.most))
    _table("consents taken back", said.refusals.items())
    _table("kept back, by reason", said.suppressed.items())


@report.command("outages")
def report_outages(
    *,
    brand: BrandName,
    days: Days = 30,
    until: Until = "",
) -> None:
    """Show how fast outages were told, and which of them nobody has learnt from yet."""
    from tellal.services.outage_reports import outage_report

    said = _over(brand, days, until, outage_report)
    typer.echo(f"{len(said.outages)} outages, {said.begins:%Y-%m-%d} to {said.ends:%Y-%m-%d} (UTC)")
    for words, seconds in (
        ("first signal to first public notice", said.signal_to_public_s),
        ("first signal to confirmed", said.signal_to_confirmed_s),
        ("confirmed to first direct notice", said.confirmed_to_first_notice_s),
    ):
        shown = "-" if seconds is None else f"{seconds:.0f} s"
        typer.echo(f"  {words:<36} {shown} (median)")
    for one in said.outages:
        notes = ["needs a review"] if one.review_missing else []
        notes += [f"broke glass: {one.broke_glass}"] if one.broke_glass else []
        counted = f"audience {one.audience}, told {one.told}, all-clear {one.all_clears}"
        typer.echo(f"{one.id}  {one.state:<11} {counted}  {'; '.join([one.title, *notes])}")


@report.command("purges")
def report_purges(
    *,
    brand: BrandName,
    days: Annotated[int, typer.Option(min=1, max=3660, help="How many days.")] = 30,
    until: Until = "",
) -> None:
    """Show what was emptied because it was old: each run, by kind, with its cut-off."""
    from tellal.services.purging import purges

    for one in _over(brand, days, until, purges):
        made = f"{one.at:%Y-%m-%d %H:%M}  {one.kind:<18}"
        typer.echo(f"{made} older than {one.cut_off:%Y-%m-%d}  {one.removed:>9}")


@report.command("complaints")
def report_complaints(
    *,
    brand: BrandName,
    most: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 100,
) -> None:
    """Show which complaints are to be answered, by the day; exit 1 if one is late."""
    from tellal.clock import SystemClock
    from tellal.services.complaint_watch import LATE, awaited

    found = _of(brand, partial(awaited, now=SystemClock().now(), limit=most))
    for one in found:
        said = f"{one.authority or '-':<24} {one.topic}"
        typer.echo(f"{one.id}  {one.stage:<6} by {one.due_at:%Y-%m-%d %H:%M} UTC  {said}")
    if any(one.stage == LATE for one in found):
        raise typer.Exit(1)


@report.command("erasures")
def report_erasures(
    *,
    brand: BrandName,
    most: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 100,
) -> None:
    """Show who was erased, by our own ids, and which copies providers still have."""
    from tellal.services.person_erasure import DELETED, erasures

    for one in _of(brand, partial(erasures, after="", limit=most)):
        typer.echo(f"{one.id}  {one.at:%Y-%m-%d %H:%M}  customer {one.customer_id}  by {one.by}")
        for copy in one.copies:
            if copy.state != DELETED:
                why = f" ({copy.code})" if copy.code else ""
                typer.echo(f"  {copy.provider} {copy.reference}: {copy.state}{why}")


@report.command("inbound")
def report_inbound(
    *,
    brand: BrandName,
    days: Days = 30,
    until: Until = "",
) -> None:
    """Show every ONAY, RET and their like that came, and what came of each."""
    from tellal.services.inbound_reports import inbound_report

    said = _over(brand, days, until, inbound_report)
    typer.echo(f"{len(said.items)} words, {said.begins:%Y-%m-%d} to {said.ends:%Y-%m-%d} (UTC)")
    _table("what they did", said.did.items())
    _table("by number", said.codes.items())
    _table("answers", said.answers.items())
    _table("stopped", [("messages", said.cancelled)])
    for one in said.items:
        words = f"{one.code} {one.keyword}".strip()
        typer.echo(
            f"{one.at:%Y-%m-%d %H:%M}  {one.did:<8} {one.channel:<8} {one.customer}  {words}"
        )


def _over(brand: str, days: int, until: str, report: "Report[T]") -> T:
    """Read a report of so many days that end at a moment, or now."""
    from tellal.clock import SystemClock

    ends = _moment(until) if until else SystemClock().now()
    return _of(brand, lambda tx, brand_id: report(tx, brand_id, ends - timedelta(days=days), ends))


def _of(brand: str, report: "Callable[[AsyncSession, str], Awaitable[T]]") -> T:
    """Read a report of the brand of this name."""
    from tellal.cli.transaction import in_transaction
    from tellal.services.brands import find_brand
    from tellal.settings import Settings

    async def read(tx: "AsyncSession") -> T:
        found = await find_brand(tx, brand)
        return await report(tx, found.id)

    return in_transaction(Settings().database_url.get_secret_value(), read)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        hint = "write a moment with its offset, as in 2026-03-02T12:00+03:00"
        raise typer.BadParameter(hint, param_hint="--until")
    return moment


def _people(said: "Annoyance") -> None:
    """Show how many people got how many messages, of all and of each kind."""
    shares: Sequence[tuple[str, Mapping[str, Share]]] = (
        ("class", said.by_class),
        ("channel", said.by_channel),
        ("topic", {one.topic: one for one in said.topics}),
    )
    _row("customers by messages", said.customers)
    _row("all", said.customers.values())
    for name, kinds in shares:
        for kind, share in kinds.items():
            _row(f"{name} {kind}", share.customers.values())


def _topics(said: "Annoyance") -> None:
    if said.topics:
        typer.echo("")
        _row("topic", ("messages", "complaints", "per 1,000", "refusals"), width=11)
    for one in said.topics:
        rate = "-" if one.per_thousand is None else f"{one.per_thousand:g}"
        _row(one.topic, (one.messages, one.complaints, rate, one.refusals), width=11)


def _table(name: str, numbers: Iterable[tuple[str, int]]) -> None:
    for place, (key, number) in enumerate(numbers):
        if place == 0:
            typer.echo(f"\n{name}")
        _row(f"  {key}", (number,))


def _row(name: str, cells: Iterable[object], *, width: int = 8) -> None:
    typer.echo(f"{name:34}" + "".join(f"{cell!s:>{width}}" for cell in cells))
