"""Commands by which people publish rules and texts: as one revision, with four eyes."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from tellal.cli.rulebook import rules

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.domain.publishing import Actor, Proposal
    from tellal.services.keys import Scope
    from tellal.services.publishing import Preview, Proposed, Publishing

__all__ = ["rules"]

T = TypeVar("T")

Named = Annotated[
    str, typer.Argument(metavar="REVISION", help="Its name, or the beginning of it: sha256:1f0c8a.")
]
As = Annotated[
    str,
    typer.Option(
        "--as",
        metavar="KEY",
        envvar="TELLAL_KEY",
        help="Your own key. Better in TELLAL_KEY: others on this computer see command lines.",
    ),
]
Note = Annotated[str, typer.Option(help="Why.")]

_SHORT = 19
"""So much of a revision's name is shown: its kind and twelve digits."""


@rules.command()
def publish(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder of rule files; or name a --revision.")
    ] = None,
    *,
    templates: Annotated[
        Path | None, typer.Option(help="A folder of texts; else those that are in force.")
    ] = None,
    revision: Annotated[str, typer.Option(help="What has been proposed before.")] = "",
    note: Note = "",
    key: As = "",
) -> None:
    """Publish rules and texts as one revision; every process takes it into force in a second.

    If it concerns more customers than TELLAL_APPROVAL_ABOVE, it is proposed, and a second person
    approves it before it can be published.
    """
    from tellal.services.keys import Scope

    if (folder is None) == (not revision):
        raise typer.BadParameter("name a folder of rule files, or a --revision")
    if folder is None:
        proposal = _do(
            key, Scope.RULEBOOK_WRITE, lambda tx, desk, who: desk.publish(tx, who, revision)
        )
        _say_published(proposal)
        return
    rulebook = folder

    async def work(tx: "AsyncSession", desk: "Publishing", who: "Actor") -> "Proposed":
        from tellal.services.editions import read_edition, read_texts
        from tellal.services.publishing import Proposed

        texts = (await desk.present(tx)).texts if templates is None else read_texts(templates)
        proposed = await desk.propose(tx, who, read_edition(rulebook, texts), note=note)
        proposal = proposed.proposal
        if not proposal.needs_approval:
            proposal = await desk.publish(tx, who, proposal.revision)
        return Proposed(proposal=proposal, warnings=proposed.warnings)

    _check_folder(rulebook)
    _say(_do(key, Scope.RULEBOOK_WRITE, work))


@rules.command()
def approve(revision: Named, *, key: As = "") -> None:
    """Agree to what somebody else has proposed."""
    from tellal.services.keys import Scope

    proposal = _do(
        key, Scope.RULEBOOK_APPROVE, lambda tx, desk, who: desk.approve(tx, who, revision)
    )
    typer.echo(f"{proposal.approver} agrees to what {proposal.author} has proposed.")
    typer.echo(f"Next: tellal rules publish --revision {proposal.revision[:_SHORT]}")


@rules.command()
def refuse(revision: Named, *, key: As = "") -> None:
    """Refuse what somebody else has proposed."""
    from tellal.services.keys import Scope

    _do(key, Scope.RULEBOOK_APPROVE, lambda tx, desk, who: desk.refuse(tx, who, revision))
    typer.echo("The proposal is refused.")


@rules.command()
def withdraw(revision: Named, *, key: As = "") -> None:
    """Take back what you have proposed."""
    from tellal.services.keys import Scope

    _do(key, Scope.RULEBOOK_WRITE, lambda tx, desk, who: desk.withdraw(tx, who, revision))
    typer.echo("The proposal is withdrawn.")


@rules.command()
def rollback(revision: Named, *, note: Note = "", key: As = "") -> None:
    """Put a revision in force again that was so before; the same is checked as at first."""
    from tellal.services.keys import Scope

    _say(
        _do(
            key,
            Scope.RULEBOOK_WRITE,
            lambda tx, desk, who: desk.rollback(tx, who, revision, note=note),
        )
    )


@rules.command()
def preview(revision: Named) -> None:
    """Count whom a revision would concern, and which journeys are where."""
    found = _look(lambda tx, desk: desk.preview(tx, revision))
    _say_preview(found)


@rules.command()
def history(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many records.")] = 20,
) -> None:
    """List who did what to the rulebook, newest first."""
    from tellal.services import rulebook_log

    links = _look(lambda tx, _: rulebook_log.history(tx, limit=limit))
    if not links:
        typer.echo("Nothing has been published: the rule files of the folder are in force.")
    for one in (link.record for link in links):
        note = one.details.get("note")
        typer.echo(
            f"{one.seq:>4}  {one.at:%Y-%m-%d %H:%M:%S} UTC  {one.subject[:_SHORT]}  {one.action}"
            f" by {one.who}" + (f": {note}" if note else "")
        )


@rules.command()
def show(
    revision: Named,
    *,
    file: Annotated[str, typer.Option(help="Print this file of it.")] = "",
    into: Annotated[
        Path | None, typer.Option(help="Write its files into this folder, which must be new.")
    ] = None,
) -> None:
    """Show a revision: who wrote it, what became of it, and its files."""
    from tellal.domain.errors import InvalidInputError
    from tellal.services import proposals, revisions

    async def work(tx: "AsyncSession", _: "Publishing") -> None:
        found = await revisions.find(tx, revision)
        edition = await revisions.stored_edition(tx, found.revision)
        files = {} if edition is None else edition.files
        if file:
            if file not in files:
                raise InvalidInputError(f"it has no file {file!r}", field="file")
            typer.echo(files[file], nl=False)
            return
        state = "  in force" if found.in_force else ""
        typer.echo(f"{found.revision}{state}")
        typer.echo(f"{found.created_at:%Y-%m-%d %H:%M:%S} UTC by {found.author}: {found.note}")
        for one in await proposals.proposals(tx, revision=found.revision):
            typer.echo(f"  {_words(one)}")
        for path, text in files.items():
            typer.echo(f"  {path}  {len(text.splitlines())} lines")
        if into is not None:
            _write(into, files)

    _look(work)


def _write(folder: Path, files: "Mapping[str, str]") -> None:
    from tellal.domain.errors import InvalidInputError

    if folder.exists():
        raise InvalidInputError(f"{folder} is there already", field="into")
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")


def _check_folder(folder: Path) -> None:
    from tellal.domain.errors import InvalidInputError

    if not folder.is_dir():
        raise InvalidInputError(f"there is no folder {folder}", field="folder")


def _say(proposed: "Proposed") -> None:
    for warning in proposed.warnings:
        typer.echo(str(warning), err=True)
    proposal = proposed.proposal
    if not proposal.needs_approval:
        _say_published(proposal)
        return
    _say_preview(_look(lambda tx, desk: desk.preview(tx, proposal.revision)))
    typer.echo(f"{proposal.revision} is proposed and not in force yet.")
    typer.echo(f"Next, somebody else: tellal rules approve {proposal.revision[:_SHORT]}")


def _say_published(proposal: "Proposal") -> None:
    typer.echo(f"{proposal.revision} is in force.")


def _say_preview(found: "Preview") -> None:
    above = f"more than {found.threshold}, so a second person must agree"
    typer.echo(
        f"It concerns {found.affected} customers"
        + (f", {above}." if found.needs_approval else ", and nobody else must agree.")
    )
    for one in found.journeys:
        began = f" began with {one.revision[:_SHORT]}" if one.revision else ""
        lacks = f"; would lack {', '.join(one.lacks)}" if one.lacks else ""
        typer.echo(f"  {one.topic}: {one.number}{began}{lacks}")
    if found.stranded:
        typer.echo("It cannot be published while journeys would lack something.")


def _words(one: "Proposal") -> str:
    agreed = f", {one.approver}" if one.approver else ""
    return (
        f"{one.created_at:%Y-%m-%d %H:%M} {one.kind} {one.state} by {one.author}{agreed}; "
        f"{one.affected} customers"
    )


def _do(
    token: str,
    scope: "Scope",
    work: "Callable[[AsyncSession, Publishing, Actor], Awaitable[T]]",
) -> T:
    """Do it as the person whose key it is, in the database that the settings name."""
    from tellal.clock import SystemClock
    from tellal.domain.errors import DeniedError
    from tellal.services.keys import identify, show_use

    async def as_somebody(tx: "AsyncSession", desk: "Publishing") -> T:
        now = SystemClock().now()
        caller = await identify(tx, token, now=now) if token else None
        if caller is None:
            raise DeniedError(
                "a working key of your own is needed",
                code="personal_key_needed",
                hint="set TELLAL_KEY, or say --as KEY",
            )
        if scope not in caller.key.scopes:
            raise DeniedError(f"this key lacks the scope {scope.value}")
        await show_use(tx, caller.key.id, at=now)
        return await work(tx, desk, caller.actor)

    return _look(as_somebody)


def _look(work: "Callable[[AsyncSession, Publishing], Awaitable[T]]") -> T:
    from functools import partial

    from rules.profiles import load_profiles
    from rules.routing import load_routes
    from tellal.cli.transaction import in_transaction
    from tellal.clock import SystemClock
    from tellal.services.differences import Differences, PopulationImpact
    from tellal.services.editions import read_edition
    from tellal.services.publishing import Publishing
    from tellal.settings import Settings

    settings, clock = Settings(), SystemClock()
    routes = load_routes(settings.routes)
    at_hand = routes.at_hand(settings.providers)
    desk = Publishing(
        clock,
        folder=partial(read_edition, settings.rulebook),
        routes=routes,
        providers=settings.providers,
        above=settings.approval_above,
        profiles=load_profiles(settings.intake),
        impact=PopulationImpact(Differences(at_hand), clock),
    )
    return in_transaction(settings.database_url.get_secret_value(), lambda tx: work(tx, desk))
