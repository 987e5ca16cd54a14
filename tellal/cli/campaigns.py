"""Campaigns at the command line."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.domain.statistics import Share
    from tellal.services.campaign_conversion import Conversion
    from tellal.services.campaign_progress import Totals
    from tellal.services.campaign_reports import CampaignReport

campaigns = typer.Typer(help="Campaigns.", no_args_is_help=True)

BrandName = Annotated[str, typer.Option("--brand", help="The brand's name.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The campaign's name.")]

_STATES = ("told", "suppressed", "expired", "cancelled", "failed", "unknown", "open")


@campaigns.callback()
def _campaigns() -> None:
    """Campaigns, as operators and reporters see them."""


@campaigns.command("report")
def report_campaign(
    name: Name,
    *,
    brand: BrandName,
    run: Annotated[int | None, typer.Option(min=1, help="Of one run only.")] = None,
    segment: Annotated[
        list[str] | None, typer.Option(help="A group to count apart; may come again.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for machines.")] = False,
) -> None:
    """Show what came of a campaign; exit 1 if the ledger's identity does not hold."""
    from rules.holder import RulebookHolder
    from tellal.cli.transaction import in_transaction
    from tellal.clock import SystemClock
    from tellal.services.brands import find_brand
    from tellal.services.campaign_reports import SNAPSHOT, campaign_report, find_campaign_id
    from tellal.settings import Settings

    settings = Settings()
    book = RulebookHolder(settings.rulebook).current

    async def read(tx: "AsyncSession") -> "CampaignReport":
        await tx.execute(SNAPSHOT)
        owner = await find_brand(tx, brand)
        campaign_id = await find_campaign_id(tx, owner.id, name)
        now = SystemClock().now()
        return await campaign_report(
            tx, book, owner, campaign_id, now, run=run, segments=segment or ()
        )

    said = in_transaction(settings.database_url.get_secret_value(), read)
    if as_json:
        from pydantic import TypeAdapter

        from tellal.services.campaign_reports import CampaignReport

        typer.echo(TypeAdapter(CampaignReport).dump_json(said).decode())
    else:
        _show(said)
    if not said.identity.holds:
        raise typer.Exit(1)


def _show(said: "CampaignReport") -> None:
    from tellal.services.campaign_mails import money

    which = f"run {said.run} of {said.runs}" if said.run else f"{said.runs} runs"
    rehearsed = ", rehearsed" if said.simulated else ""
    still = "" if said.decided else ", the audience is still being decided"
    typer.echo(f"{said.name}: {said.state}, {which}{rehearsed}{still}")
    totals = said.people.totals
    sums = " + ".join(f"{state} {getattr(totals, state)}" for state in _STATES)
    holds = "holds" if said.identity.holds else "DOES NOT HOLD"
    typer.echo(f"audience {said.identity.audience} = {sums} ({holds})")
    for title, groups in (
        ("variant", said.people.by_variant),
        ("step", said.people.by_step),
        ("country", said.people.by_country),
        ("language", said.people.by_language),
        ("segment", said.by_segment),
    ):
        _people(title, groups)
    _table("open, waiting", said.open.items())
    _table("kept back", ((one.words or one.reason, one.people) for one in said.people.suppressed))
    channels = said.messages.by_channel.items()
    _table("messages, delivered", ((channel, one.delivered) for channel, one in channels))
    lost = said.messages.undelivered
    _table("undelivered", ((f"{one.code} {one.words}".strip(), one.messages) for one in lost))
    typer.echo(f"\ncost {money(said.messages.cost) or '-'}", nl=False)
    typer.echo(f", to return {money(said.messages.to_return) or '-'}")
    annoyed = said.annoyance
    typer.echo(f"refused because of it {annoyed.refused}, complained {annoyed.complained}")
    if said.conversion:
        _goal(said.conversion)
    if said.split and said.split.warning:
        typer.echo(f"WARNING: {said.split.warning}")


def _goal(said: "Conversion") -> None:
    typer.echo(
        f"\n{said.event} within {said.within_s // 3600} h, {'' if said.final else 'not '}final"
    )
    for one in said.groups:
        name = "held out" if one.held_out else f"variant {one.variant or '-'}"
        found = one.vs_hold_out
        compared = f"; against the hold-out: {found.finding.value}" if found else ""
        typer.echo(f"  {name:<16} {_share(one.decided)}{compared}")


def _share(one: "Share") -> str:
    if one.share is None or one.interval is None:
        return f"{one.number} of {one.of}"
    bounds = f"{one.interval.low:.1%} to {one.interval.high:.1%}"
    return f"{one.number} of {one.of}, {one.share:.1%} ({bounds})"


def _people(title: str, groups: "Mapping[str, Totals]") -> None:
    if not groups or set(groups) == {""}:
        return
    typer.echo(f"\n{title:<16}" + "".join(f"{state:>11}" for state in ("audience", *_STATES)))
    for name, totals in groups.items():
        numbers = (getattr(totals, state) for state in ("audience", *_STATES))
        typer.echo(f"{name or '-':<16}" + "".join(f"{number:>11}" for number in numbers))


def _table(title: str, numbers: Iterable[tuple[str, int]]) -> None:
    shown = [(name, number) for name, number in numbers if number]
    if shown:
        typer.echo(f"\n{title}")
    for name, number in shown:
        typer.echo(f"  {name:<48}{number:>11}")
